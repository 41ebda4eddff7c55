"""The manifest of a user's data outlives a look at them that fails. Snakemake removes it before that job begins, and
without it would train finished runs anew."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triplehead.paths import DATA, atomic

MANIFEST, KEPT, LOOKING = "manifest.json", "kept.json", "looking"  # in a data set's folder below results/data/


@contextmanager
def looked_at(folder: Path) -> Iterator[None]:
    """Around the job that makes the manifest in `folder`; keeps a copy once that is made."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / KEPT).is_file():
        (folder / LOOKING).touch()
    yield
    with atomic(folder / KEPT) as file:
        shutil.copy(folder / MANIFEST, file)
    (folder / LOOKING).unlink(missing_ok=True)


def put_back(data: Path = DATA) -> None:
    """The manifests that jobs took away and did not make anew: they failed, or were killed. One that the user deleted
    stays deleted."""
    for looking in data.glob(f"*/{LOOKING}"):
        manifest, kept = looking.with_name(MANIFEST), looking.with_name(KEPT)
        if kept.is_file() and not manifest.exists():
            with atomic(manifest) as file:
                shutil.copy(kept, file)
