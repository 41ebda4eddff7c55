"""Commands about data sets: what is there, what is missing, how to get it, and what a run reads of it."""

import json
import shutil
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from triplehead import paths
from triplehead.cli.app import MORE, ConfigOption, app, plan_from, scale_line
from triplehead.cli.inspect import JsonOption
from triplehead.cli.tables import Column, show
from triplehead.data.kept import looked_at
from triplehead.digests import record
from triplehead.errors import InputError
from triplehead.locking import exclusive
from triplehead.needs import download_hint as _hint
from triplehead.plan.datasets import Archive, DatasetFile, read_dataset
from triplehead.plan.options import LAYOUTS, AnyFolder, Folder
from triplehead.plan.plan import Plan

data_app = typer.Typer(help="The data sets.", epilog="Example: triplehead data check", no_args_is_help=True)
app.add_typer(data_app, name="data", rich_help_panel=MORE)


@data_app.command("prepare", epilog="Example: triplehead data prepare DATA -c scale=smoke")
def data_prepare(
    data_id: Annotated[str, typer.Argument(help="The name that its folder has below results/data/.")],
    config: ConfigOption = None,
) -> None:
    """Write the embedded data set, or check the user's, and state what is there in a manifest."""
    from triplehead.data.archives import absent
    from triplehead.data.prepare import files_of, prepare

    plan = plan_from(config)
    if data_id not in plan.data:
        raise InputError(data_id, f"no such data at scale {plan.config.scale}; allowed: {', '.join(plan.data)}")
    data = plan.data[data_id].data
    root = Path(plan.config.data_root) if plan.config.data_root else None
    declared = read_dataset(data.layout) if isinstance(data, Folder) else None
    folder = paths.DATA / data_id
    with exclusive(data_id), looked_at(folder) if declared else nullcontext():
        try:
            prepare(data, root, folder, declared if plan.data_complete else None)
        except InputError as error:
            if declared is None or (root and not absent(declared, root)):
                raise
            raise InputError(error.args[0], f"{error.args[1]}; {_hint(declared, data.layout, root)}") from None
        record(f"data/{data_id}", files_of(folder))


