"""The report's table of what both engines measured."""

from pathlib import Path
from typing import Any

from triplehead.analysis.claims.numbers import interval, signed
from triplehead.analysis.engines import side_by_side
from triplehead.analysis.layout import number
from triplehead.plan.claims import Place
from triplehead.plan.engines import ENGINES
from triplehead.plan.plan import Plan
from triplehead.report.content import short

METRIC = "AP"


def engines_content(plan: Plan, results: Path) -> list[dict[str, Any]]:
    """A line for each set-up that both engines scored: the rows that it serves, either's AP, the difference with its
    interval, seeds. Raises InputError for a file that is broken."""
    return [
        {engine: number(each.scores[engine].value) for engine in ENGINES}
        | {
            "used": _named(plan, each.used),
            "difference": signed(each.difference.value, "points"),
            "interval": interval(each.difference.low, each.difference.high, "points"),
            "n": each.difference.n,
        }
        for each in side_by_side(plan, results, METRIC)
    ]


def _named(plan: Plan, rows: tuple[Place, ...]) -> list[str]:
    """Rows of tables of scores; figures draw the same again, and count only where no table has the set-up."""
    tables = [row for row in rows if plan.exhibits[row[0]].kind == "scores"]
    return [f"{short(plan, exhibit)}: {label}" for exhibit, label in tables or rows]
