"""The finished study in the view: one run, whose artifacts are the report, the figures and the tables."""

import csv
from pathlib import Path

from triplehead.errors import InputError
from triplehead.plan.plan import Plan
from triplehead.tracking.names import KIND, REPORT, report_experiment
from triplehead.tracking.runlog import outdated, put
from triplehead.tracking.store import REBUILD, Store, attempt, open_store, reason

NAME = "Report"


def log_report(uri: str, plan: Plan, results: Path) -> bool:
    """Bring the report's run up to date from `results` and reports/ beside it; a failing store is a warning,
    and False."""
    return attempt(uri, lambda: write_report(open_store(uri), plan, results), plan.command(REBUILD))


def write_report(store: Store, plan: Plan, results: Path) -> None:
    """`log_report` that raises what MLflow raises. Without a report there is no run.

    Metrics: how many claims have which verdict. Raises InputError for a ledger that cannot be read.
    """
    experiment = store.experiment(report_experiment(plan.config.scale))
    known = store.own(f"tags.`{KIND}` = '{REPORT}'", experiment)
    pages = [file for file in _below(results.parent / "reports", ("report.html", "report.pdf")) if file.exists()]
    counts = _verdicts(results / "claims.csv") if (results / "claims.csv").exists() else {}
    for run in known:
        if not pages or outdated(run, counts, {}):
            store.client.delete_run(run.info.run_id)
    if not pages:
        return
    tags = store.tags | {
        KIND: REPORT,
        "scale": plan.config.scale,
        "mlflow.source.name": "triplehead",
        "mlflow.note.content": "Tab Artifacts: `report.html` is shown there, `report.pdf` can be taken from there; "
        "`figures/` and `tables/` hold what both are made of. Metrics: claims of the paper by verdict.",
    }
    kept = [run for run in known if not outdated(run, counts, {})]
    run = kept[0] if kept else store.client.create_run(experiment, None, tags, NAME)
    put(store, run, counts, {}, tags)
    tables = [name for name, exhibit in plan.exhibits.items() if exhibit.kind != "figure"]
    pictures = ["overview", "silence", *(name for name in plan.exhibits if name not in tables)]
    for folder, files in (
        (None, pages),
        ("figures", _below(results, [f"{name}.{suffix}" for name in pictures for suffix in ("png", "pdf")])),
        (
            "tables",
            _below(results, ["claims.csv", *(f"{name}.{suffix}" for name in tables for suffix in ("csv", "tex"))]),
        ),
    ):
        for file in files:
            if file.exists():
                store.client.log_artifact(run.info.run_id, str(file), folder)
    if run.info.status != "FINISHED":
        store.client.set_terminated(run.info.run_id)


def _below(folder: Path, names: list[str] | tuple[str, ...]) -> list[Path]:
    return [folder / name for name in names]


def _verdicts(ledger: Path) -> dict[str, float]:
    """Claims by verdict: {"claims supported": 12.0, ...}."""
    counts: dict[str, float] = {}
    try:
        with ledger.open(newline="", encoding="utf-8") as stream:
            for entry in csv.DictReader(stream):
                name = f"claims {entry['verdict']}"
                counts[name] = counts.get(name, 0.0) + 1
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise InputError(ledger, f"not a readable ledger ({reason(error)})") from error
    return counts
