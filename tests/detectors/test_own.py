"""The user's own parts in a detector: they train beside the paper's, and a wrong answer is one line."""

from pathlib import Path

import pytest
import torch

from triplehead.cli.new import Part, new
from triplehead.detectors.boxes import FinalBoxes, Predictions
from triplehead.detectors.build import build_detector, count_parameters
from triplehead.detectors.own import check_predictions
from triplehead.errors import InputError
from triplehead.plan.options import OwnHead
from triplehead.plan.plan import load_plan


@pytest.fixture
def folder(tmp_path) -> Path:
    for part in Part:
        new(part, f"my_{part}", tmp_path / "mine")
    return tmp_path / "mine"


def spec_of(folder: Path, table: str):
    plan = load_plan({"scale": "smoke", "extra": str(folder)})
    return plan.specs[table, plan.exhibits[table].rows[-1].label][0]


def batch() -> tuple[list, list]:
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(3, 128, 128, generator=generator) for _ in range(2)]
    boxes = torch.tensor([[10.0, 20.0, 60.0, 70.0], [40.0, 30.0, 120.0, 110.0]])
    return images, [
        {"boxes": boxes, "labels": torch.tensor([1, 4])},
        {"boxes": boxes[:0], "labels": torch.zeros(0).long()},
    ]


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / f"{name}.py").read_text()
    assert old in text
    (folder / f"{name}.py").write_text(text.replace(old, new))


@pytest.mark.parametrize("name", ["my_assigner", "my_head", "my_loss"])
def test_what_new_writes_learns_on_one_batch_and_detects(folder, name):
    spec = spec_of(folder, name)
    model = build_detector(spec).train()
    images, targets = batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    losses = []
    for _ in range(12):
        parts = model(images, targets)
        loss = sum(parts.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0] and int(model.positives) > 0
    assert ("quality" in parts) == (name == "my_head")
    found = model.eval()(images)
    assert len(found) == 2 and set(found[0]) == {"boxes", "scores", "labels"}
    assert torch.equal(build_detector(spec).head.classifier.weight, build_detector(spec).head.classifier.weight)


def test_the_own_loss_is_the_one_that_is_minimised(folder):
    images, targets = batch()
    box = []
    for text in ("** self.options.power", "** self.options.power * 3"):
        if box:
            edit(folder, "my_loss", "** self.options.power", text)
        box.append(float(build_detector(spec_of(folder, "my_loss")).train()(images, targets)["box"].detach()))
    assert box[1] == pytest.approx(3 * box[0], rel=1e-5)


def test_an_own_head_is_counted_at_the_paper_scale(folder):
    from triplehead.plan.plan import paper_specs

    counts = count_parameters(build_detector(paper_specs("my_head", extra=str(folder))[-1]))
    tower, outputs = 4 * (9 * 256 * 256 + 256 + 2 * 256), 9 * 256 * (80 + 4 + 1) + 80 + 4 + 1
    assert sum(count for part, count in counts.items() if part.startswith("head.")) == tower + outputs + 5


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("my_assigner", "return torch.stack(", "return list(", r"my_assigner.MyAssigner: returned list, expected a tensor"),
        ("my_assigner", "-1)\n", "-1).float()\n", r"my_assigner.MyAssigner: returned a tensor \[2, 1344\] float32, expected \[2, 1344\] int64"),
        ("my_assigner", "-1)\n", "-3)\n", r"matched a point of image 0 with box -3; it has 2"),
        ("my_assigner", "area.argmin(dim=0)", "2 + area.argmin(dim=0)", r"matched a point of image 0 with box [23]; it has 2"),
        ("my_head", "return Predictions(", "return dict(", r"my_head.MyHead: returned dict, expected .*Predictions"),
        ("my_head", "logits=torch.cat(logits, dim=1)", "logits=torch.cat(logits, dim=1)[..., 1:]", r"predicted logits \[2, 1344, 9\], expected \[2, 1344, 10\]"),
        ("my_head", "quality=torch.cat(quality, dim=1) if quality else None", "quality=None", r"predicted quality NoneType, expected \[2, 1344\]"),
        ("my_loss", "** self.options.power", ".sum()", r"my_loss.MyLoss: returned \[\], expected a loss for each of \d+ boxes"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_one_line(folder, name, old, new, message):
    edit(folder, name, old, new)
    model = build_detector(spec_of(folder, name)).train()
    with pytest.raises(InputError, match=message):
        model(*batch())


def test_a_heads_final_boxes_are_not_computed_to_be_looked_at():
    """A run that is resumed looks at its first step; were it another step, so were the weights after it."""
    logits = torch.zeros(2, 5, 3)
    boxes = FinalBoxes(all_boxes=pytest.fail, chosen_boxes=pytest.fail, like=logits)
    head = OwnHead(path="mine.Head", source="")
    check_predictions(head, Predictions(logits, boxes, torch.zeros(2, 5, 4)), 2, 5, 3)
    with pytest.raises(InputError, match="predicted coarse_boxes"):
        check_predictions(head, Predictions(logits, boxes, torch.zeros(2, 5, 3)), 2, 5, 3)
