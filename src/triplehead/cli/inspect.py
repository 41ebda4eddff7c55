"""Commands that only look: plan, params."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from triplehead.cli.app import ConfigOption, app, plan_from
from triplehead.paths import RESULTS
from triplehead.plan.cost import plan_seconds, run_seconds

Cores = Annotated[int, typer.Option(min=1, help="Cores that the total is divided by.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

PowerOption = Annotated[
    bool, typer.Option("--power", help="Instead: the seeds that it takes to see each difference that the paper prints.")
]


@app.command()
def plan(
    config: ConfigOption = None, as_json: JsonOption = False, cores: Cores = 4, power: PowerOption = False
) -> None:
    """Show the runs, who uses each, and what they will cost."""
    plan = plan_from(config)
    if power:
        from triplehead.cli.power import show_power

        show_power(plan, RESULTS, as_json)
        return
    cost = plan.scale.cost
    if as_json:
        runs = [
            {
                "id": run.id,
                "group": run.spec.group,
                "seed": run.spec.seed,
                "users": [{"exhibit": exhibit, "row": label} for exhibit, label in run.users],
                "cpu_seconds": run_seconds(run.spec, cost) if cost else None,
                "spec": run.spec.model_dump(mode="json"),
            }
            for run in plan.runs.values()
        ]
        print(json.dumps({"scale": plan.config.scale, "cpu_seconds": plan_seconds(plan), "runs": runs}, indent=1))
        return

    groups: dict[str, list] = {}
    for run in plan.runs.values():
        groups.setdefault(run.spec.group, []).append(run)
    table = Table(title=f"Scale {plan.config.scale}")
    table.add_column("run (first seed)", no_wrap=True)
    for name in ("seeds", "CPU s a run"):
        table.add_column(name, justify="right")
    table.add_column("used by")
    for runs in groups.values():
        # Figures without their labels: most take their rows from tables.
        figures = [exhibit for exhibit, _ in runs[0].users if plan.exhibits[exhibit].kind == "figure"]
        rows = [f"{exhibit}: {label}" for exhibit, label in runs[0].users if exhibit not in figures]
        users = ", ".join([*rows, *dict.fromkeys(figures)])
        seconds = f"{run_seconds(runs[0].spec, cost):.0f}" if cost else "unknown"
        table.add_row(runs[0].id, str(len(runs)), seconds, users)
    console = Console()
    console.print(table)
    total = plan_seconds(plan)
    summary = f"{len(plan.runs)} runs of {len(groups)} specs"
    if total is not None:
        summary += f", about {total / 60:.0f} CPU minutes ({total / 60 / cores:.0f} on {cores} cores; {cost.machine})"
    console.print(summary)


@app.command()
def params(as_json: JsonOption = False) -> None:
    """Count the parameters of Table 4's detectors: totals, parts, and what the paper prints."""
    from triplehead.detectors.build import build_detector, count_parameters
    from triplehead.plan.plan import Experiments, paper_specs

    rows = {}
    for row, spec in zip(Experiments().exhibits["table4"].rows, paper_specs("table4"), strict=True):
        counts = count_parameters(build_detector(spec))
        rows[row.label] = {"published": row.published["parameters"], "counted": counts.pop("total"), "parts": counts}
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table("model / part", "counted", "published in Table 4", title="Parameters (ResNet-50, 80 classes)")
    for column in table.columns[1:]:
        column.justify = "right"
    for label, row in rows.items():
        equal = "equal" if row["counted"] == row["published"] else "different"
        table.add_row(f"[bold]{label}", f"[bold]{row['counted']:,}", f"{row['published']:,} ({equal})")
        for part, count in row["parts"].items():
            table.add_row(f"  {part}", f"{count:,}", "")
        table.add_section()
    Console().print(table)
