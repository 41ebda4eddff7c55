"""Commands that only look: params."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from triplehead.cli.app import LOOK, JsonOption, app


@app.command(epilog="Example: triplehead params --json", rich_help_panel=LOOK)
def params(as_json: JsonOption = False) -> None:
    """Count the parameters of Table 4's detectors: totals, parts, and what the paper prints."""
    from triplehead.detectors.build import build_detector, count_parameters
    from triplehead.plan.experiments import Experiments
    from triplehead.plan.plan import paper_specs

    rows: dict[str, dict[str, Any]] = {}
    for row, spec in zip(Experiments().exhibits["table4"].rows, paper_specs("table4"), strict=True):
        if spec is None:
            continue
        counts = count_parameters(build_detector(spec))
        rows[row.label] = {"published": row.published["parameters"], "counted": counts.pop("total"), "parts": counts}
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table("model / part", "counted", "published in Table 4", title="Parameters (ResNet-50, 80 classes)")
    for column in table.columns[1:]:
        column.justify = "right"
    for label, found in rows.items():
        equal = "equal" if found["counted"] == found["published"] else "different"
        table.add_row(f"[bold]{label}", f"[bold]{found['counted']:,}", f"{found['published']:,} ({equal})")
        for part, count in found["parts"].items():
            table.add_row(f"  {part}", f"{count:,}", "")
        table.add_section()
    Console().print(table)
