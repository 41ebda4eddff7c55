"""The paper's tables in the view: an experiment per table, a run per row, its seeds below it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from triplehead.plan.plan import Plan
from triplehead.plan.schema import Row
from triplehead.tracking.names import KIND, ROW, SEED, SHARED, exhibit_experiment, exhibit_scale, flatten, shared_with
from triplehead.tracking.runlog import now, outdated, put
from triplehead.tracking.seeds import PARENT, write_seeds
from triplehead.tracking.store import REBUILD, Store, attempt, open_store

if TYPE_CHECKING:
    import pandas
    from mlflow.entities import Run

EXHIBIT, INDEX = "triplehead.exhibit", "triplehead.row"


def log_exhibit(
    uri: str, plan: Plan, exhibit: str, frame: "pandas.DataFrame", files: list[Path], runs: Path | None = None
) -> bool:
    """Bring the rows of one table up to date; a failing store is a warning, and False.

    frame: tidy, with row, label, metric, mean, std, n, low, high, published, scale, run_ids. `files` (CSV,
    LaTeX) become artifacts of every row. `runs`: the folder of the runs, whose seeds are nested below their rows (None:
    rows alone). A second call with the same frame changes nothing.
    """

    def action() -> None:
        write_exhibit(open_store(uri), plan, exhibit, frame, files, runs)

    return attempt(uri, action, plan.command(REBUILD))


def write_exhibit(
    store: Store,
    plan: Plan,
    exhibit: str,
    frame: "pandas.DataFrame",
    files: list[Path],
    runs: Path | None = None,
) -> None:
    """`log_exhibit` that raises what MLflow raises."""
    declared = plan.exhibits[exhibit]
    scales = [scale for scale in frame["scale"] if not _empty(scale)]  # rows that are only cited have none
    scale = str(scales[0]) if scales else exhibit_scale(plan, exhibit)
    experiment = store.experiment(exhibit_experiment(exhibit, declared, scale))
    query = f"tags.`{KIND}` = '{ROW}' and tags.`{EXHIBIT}` = '{exhibit}'"
    known = {int(run.data.tags[INDEX]): run for run in store.own(query, experiment)}
    # The UI lists the latest start first, so that row 0 must have it.
    first = max((run.info.start_time + index for index, run in known.items()), default=now())
    width = len(str(len(declared.rows)))
    for index, cells in frame.groupby("row", sort=True):
        label = str(cells["label"].iloc[0])
        row = next((row for row in declared.rows if row.label == label), None)
        metrics, params = row_metrics(cells), flatten(row.ticks) if row else {}
        run = known.pop(int(index), None)
        if run is not None and outdated(run, metrics, params):
            _delete(store, run)
            run = None
        name = f"{int(index) + 1:0{width}} {label}"
        tags = row_tags(exhibit, int(index), scale, cells, row) | _shared(plan, exhibit, label) | store.tags
        if run is None:
            run = store.client.create_run(experiment, first - int(index), tags, name)
        elif run.info.run_name != name:
            store.client.update_run(run.info.run_id, name=name)
        put(store, run, metrics, params, tags)
        for file in files:
            store.client.log_artifact(run.info.run_id, str(file))
        if run.info.status != "FINISHED":
            store.client.set_terminated(run.info.run_id)
        if runs is not None and declared.kind == "scores":
            write_seeds(store, plan, (exhibit, label), run, runs)
    for run in known.values():
        _delete(store, run)


def _delete(store: Store, row: "Run") -> None:
    query = f"tags.`{KIND}` = '{SEED}' and tags.`{PARENT}` = '{row.info.run_id}'"
    for run in [*store.runs(query, row.info.experiment_id), row]:
        store.client.delete_run(run.info.run_id)


# Columns of a table -> metrics; the UI gives each name before a slash a section of charts. Measured minus published is
# left out: below the paper scale the two sides come from different data.
PARTS = {
    "mean": "mean/{}",
    "published": "published/{}",
    "low": "uncertainty/{}_low",
    "high": "uncertainty/{}_high",
    "std": "uncertainty/{}_std",
}


def row_metrics(cells: "pandas.DataFrame") -> dict[str, float]:
    """{"mean/AP", "published/AP", "uncertainty/AP_low", "uncertainty/AP_high", "uncertainty/AP_std", "n": seeds}
    without empty cells; low and high: the mean's 95% interval."""
    metrics: dict[str, float] = {}
    for cell in cells.to_dict("records"):
        found = {column: cell.get(column) for column in PARTS if not _empty(cell.get(column))}
        metrics |= {PARTS[column].format(cell["metric"]): float(value) for column, value in found.items()}
        if not _empty(cell["n"]):
            metrics["n"] = max(metrics.get("n", 0.0), float(cell["n"]))
    return metrics


def row_tags(exhibit: str, index: int, scale: str, cells: "pandas.DataFrame", row: Row | None) -> dict[str, str]:
    run_ids = cells["run_ids"].iloc[0]
    said = cells["conditions"].iloc[0] if "conditions" in cells else ""
    lines = [_sentence(cell) for cell in cells.to_dict("records")]
    return {
        KIND: ROW,
        EXHIBIT: exhibit,
        INDEX: str(index),
        "scale": scale,
        "conditions": "" if _empty(said) else str(said),
        "run_ids": "" if _empty(run_ids) else str(run_ids),
        "mlflow.source.name": "triplehead",
        "mlflow.note.content": "\n".join([*lines, "", row.note] if row and row.note else lines),
    }


def _shared(plan: Plan, exhibit: str, label: str) -> dict[str, str]:
    """Which rows of other tables and figures come from the same runs; a row without runs has no such tag."""
    specs = plan.specs.get((exhibit, label), ())
    return {SHARED: shared_with(plan.runs[specs[0].id].users, exhibit, label)} if specs else {}


def _sentence(cell: dict[str, Any]) -> str:
    measured = "not measured"
    if not _empty(cell["mean"]):
        measured = _number(cell["mean"])
        if not _empty(low := cell.get("low")) and not _empty(high := cell.get("high")):
            measured += f" [{_number(low)}, {_number(high)}]"
        said = "" if _empty(cell.get("conditions")) else f" ({cell['conditions']})"
        measured += f" measured at scale {cell['scale']}{said} (n = {float(cell['n'] or 0):g})"
    measured += " on test-dev" if cell.get("split") == "test-dev" else ""
    published = "not published" if _empty(cell["published"]) else f"{_number(cell['published'])} published"
    return f"- {cell['metric']}: {measured}, {published}"


def _number(value: Any) -> str:
    text = f"{float(value):,.2f}"
    return text.removesuffix(".00")


def _empty(value: Any) -> bool:
    import pandas

    return bool(pandas.isna(value)) or value == ""
