from pathlib import Path

import pytest
from tests.helpers import changed

from triplehead.data.prepare import prepare
from triplehead.engine.train import train
from triplehead.plan.plan import load_plan
from triplehead.plan.runs import RunSpec
from triplehead.tracking.run import Tracker


@pytest.fixture(scope="session")
def small_spec() -> RunSpec:
    """All of the paper's parts, twelve iterations, no pretrained backbone."""
    spec = load_plan({"scale": "smoke"}).specs["table5", "All"][0]
    backbone = spec.detector.backbone.model_dump(mode="json") | {"pretrain": None}
    return changed(
        spec,
        data={"train": 24, "val": 12, "image_size": 96},
        input={"short": 96, "long": 96},
        # A low threshold: twelve iterations teach little, and detections are wanted.
        detector={"backbone": backbone, "postprocess": {"score_threshold": 0.01}},
        schedule={"iterations": 12, "batch_size": 2, "checkpoint_every": 4, "warmup_iterations": 2},
    )


@pytest.fixture(scope="session")
def small_data(small_spec, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "scenes"
    prepare(small_spec.data, None, folder)
    return folder


@pytest.fixture(scope="session")
def trained(small_spec, small_data, tmp_path_factory) -> Path:
    """The folder of a run of `small_spec`."""
    place = tmp_path_factory.mktemp("trained")
    train(small_spec, small_data, place / "run", place / "scratch", Tracker(None, small_spec, [], place))
    return place / "run"
