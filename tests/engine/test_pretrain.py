"""A pretraining that runs away leaves nothing for runs to start from."""

import pytest
from tests.helpers import changed

from triplehead.engine.pretrain import pretrain
from triplehead.errors import InputError


def test_it_stops_and_says_what_to_change(small_spec, small_data, tmp_path):
    backbone = small_spec.detector.backbone.model_dump(mode="json")
    backbone |= {"pretrain": {"iterations": 6, "batch_size": 4, "lr": 1e20}}
    spec = changed(small_spec, detector={"backbone": backbone})
    with pytest.raises(InputError) as caught:
        pretrain(spec, small_data, tmp_path / "body.pt")
    said = str(caught.value)
    assert said.startswith(f"{spec.pretrained_id}: pretraining diverged at iteration ")
    assert "losses before: " in said and said.endswith("; lower lr of pretrain at scale smoke, found 1e+20")
    assert not list(tmp_path.iterdir())
