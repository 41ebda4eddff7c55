"""A run whose loss or weights ran away: a result of its own kind, which no mean takes in."""

from pathlib import Path

from triplehead.data.render import Split
from triplehead.engine import runtime
from triplehead.engine.evaluate import protocol_scores, write_evaluation
from triplehead.engine.train import Diverged
from triplehead.paths import DIVERGED
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Resampling


def write_diverged(
    spec: RunSpec, data: Path, run: Path, error: Diverged, resampling: Resampling, split: Split = "val"
) -> None:
    """Write what evaluation would: no detections, matches of none, and scores.json with null for each score and, under
    `diverged`, what `error` knows. Losses stand there as texts: JSON has no NaN."""
    dataset = runtime.open_data(spec, data, split)
    scores, matches = protocol_scores(spec, dataset, [])
    facts = error.facts | {"losses": {name: str(value) for name, value in error.facts["losses"].items()}}
    write_evaluation(spec, run, len(dataset), [], dict.fromkeys(scores) | {DIVERGED: facts}, matches, resampling)
