"""Places in the tables that claims and the audit name: each must exist, and print what is used of it."""

from collections.abc import Sequence
from pathlib import Path

from triplehead.errors import InputError
from triplehead.plan.schema import Exhibit, Row


class References:
    """Looks up rows for one file; what is missing is an InputError with file, place and what is allowed."""

    def __init__(self, file: Path, exhibits: dict[str, Exhibit]):
        self.file, self.exhibits = file, exhibits

    def exhibit(self, at: str, name: str) -> Exhibit:
        """The exhibit called `name`; InputError, which says `at` what place, where there is none."""
        if name not in self.exhibits:
            raise InputError(self.file, f"{at}: no exhibit {name!r}; allowed: {', '.join(self.exhibits)}")
        return self.exhibits[name]

    def row(self, at: str, exhibit: str, label: str) -> Row:
        """The row of `exhibit` with that label; InputError, which says `at` what place, where there is none."""
        rows = {row.label: row for row in self.exhibit(at, exhibit).rows}
        if label not in rows:
            raise InputError(self.file, f"{at}: no row {label!r} in {exhibit}; allowed: {', '.join(rows)}")
        return rows[label]

    def trained(self, at: str, exhibit: str, label: str, why: str = "") -> None:
        """The row has a spec. why: goes on where it has none."""
        if self.row(at, exhibit, label).spec is None:
            raise InputError(self.file, f"{at}: {exhibit}, {label} is only cited{why}")

    def unique(self, at: str, ids: Sequence[str]) -> None:
        """No two of the entries below `at` share their id."""
        if twice := next((index for index, name in enumerate(ids) if name in ids[:index]), None):
            raise InputError(self.file, f"{at}.{twice}.id: {ids[twice]!r} is used twice")

    def published(self, at: str, exhibit: str, label: str, metrics: tuple[str, ...]) -> None:
        """The row prints each of these metrics."""
        published = self.row(at, exhibit, label).published
        if unknown := next((metric for metric in metrics if metric not in published), None):
            allowed = ", ".join(published) or "none"
            raise InputError(self.file, f"{at}: {exhibit}, {label} has no published {unknown!r}; allowed: {allowed}")
