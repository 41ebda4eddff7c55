"""Detection in one image, decoding and NMS included: the detectors start from their initial weights, so the score
threshold is 0 and each level hands on as many candidates as it may."""

from collections.abc import Iterator

from benchmarks.measure import Result, compare
from benchmarks.probes import probe, spec_of

from triplehead.plan.plan import load_plan
from triplehead.plan.runs import RunSpec

SIZES = {"proxy": (128, 128, 40), "paper": (256, 416, 15)}  # pixels, rounds


def run() -> Iterator[Result]:
    for scale, (short, long, rounds) in SIZES.items():
        plan = load_plan({"scale": scale})
        rows = {"FCOS": "FCOS", "Ours": "All"}
        probes = {
            name: probe(_all_pass(spec_of(plan, "table5", row, short=short, long=long)), 1)
            for name, row in rows.items()
        }
        calls = {name: each.evaluate for name, each in probes.items()}
        yield from compare(f"detection, {scale}, one image of {short} x {long}", calls, rounds, "<= 1.18")


def _all_pass(spec: RunSpec) -> RunSpec:
    detector = spec.detector
    passing = detector.postprocess.model_copy(update={"score_threshold": 0.0})
    return spec.model_copy(update={"detector": detector.model_copy(update={"postprocess": passing})})
