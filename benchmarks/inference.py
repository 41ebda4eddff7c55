"""Detection in one image, decoding and NMS included, by detectors with their initial weights: once each level hands on
as many candidates as it may, once there are a twentieth as many as points."""

from collections.abc import Iterator

from benchmarks.measure import Result, compare
from benchmarks.probes import probe, spec_of

from triplehead.engine.probe import CANDIDATES
from triplehead.plan.plan import load_plan

SIZES = {"proxy": (128, 128, 40), "paper": (256, 416, 15)}  # pixels, rounds
ROWS = {"FCOS": "FCOS", "Ours": "All"}  # of Table 5


def run() -> Iterator[Result]:
    for scale, (short, long, rounds) in SIZES.items():
        plan = load_plan({"scale": scale})
        probes = {name: probe(spec_of(plan, "table5", row, short=short, long=long), 1) for name, row in ROWS.items()}
        calls = {name: each.evaluate for name, each in probes.items()}
        for share, said in ((None, "all candidates"), (CANDIDATES, "few candidates")):
            for each in probes.values():
                each.pass_candidates(share)
            yield from compare(f"detection, {scale}, one image of {short} x {long}, {said}", calls, rounds, "<= 1.18")
