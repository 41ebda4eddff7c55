import shutil
from pathlib import Path

import pytest

from triplehead.plan.plan import Plan, load_plan
from triplehead.plan.runs import RunSpec
from triplehead.tracking import store

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def plan() -> Plan:
    return load_plan({"scale": "smoke"}, ROOT / "experiments")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """Made once: the migrations take seconds."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.create(store.sqlite_uri(file))
    return file


@pytest.fixture
def uri(empty_store: Path, tmp_path: Path) -> str:
    (tmp_path / "results").mkdir()
    shutil.copy(empty_store, tmp_path / "results" / "mlflow.db")
    return store.sqlite_uri(tmp_path / "results" / "mlflow.db")


@pytest.fixture
def spec(plan: Plan) -> RunSpec:
    return plan.specs["table5", "JLA"][0]


@pytest.fixture
def users(plan: Plan, spec: RunSpec) -> list[tuple[str, str]]:
    return plan.runs[spec.id].users
