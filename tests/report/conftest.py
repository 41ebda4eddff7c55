import pytest
from fabricated import fabricate

from triplehead.analysis.tables import table_frame, write_csv
from triplehead.plan.plan import load_plan


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """(plan, results folder) of a made-up smoke run, Table 4 counted."""
    plan = load_plan({"scale": "smoke"})
    results = tmp_path_factory.mktemp("smoke") / "results"
    fabricate(plan, results)
    for name, exhibit in plan.exhibits.items():
        if exhibit.kind == "parameters":
            write_csv(table_frame(plan, name, results / "runs"), results / f"{name}.csv")
    return plan, results
