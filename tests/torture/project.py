"""A small project of every kind of rule: what is killed again and again, and a copy of the code that it runs."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parents[2]
PATIENCE = 1800  # seconds that one Snakemake may take
END = 120  # and that it may go on after it is told to end
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2", "reproduce_all"]

TABLE = {
    "kind": "scores",
    "title": "Two detectors",
    "section": "4",
    "columns": [],
    "metrics": ["AP", "AP50"],
    "rows": [
        {"label": "FCOS", "spec": {"detector": "fcos"}, "published": {"AP": 37.0}},
        {"label": "All", "spec": {"detector": "triple_head"}, "published": {"AP": 40.3}},
    ],
}
CURVES = {"kind": "figure", "title": "Learning curves", "rows_of": "table1"}
CLAIMS = {
    "claims": [
        {
            "id": "better",
            "title": "All {parts} together are better than none",
            "section": "4",
            "sentence": "All is better.",
            "quantity": {"kind": "difference", "of": ["table1", "All"], "minus": ["table1", "FCOS"], "metric": "AP"},
        }
    ]
}


class Project:
    """A folder with its own experiments, workflow and copy of the package, so that nothing done to it, and nothing
    done meanwhile to the checkout, reaches the other."""

    times: tuple[str, ...] = ()  # folders of measured times, which are not the same twice
    timed: tuple[str, ...] = ()  # how the places begin of all that holds them

    def __init__(self, folder: Path, **config: object):
        self.folder = folder
        for name in ("workflow", "profiles", "reports", "experiments", "src"):
            ignored = shutil.ignore_patterns("*.pdf", "__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("Snakefile", "environment.yml"):
            shutil.copy(ROOT / name, folder)
        self.temporary.mkdir()
        self.cache.mkdir()
        self._declare(folder / "experiments")
        self._write(folder / "experiments" / "config.yaml", **({"scale": "smoke"} | config))

    def _declare(self, experiments: Path) -> None:
        for pattern in ("table*", "fig*", "claims", "audit", "silence"):
            for file in experiments.glob(f"{pattern}.yaml"):
                file.unlink()
        for name, content in (("table1", TABLE), ("fig_learning_curves", CURVES), ("claims", CLAIMS)):
            (experiments / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        self._shorten(experiments / "scales" / "smoke.yaml")

    def _shorten(self, file: Path) -> None:
        scale = yaml.safe_load(file.read_text())
        scale["meaningful"] = True  # or no claim would be looked at
        for data in scale["datasets"].values():
            data.update(train=16, val=8)
        for backbone in scale["backbones"].values():
            backbone["pretrain"] = {"iterations": 4, "batch_size": 8}
        for schedule in scale["schedules"].values():
            schedule.update(iterations=24, batch_size=2, checkpoint_every=3)
        scale["resampling"] = {"replicates": 100}
        file.write_text(yaml.safe_dump(scale))

    @staticmethod
    def _write(file: Path, **changes: object) -> None:
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))

    @property
    def environment(self) -> dict[str, str]:
        # Whether telemetry is off is for the study itself to see to.
        dropped = ("TRIPLEHEAD_CONFIG", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        kept |= {"PYTHONPATH": str(self.folder / "src"), "OMP_NUM_THREADS": "1", "PATH": path}
        return kept | {"TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.cache)}

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def start(self, command: list[str] | None = None, **environment: str) -> subprocess.Popen:
        """Snakemake, or another command, in a session of its own; what it says goes to `said`."""
        with open(self.folder / "said.log", "a") as said:
            return subprocess.Popen(
                command or SNAKEMAKE, cwd=self.folder, env=self.environment | environment,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, preexec_fn=_heeding,
            )  # fmt: skip

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command or SNAKEMAKE, cwd=self.folder, env=self.environment | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip

    def clean(self) -> None:
        """As before the first run."""
        for name in ("results", "logs", ".snakemake", "temporary", "cache/snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.temporary.mkdir()
        for name in ("reports/report.pdf", "reports/report.html", "said.log"):
            (self.folder / name).unlink(missing_ok=True)

    def steps(self) -> dict[str, int]:
        """Run -> the last iteration that the log of its last attempt tells of."""
        found = {}
        for log in self.folder.glob("logs/train/*.log"):
            told = re.findall(r"(?m)^(\d+)/", log.read_text(errors="replace"))
            found[log.stem] = int(told[-1]) if told else 0
        return found

    def is_kept(self, run: str) -> bool:
        """Whether a run that has trained is whole, or has a state to go on from."""
        results = self.folder / "results"
        return (results / "runs" / run / "scores.json").exists() or any((results / "scratch" / run).glob("*.pt"))

    def keep_times(self) -> None:
        for place in self.times:
            shutil.copytree(self.folder / place, self._kept / place)

    def put_times_back(self) -> None:
        """What stands on them is then to be made anew."""
        for place in self.times:  # younger than what was made of the others
            shutil.copytree(self._kept / place, self.folder / place, dirs_exist_ok=True, copy_function=shutil.copy)

    @property
    def _kept(self) -> Path:
        return self.folder.with_name(f"{self.folder.name} times")

    def living(self) -> list[psutil.Process]:
        """Processes whose current folder this is."""
        found = []
        for process in psutil.process_iter(["cwd", "status"]):
            if process.info["cwd"] == str(self.folder.resolve()) and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found


def _heeding() -> None:
    """A harness in the background of a shell ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class SmokeProject(Project):
    """The paper's experiments at the scale smoke."""

    times = ("results/speed", "results/digests/speed")
    timed = (
        *(f"results/{name}" for name in ("speed/", "table3.", "claims.", "digests/speed/", "digests/table/table3.")),
        *("results/digests/claims.", "results/digests/report.", "reports/"),
    )

    def _declare(self, experiments: Path) -> None:
        pass


def jobs(process: subprocess.Popen) -> list[psutil.Process]:
    """The commands of ours that a Snakemake has at work now."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [each for each in below if "triplehead" in [Path(word).name for word in _words(each)[:3]]]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class NoEnd(Exception):
    """A Snakemake that goes on."""


# Each strike says whether it struck: a study may have ended before it, and then says 0.


def tree_killed(process: subprocess.Popen) -> bool:
    """SIGKILL for Snakemake and everything below it, at one moment: stopped first, so that none starts another."""
    at_work = process.poll() is None
    try:
        top = psutil.Process(process.pid)
        top.suspend()
        victims = [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        victims = []
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(victims, timeout=30)
    process.wait()
    return at_work


def terminated(process: subprocess.Popen) -> bool:
    """SIGTERM for the whole session, as a batch system sends it before the walltime is over."""
    return _signalled(process, signal.SIGTERM)


def interrupted(process: subprocess.Popen) -> bool:
    """SIGINT for the process group, as Ctrl-C in a terminal sends it."""
    return _signalled(process, signal.SIGINT)


def _signalled(process: subprocess.Popen, number: signal.Signals) -> bool:
    os.killpg(process.pid, number)
    try:
        return process.wait(timeout=END) != 0
    except subprocess.TimeoutExpired:
        tree_killed(process)
        raise NoEnd(f"{number.name} did not end Snakemake within {END} s") from None


def job_killed(process: subprocess.Popen) -> bool:
    """SIGKILL for one command that is at work, once one is; Snakemake goes on with the others, and then ends."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if victims := jobs(process):
            victims[-1].kill()
            return True
        time.sleep(0.02)
    return False
