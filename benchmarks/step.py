"""Training steps of FCOS, JLA and Ours, and of torchvision's FCOS, and detectron2's where it is installed, on as deep a
backbone and the same images."""

from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.measure import Result, compare
from benchmarks.probes import Detectron2, Torchvision, paper_probe, probe, spec_of

from triplehead.plan.plan import load_plan

LABELS = {"FCOS": "FCOS", "JLA": "JLA", "Ours": "All"}  # of Table 5


def run() -> Iterator[Result]:
    plan = load_plan({"scale": "proxy"})
    probes = {name: probe(spec_of(plan, "table5", row), 8) for name, row in LABELS.items()}
    calls = {name: each.step for name, each in probes.items()}
    yield from compare("training step, proxy, 8 images of 128 x 128", calls, 40, "<= 1.25")
    probes = {name: paper_probe("table5", row, 2, 256, 416) for name, row in LABELS.items()}
    calls = {name: each.step for name, each in probes.items()}
    yield from compare("training step, ResNet-50, 2 images of 256 x 416", calls, 7, "<= 1.25")
    calls = {
        "FCOS": probes["FCOS"].step,
        "torchvision's FCOS": Torchvision(probes["FCOS"]).step,
        "torchvision's FCOS, our backbone": Torchvision(probes["FCOS"], our_backbone=True).step,
    }
    if find_spec("detectron2"):
        calls["detectron2's FCOS"] = Detectron2(probes["FCOS"]).step
    yield from compare("training step, ResNet-50, 2 images of 256 x 416", calls, 7, ">= 1")
