"""All faults by name: what to do, how often in the long form, and whether the short form has it."""

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.torture import clock, clones, disks, faults, kills
from tests.torture.kills import JOB, STRIKES, TREE, Study
from tests.torture.outcome import Outcome
from tests.torture.project import Project, SmokeProject

SMOKE = " of the smoke DAG"
SHORT = [TREE, JOB, TREE]  # of one small study
CASES = "2500"  # random cases a kind of file in the long form
HOSTILE = ("tests/data/test_unpack.py", "tests/data/test_voc.py", "tests/data/test_hostile_images.py")
# What these files hold beside faults, which is not counted.
ORDINARY = (
    "what_is_inside", "it_goes_over", "folders_of_their_own", "permissions", "sets_of_several", "inclusive_pixels",
    "difficult_objects", "parts_and_owners", "boxes_are_clipped", "other_names", "declared_encodings", "digest_follows",
    "real_training", "real_test", "real_annotation", "large_photograph", "older_format", "whole_and_alone", "whole_part",
    "pause_doubles", "encoding_that_is_none", "comes_whole", "second_time", "the_users_is_taken", "part_is_found", "mirror",
    "by_hand", "an_id_is_made_once",
)  # fmt: skip
NAME = "a study of $(touch owned) & `touch owned`; 100% 'mine'"  # of its folder: nothing of it is run


class Bench:
    """Folders to break things in, and the undisturbed studies, made when first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder

    def fresh(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    @cached_property
    def study(self) -> Study:
        return Study(Project(self.folder / NAME))

    @cached_property
    def smoke(self) -> Study:
        return Study(SmokeProject(self.folder / "smoke"))


Run = Callable[[str, Bench, int, random.Random], Iterator[Outcome]]


@dataclass(frozen=True)
class Fault:
    """times: of the long form; of those done once an attempt more counts instead of the one before. run: None for the
    smoke DAG's kills, which come mixed."""

    name: str
    run: Run | None = None
    times: int = 1
    short: bool = False


def _apart(action: Callable[[str, Path], Outcome]) -> Run:
    return lambda name, bench, times, rng: iter([action(name, bench.fresh())])


def _on_study(action: Callable[[str, Study], Outcome]) -> Run:
    return lambda name, bench, times, rng: iter([action(name, bench.study)])


def _struck(action: Callable[[str, Study, int, random.Random], Iterator[Outcome]]) -> Run:
    return lambda name, bench, times, rng: action(name, bench.study, times, rng)


def _tests(*places: str, only: str = f"not ({' or '.join(ORDINARY)})") -> Run:
    return _apart(faults.tests(*places, "-k", only))


def _fuzzed(place: str, cases: str) -> Run:
    def run(name: str, bench: Bench, times: int, rng: random.Random) -> Iterator[Outcome]:
        tests = faults.tests(place, f"--hypothesis-seed={rng.getrandbits(32)}", TRIPLEHEAD_FUZZ=cases)
        yield tests(name, bench.fresh())

    return run


FAULTS = (
    Fault("full disk", _apart(disks.full_disk), short=True),
    Fault("folder turned read-only", _apart(disks.read_only), short=True),
    Fault("checkpoint truncated, flipped or gone", _tests("tests/engine/test_checkpoint.py"), short=True),
    Fault(
        "detectron2's checkpoint damaged, its disk full",
        _tests("tests/detectron2/test_engine.py", only="damaged or full"),
    ),
    Fault("8 processes on one SQLite store", _apart(faults.many_writers), short=True),
    Fault("two clones at once on one MLflow server", _apart(clones.at_once)),
    Fault(
        "a clone after another on one MLflow server",
        _tests("tests/tracking/test_tracking_server.py", "tests/tracking/test_study.py"),
    ),
    Fault("hostile archives, XML and images", _tests(*HOSTILE)),
    Fault("hostile names and paths, servers, telemetry", _tests("tests/test_security.py")),
    Fault("downloads cut, swapped or damaged", _tests("tests/data/test_download.py", "tests/data/test_archives.py")),
    Fault("a loss that diverges", _tests("tests/workflow/test_diverged.py")),
    Fault(f"files at random, {CASES} cases each", _fuzzed("tests/fuzz/test_fuzz_readers.py", CASES)),
    Fault("boxes at random, 500 cases each", _fuzzed("tests/fuzz/test_fuzz_assigners.py", "500")),
    Fault("connections beyond this machine", _on_study(faults.watched), short=True),
    Fault("two Snakemakes in one folder", _on_study(faults.second_snakemake), short=True),
    Fault("results edited by hand", _on_study(faults.edited), short=True),
    Fault("results deleted", _on_study(faults.deleted)),
    Fault("full disk in the middle of the DAG", _struck(disks.full_in_the_middle), times=5),
    Fault("results read-only in the middle of the DAG", _struck(disks.read_only_in_the_middle), times=5),
    Fault("clock set back by a day", _on_study(clock.set_back)),
    Fault("clock set back by a day at work", _on_study(clock.set_back_at_work)),
    Fault("SIGKILL to all as a training ends", _struck(kills.killed_at_the_end), times=5),
    *(Fault(f"{name}{SMOKE}", times=60) for name in STRIKES),
)
