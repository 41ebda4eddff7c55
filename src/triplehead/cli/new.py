"""`triplehead new`: a class of your own, its test and its table, ready to be changed and run."""

import keyword
import re
import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from triplehead.cli.app import MORE, app
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.experiments import Experiments
from triplehead.plan.own_folder import RESERVED


class Part(StrEnum):
    assigner = "assigner"
    head = "head"
    loss = "loss"


@dataclass(frozen=True)
class Start:
    """spec: of the row that its table has; figure: that shows most of such a part; row: of Table 5, that it changes;
    rival: of Table 5, the paper's own part of that kind."""

    spec: str
    figure: str
    row: str
    rival: str


STARTS = {
    Part.assigner: Start("detector: baseline\n      assigner: {class: %s}", "fig4", "Baseline", "JLA"),
    Part.head: Start(
        "detector: jla\n      head: {class: %s, scales: {smoke: {norm: batch}, proxy: {norm: batch}}}",
        "fig_ap_by_size",
        "JLA",
        "JLA + triple head",
    ),
    Part.loss: Start("detector: baseline\n      loss: {box: {class: %s}}", "fig5", "Baseline", "JLA"),
}


@app.command(epilog="Example: triplehead new assigner mine", rich_help_panel=MORE)
def new(
    part: Annotated[Part, typer.Argument(help="Of which kind: assigner, head or loss.")],
    name: Annotated[str, typer.Argument(help="Of its module and table: small letters, digits and _.")],
    into: Annotated[Path, typer.Option(help="Folder of your experiments.")] = Path("my_experiments"),
) -> None:
    """Write an assigner, head or box loss of your own, its test and its table, to be run beside the paper's."""
    _check(name)
    class_name, label = (sep.join(word.capitalize() for word in name.split("_")) for sep in ("", " "))
    start, claims = STARTS[part], into / "claims.yaml"
    texts = {
        into / f"{name}.py": f"{part}.py",
        into / f"test_{name}.py": f"{part}_test.py",
        into / f"{name}.yaml": "table.yaml",
        into / f"{name}_figure.yaml": "figure.yaml",
        (into / f"claims_{name}.yaml" if claims.exists() else claims): "claims.yaml",
    }
    for file in texts:
        if file.exists():
            raise InputError(file, "is there already; choose another name, or another folder by --into")
    words = {
        "__NAME__": name,
        "__ID__": name.replace("_", "-"),
        "__CLASS__": class_name,
        "__LABEL__": label,
        "__FOLDER__": into.name,
        "__FIGURE__": start.figure,
        "__FROM__": start.row,
        "__RIVALID__": re.sub("[^a-z]+", "-", start.rival.lower()),
        "__RIVAL__": start.rival,
        "__SPEC__": start.spec % f"{name}.{class_name}",
    }
    with ExitStack() as all_or_none:
        for file, template in texts.items():
            text = (files("triplehead.cli") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
            temporary = all_or_none.enter_context(atomic(file))
            temporary.write_text(re.sub("|".join(words), lambda match: words[match[0]], text), encoding="utf-8")
    folder, extra = shlex.quote(str(into)), shlex.quote(f"extra={into}")
    print("\n".join(f"wrote {file}" for file in texts))
    print(
        f"""
next:
  edit {into / f"{name}.py"}; it works as it is
  python -m pytest {folder}
  snakemake --cores 2 results/{name}.csv --config scale=smoke {extra}   (shows that it runs, in minutes)
  snakemake --cores 2 results/{name}.csv --config {extra}   (its numbers, at the proxy scale)
  snakemake --cores 2 reproduce_all --config {extra}   (with all of the paper's, and the report)"""
    )


def _check(name: str) -> None:
    """Raises InputError for a name that the module or the table cannot have, and outside of the project's root."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name.startswith("test_"):
        raise InputError(name, "is no name of a module; expected small letters, digits and _, for example my_assigner")
    if name in RESERVED or name.startswith("claims_"):
        raise InputError(name, "is the name of something else below results/; choose another")
    if name in Experiments().exhibits:
        raise InputError(name, "is a table or figure of the paper's; choose another")
