"""Detection in one image, decoding and NMS included, by detectors with their initial weights: once each level hands on
as many candidates as it may, once as many pass the threshold as a twentieth of the points."""

from collections.abc import Iterator

import torch
from benchmarks.measure import Result, compare
from benchmarks.probes import probe, spec_of

from triplehead.detectors.dense import DenseDetector
from triplehead.engine.probe import Probe
from triplehead.plan.plan import load_plan

SIZES = {"proxy": (128, 128, 40), "paper": (256, 416, 15)}  # pixels, rounds
FEW = 1 / 20
ROWS = {"FCOS": "FCOS", "Ours": "All"}  # of Table 5


def run() -> Iterator[Result]:
    for scale, (short, long, rounds) in SIZES.items():
        plan = load_plan({"scale": scale})
        probes = {name: probe(spec_of(plan, "table5", row, short=short, long=long), 1) for name, row in ROWS.items()}
        calls = {name: each.evaluate for name, each in probes.items()}
        for share, said in ((None, "all candidates"), (FEW, "few candidates")):
            for each in probes.values():
                pass_candidates(each, share)
            yield from compare(f"detection, {scale}, one image of {short} x {long}, {said}", calls, rounds, "<= 1.18")


def pass_candidates(probe: Probe, share: float | None) -> None:
    """Set the score threshold that as many classes of points pass as `share` of the points; all without a share."""
    detector = probe.detector
    assert isinstance(detector, DenseDetector)
    threshold = 0.0
    if share is not None:
        detector.eval()
        with torch.inference_mode():
            logits = detector.predict(probe.images)[0].logits
        passing = round(share * logits[..., 0].numel())
        threshold = float(logits.sigmoid().flatten().topk(passing + 1).values[-1])
    detector.postprocess = detector.postprocess.model_copy(update={"score_threshold": threshold})
