"""Every file that reproduce_all promises exists and is well-formed."""

import json
import sys
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from pypdf import PdfReader

from triplehead.analysis.figures import figures, overviews
from triplehead.analysis.tables import read_table
from triplehead.plan.plan import load_plan
from triplehead.tracking.store import uri


def main() -> None:
    plan = load_plan({"scale": "smoke"})
    results = Path("results")
    drawn = figures(plan)
    for name in [*overviews(plan), *drawn]:
        assert len(PdfReader(results / f"{name}.pdf").pages) == 1, name
        assert (results / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    for name, exhibit in plan.exhibits.items():
        if name in drawn:
            continue
        frame = read_table(plan, name, results)  # refuses other columns and cells
        if exhibit.kind == "scores":
            measured = frame[frame["n"] > 0]
            assert measured[["low", "high"]].notna().all(axis=None), f"{name}: a measured cell without an interval"
        assert len(frame) == len(exhibit.rows) * len(exhibit.metrics), name
        assert (results / f"{name}.tex").read_text().count("\\toprule") == 1, name
    ledger = pd.read_csv(results / "claims.csv").set_index("claim")
    assert list(ledger.index) == [claim.id for claim in plan.claims.claims]
    judged = ledger[ledger["kind"] != "parameters"]
    assert set(judged["verdict"]) == {"not measured at this scale"}, "smoke judges no scores"
    assert set(ledger.drop(judged.index)["verdict"]) == {"supported"}
    counts = pd.read_csv(results / "table4.csv")["mean"].tolist()
    assert counts == [32_244_250, 41_704_036, 34_614_307], counts
    for run in plan.runs:
        scores = json.loads((results / "runs" / run / "scores.json").read_text())
        assert 0 <= scores["AP"] <= 100, run
    assert not list(results.rglob("*.tmp")) and not list((results / "scratch").glob("*")), "something was left over"

    text = "".join(page.extract_text() for page in PdfReader("reports/report.pdf").pages)
    numbered = [*(f"Table {n}" for n in range(1, 10)), *(f"Figure {n}" for n in (4, 5, 6))]
    for expected in ("smoke", "34,614,307", "What the paper claims", "The paper against itself", *numbered):
        assert expected in text, expected
    page = Path("reports/report.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>") and page.count('<img src="data:image/png;base64,') == len(drawn) + 2
    for expected in ("smoke", "34,614,307", "What the paper claims", "The paper against itself", *numbered):
        assert expected in page, expected

    client = MlflowClient(uri(plan.config))
    experiments = client.search_experiments()
    runs = client.search_runs([experiment.experiment_id for experiment in experiments], max_results=5000)
    assert {run.info.status for run in runs} == {"FINISHED"}
    tracked = {run.data.tags.get("triplehead.run_id") for run in runs}
    assert set(plan.runs) <= tracked, set(plan.runs) - tracked
    tables = len(plan.exhibits) - len(drawn)
    print(f"{len(plan.runs)} runs, {tables} tables, {len(drawn)} figures, report and MLflow are complete")


if __name__ == "__main__":
    sys.exit(main())
