"""What the view calls things: experiments, runs, tags and params, from the plan alone."""

import json
import re
from dataclasses import dataclass
from typing import Any

from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Exhibit

KIND = "triplehead.kind"  # on every run of ours: one of KINDS
RUN_ID = "triplehead.run_id"
KINDS = TRAINING, ROW, SEED, CLAIM, REPORT = "training", "row", "seed", "claim", "report"
TRAINED = "trained_as"  # on a row's seed: the id of its training run
SHARED = "also_in"  # on a row and its seeds: who else uses the same runs
EXHIBIT_KEY = re.compile(r"table\d+|fig\w+|own\.\w+")  # of a run's tags
PAPER_KEY = re.compile(r"(table|fig)(\d+)|fig\w+")
MAX_PARAM = 500  # characters; what every MLflow server takes

User = tuple[str, str]  # exhibit, row's label


@dataclass(frozen=True)
class Experiment:
    name: str
    folder: str  # of its artifacts
    note: str


def training_experiment(scale: str) -> Experiment:
    note = "One run per spec and seed; the tag `exhibits` says which tables and figures use it."
    return Experiment(f"Training runs ({scale})", f"runs-{scale}", note)


def claims_experiment(scale: str) -> Experiment:
    note = (
        f"What the paper claims, judged at scale {scale}: a run per claim: ✓ supported, ✗ contradicted, ? open, "
        "– not judged; the tag `verdict` has the words. Below the "
        "paper scale a verdict is about the mechanism on small data, not about COCO."
    )
    return Experiment(f"Claims ({scale})", f"claims-{scale}", note)


def report_experiment(scale: str) -> Experiment:
    note = (
        f"The finished study at scale {scale}: report (PDF, and HTML to be looked at here), figures and tables as "
        "artifacts of one run, the verdicts on the paper's claims counted in its metrics."
    )
    return Experiment(f"Report ({scale})", f"report-{scale}", note)


def exhibit_experiment(key: str, exhibit: Exhibit, scale: str) -> Experiment:
    """For example "Table 5 · Individual component ablation studies (proxy)"."""
    place = f"of the paper, section {exhibit.section}" if exhibit.section else "beyond the paper"
    where = "counted on the paper's architecture" if exhibit.kind == "parameters" else f"at scale {scale}"
    charts = "The button with the curve shows all as charts."
    published = "`published/`, the paper's numbers"
    said = {
        "scores": [
            f"a run per row, its seeds nested below it (the plus sign). {charts}",
            f"Metrics of a row: `mean/AP` and the like, over its seeds; {published}, on its own data and schedule; "
            "`uncertainty/`, 95% interval and standard deviation.",
            "What several tables use was trained once: the tag `also_in` names them, `trained_as` the training run.",
        ],
        "speed": [
            f"a run per row. {charts}",
            f"Metrics of a row: `mean/FPS` and the like, over repeats of one model on one machine; {published}, on "
            "its own machine; `uncertainty/`, 95% interval and standard deviation over the repeats.",
        ],
        "parameters": [
            f"a run per row. {charts}",
            f"Metrics of a row: `mean/parameters`, an exact count; {published}.",
        ],
    }[exhibit.kind]
    note = "\n\n".join([f"{exhibit_title(key)} {place}, {where}: {said[0]}", *said[1:], *exhibit.notes])
    return Experiment(f"{exhibit_title(key)} · {exhibit.title} ({scale})", f"{key}-{scale}".replace(" ", "-"), note)


def exhibit_title(key: str) -> str:
    """ "table5" -> "Table 5", "fig_quantiles" -> "Figure quantiles"; one of the user's own: "Yours: mine"."""
    if not PAPER_KEY.fullmatch(key):
        return f"Yours: {key}"
    if key.startswith("fig_"):
        return f"Figure {key.removeprefix('fig_').replace('_', ' ')}"
    kind = key.rstrip("0123456789")
    number = key.removeprefix(kind)
    return f"{'Figure' if kind == 'fig' else kind.capitalize()} {number}".strip()


def exhibit_scale(plan: Plan, key: str) -> str:
    """Parameters are counted on the paper's architecture whatever the scale."""
    return "paper architecture" if plan.exhibits[key].kind == "parameters" else plan.config.scale


def planned_experiments(plan: Plan) -> list[Experiment]:
    """In the order to create them: the UI lists the latest first, so the report, and Table 1 before it, come last.
    Figures have no rows."""
    tables = [key for key, exhibit in plan.exhibits.items() if exhibit.kind != "figure"]
    keys = sorted(tables, key=_paper_order, reverse=True)
    exhibits = [exhibit_experiment(key, plan.exhibits[key], exhibit_scale(plan, key)) for key in keys]
    claims = [claims_experiment(plan.config.scale)] if plan.claims.claims else []
    return [training_experiment(plan.config.scale), *claims, *exhibits, report_experiment(plan.config.scale)]


def _paper_order(key: str) -> tuple[bool, int, str]:
    number = re.search(r"\d+$", key)
    return not key.startswith("table"), int(number[0]) if number else 0, key


def shared_with(users: list[User], exhibit: str, label: str) -> str:
    """Who else uses a run: "Table 1: K = 35; Figure 4: Ours"; nothing if no one does."""
    others = [user for user in users if user != (exhibit, label)]
    return "; ".join(f"{exhibit_title(key)}: {name}" for key, name in others)


def run_name(spec: RunSpec, users: list[User]) -> str:
    """For example "Table 6: Ours · seed 0", by the first row that wants the run: other tables have an Ours, too."""
    first = f"{exhibit_title(users[0][0])}: {users[0][1]}" if users else spec.short_name
    return f"{first} · seed {spec.seed}"


def run_tags(spec: RunSpec, users: list[User]) -> dict[str, str]:
    """What the spec and the plan say of a run; a tag per exhibit: `tags.table5 = 'JLA'` finds it."""
    tags = {
        KIND: TRAINING,
        RUN_ID: spec.id,
        "exhibits": "; ".join(f"{exhibit}: {label}" for exhibit, label in users),
        "scale": spec.scale,
        "dataset": spec.dataset,
        "group": spec.group,
        "seed": str(spec.seed),
        "mlflow.source.name": "triplehead",
    }
    for exhibit in dict.fromkeys(exhibit for exhibit, _ in users):
        tag = exhibit if PAPER_KEY.fullmatch(exhibit) else f"own.{exhibit}"
        tags[tag] = "; ".join(label for key, label in users if key == exhibit)
    return tags


def flatten(values: Any, prefix: str = "") -> dict[str, str]:
    """{"head": {"name": "fcos"}} -> {"head.name": "fcos"}; lists as JSON, cut at MAX_PARAM characters."""
    if isinstance(values, dict):
        flat: dict[str, str] = {}
        for key, value in values.items():
            flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
        return flat
    text = values if isinstance(values, str) else json.dumps(values, ensure_ascii=False)
    return {prefix: text if len(text) <= MAX_PARAM else text[: MAX_PARAM - 1] + "…"}