@data_app.command("check", epilog="Example: triplehead data check -c scale=paper -c data_root=DIR")
def data_check(
    datasets: Annotated[
        list[str] | None, typer.Argument(help="coco, voc, visdrone; those of the scale if none.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is there below data_root and what is missing: images, objects, and the official counts."""
    plan = plan_from(config)
    folders: dict[str, AnyFolder] = {
        name: data for name, data in plan.scale.datasets.items() if isinstance(data, Folder)
    }
    if unknown := next((name for name in datasets or () if name not in folders), None):
        known = ", ".join(folders) or "none, it draws its own"
        hint = "; -c scale=paper has it" if unknown in LAYOUTS and not folders else ""
        raise InputError(unknown, f"no such data set at scale {plan.config.scale}; allowed: {known}{hint}")
    root = _data_root(plan) if folders else Path()
    found = {name: _state(plan, name, folders[name], root) for name in datasets or folders}
    if as_json:
        print(json.dumps({"scale": plan.config.scale, "data_root": str(root), "datasets": found}, indent=1))
    else:
        print(scale_line(plan))
        if found:
            _print(found)
        else:
            print("It draws its own data: nothing to look for.")
    faults = [
        f"{name}: {split['problem']}"
        for name, each in found.items()
        for split in each["splits"].values()
        if split["fault"]
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InputError("data", f"{faults[0]}{more}")


@data_app.command("download", epilog="Example: triplehead data download coco -c data_root=DIR")
def data_download(
    dataset: Annotated[str, typer.Argument(help="coco, voc, visdrone.")],
    config: ConfigOption = None,
    archive: Annotated[
        list[str] | None, typer.Option(help="Only this archive, by its file name; also one that is optional.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Unpack also what seems to be there.")] = False,
) -> None:
    """Fetch a data set from its authors, check and unpack it; goes on where it was stopped. -c data_mirror=URL
    takes the archives from another address."""
    from triplehead.data import archives

    plan = plan_from(config)
    if dataset not in LAYOUTS:
        raise InputError(dataset, f"no such data set; allowed: {', '.join(LAYOUTS)}")
    declared, root = read_dataset(dataset), _data_root(plan, exists=False)
    wanted = _wanted(declared, archive)
    mirror = plan.config.data_mirror
    if not root.parent.is_dir():
        raise InputError(root.parent, f"no such folder, expected the one to make data_root in: {root}")
    with _no_empty_folder(root), exclusive(f".{dataset}.lock", root / archives.FOLDER):
        states = {each.file: archives.find(declared, each, root).state for each in wanted}
        lost = [each.file for each in wanted if states[each.file] in ("missing", "part") and not (each.url or mirror)]
        if lost:
            print(archives.instructions(declared, root), flush=True)
            raise InputError(
                root / archives.FOLDER / lost[0], "no such file; it must be fetched by hand, as said above"
            )
        for each in wanted:
            with _progress(each) as progress:
                archives.get(declared, each, root, mirror, again, say=_say, progress=progress)


@contextmanager
def _no_empty_folder(root: Path):
    """Leave no data_root behind, where it was made for nothing: it may be a slip of the pen."""
    new = not root.exists()
    try:
        yield
    except BaseException:
        if new and not any(path.is_file() and path.stat().st_size for path in root.rglob("*")):
            shutil.rmtree(root, ignore_errors=True)
        raise


def _wanted(declared: DatasetFile, names: list[str] | None) -> list[Archive]:
    by_name = {archive.file: archive for archive in declared.archives}
    if unknown := next((name for name in names or () if name not in by_name), None):
        raise InputError(unknown, f"no such archive of {declared.title}; allowed: {', '.join(by_name)}")
    return [by_name[name] for name in names] if names else [each for each in declared.archives if not each.optional]


def _state(plan: Plan, name: str, data: AnyFolder, root: Path) -> dict[str, Any]:
    """What is there of a data set: its archives and its splits; a split's `fault` is one at this scale."""
    from triplehead.data import archives
    from triplehead.data.counts import count, differences
    from triplehead.data.prepare import SPLITS, check_categories, open_user_split

    declared = read_dataset(name)
    found = [archives.find(declared, archive, root) for archive in declared.archives]
    splits, opened = {}, []
    for split in SPLITS:
        official = declared.official(data.parts(split))
        state: dict[str, Any] = {
            "parts": data.parts(split), "state": "missing", "problem": None, "fault": True, "found": None,
            "official": official and official.model_dump(),
        }  # fmt: skip
        try:
            opened.append(open_user_split(data, root, split))
            if len(opened) == len(SPLITS):
                check_categories(*opened)
            counts = count(opened[-1])
        except InputError as error:
            state["problem"] = str(error)
            if archives.absent(declared, root):
                state["problem"] += f"; {_hint(declared, name, root)}"
            else:
                state["state"] = "wrong"
        else:
            wrong = differences(counts, official)
            state |= {"found": counts._asdict(), "fault": bool(wrong) and plan.data_complete}
            state["state"] = "not official" if official is None else "other counts" if wrong else "complete"
            state["problem"] = f"the {split} split has {'; '.join(wrong)}" if wrong else None
        splits[split] = state
    listed = [asdict(each) | {"archive": each.archive.file, "optional": each.archive.optional} for each in found]
    return {"title": declared.title, "splits": splits, "archives": listed}


def _print(found: dict[str, Any]) -> None:
    columns = [Column("data set"), Column("split", below=True), Column("images", number=True),
               Column("objects", number=True, below=True), Column("that count", number=True, below=True),
               Column("state", whole=True)]  # fmt: skip
    rows = []
    for each in found.values():
        for name, split in each["splits"].items():
            counts, official = split["found"] or {}, split["official"] or {}
            cells = [_of(counts.get(key), official.get(key)) for key in ("images", "objects", "counted")]
            rows.append((each["title"], f"{name} ({', '.join(split['parts'])})", *cells, split["state"]))
    show(Console(), columns, rows)
    for each in found.values():
        for split in each["splits"].values():
            if split["problem"]:
                print(f"{each['title']}: {split['problem']}")
        for archive in each["archives"]:
            if archive["state"] in ("ready", "part"):
                size = f" ({archive['bytes']:,} bytes)" if archive["bytes"] else ""
                print(f"{archive['archive']}: {archive['state']}{size}, not unpacked: {archive['lacking']}")


def _of(number: int | None, official: int | None) -> str:
    if number is None:
        return "-" if official is None else f"- of {official:,}"
    return f"{number:,}" if official in (None, number) else f"{number:,} of {official:,}"


def _data_root(plan: Plan, exists: bool = True) -> Path:
    if plan.config.data_root is None:
        raise InputError("data_root", "is not set, expected the folder of the data sets: -c data_root=DIR")
    root = Path(plan.config.data_root)
    if exists and not root.is_dir():
        raise InputError(root, "no such folder, expected data_root, the folder of the data sets")
    return root


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _progress(archive: Archive):
    """A bar where somebody looks."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(archive.file, total=archive.bytes, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
