"""The whole study: every exhibit, its rows, and the runs behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from triplehead.errors import InputError, nearest
from triplehead.paths import EXPERIMENTS
from triplehead.plan.claims import Claims
from triplehead.plan.documents import read_yaml
from triplehead.plan.engines import ENGINES
from triplehead.plan.experiments import Experiments
from triplehead.plan.hints import command, departures
from triplehead.plan.overrides import check_batches, conditions, overridden
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Config, Exhibit, Row, Scale
from triplehead.plan.silence import SILENCE, Silence, Variant

COUNTED_AT = "paper architecture"  # the scale of what is counted: parameters


@dataclass
class Run:
    """A spec to train, and the rows that want its scores: (exhibit, label)."""

    spec: RunSpec
    users: list[tuple[str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class Plan:
    """What experiments/ declares at one scale. Build it with `load_plan`."""

    config: Config
    scale: Scale
    exhibits: dict[str, Exhibit]
    runs: dict[str, Run]
    specs: dict[tuple[str, str], tuple[RunSpec, ...]]  # (exhibit, label) -> one spec a seed
    claims: Claims = field(default_factory=Claims)
    silence: Silence = field(default_factory=Silence)
    variants: tuple[Variant, ...] = ()
    extra_runs: dict[str, Run] = field(default_factory=dict)  # of variants, that no exhibit asks for
    own: frozenset[str] = frozenset()  # exhibits and claims of the user's folder
    conditions: str = ""  # what the configuration has otherwise than the scale's file: "iterations=5, weights=none"
    asked: tuple[str, ...] = ()  # KEY=VALUE that experiments/config.yaml does not say, for the commands that hints name

    @cached_property
    def all_runs(self) -> dict[str, Run]:
        """By id: those of the exhibits, and the variants'."""
        return self.runs | self.extra_runs

    def with_variants(self) -> "Plan":
        """A plan in which the variants are the rows of one more table, for what works on tables."""
        rows = tuple(Row(label=variant.label) for variant in self.variants)
        if not rows:
            return self
        exhibit = Exhibit(kind="scores", title="What the silence costs", metrics=(self.silence.metric,), rows=rows)
        specs = {(SILENCE, variant.label): variant.specs for variant in self.variants}
        return replace(self, exhibits=self.exhibits | {SILENCE: exhibit}, specs=self.specs | specs, runs=self.all_runs)

    def only_variants(self) -> "Plan":
        """The runs that `snakemake silence` adds to the study's, as a plan of their own."""
        return replace(self.with_variants(), runs=self.extra_runs)

    def only(self, exhibits: Sequence[str]) -> "Plan":
        """A plan of the runs that these want, and no others. Raises InputError for one that there is not."""
        for name in exhibits:
            if name not in self.exhibits:
                allowed = f"{nearest(name, self.exhibits)}allowed: {', '.join(self.exhibits)}"
                raise InputError(name, f"no such exhibit; {allowed}")
        wanted = {run_id for name in exhibits for run_id in self.run_ids(name)}
        runs = {run_id: run for run_id, run in self.runs.items() if run_id in wanted}
        return replace(self, runs=runs, variants=(), extra_runs={})

    def run_ids(self, exhibit: str, label: str | None = None) -> list[str]:
        """Ids behind an exhibit, or one of its rows, without repetition."""
        labels = [row.label for row in self.exhibits[exhibit].rows if label in (None, row.label)]
        return list(dict.fromkeys(spec.id for key in labels for spec in self.specs.get((exhibit, key), ())))

    def run(self, run_id: str) -> RunSpec:
        """The spec with that id. Raises InputError where the plan has none."""
        if run_id not in self.all_runs:
            raise InputError(run_id, f"no such run at scale {self.config.scale}; see {self.command('triplehead plan')}")
        return self.all_runs[run_id].spec

    def scored_by_other(self, runs: Path) -> dict[str, RunSpec]:
        """id -> its spec by the other engine, of the runs that this one has scored, too; `runs`: their folder."""
        if not any(runs.glob(f"*-{ENGINES[1]}-*")):  # the ids say so, and most studies have none
            return {}
        others = {}
        for run_id, run in self.runs.items():
            first, second = ENGINES
            others[run_id] = run.spec.with_engine(second if run.spec.engine == first else first)
        return {run_id: spec for run_id, spec in others.items() if (runs / spec.id / "scores.json").is_file()}

    def command(self, words: str) -> str:
        """A command for people to run, such as "triplehead plan", told what makes it one about this study."""
        return command(words, self.asked)

    @property
    def at_paper_scale(self) -> bool:
        """Whether what is measured is of the paper's data and schedule; a trial (`overridden`) is not."""
        return self.config.scale == "paper" and self.scale.meaningful

    @property
    def measured_at(self) -> str:
        """Where its numbers are measured: "paper scale (short_side=500)"."""
        return f"{self.config.scale} scale" + (f" ({self.conditions})" if self.conditions else "")

    @property
    def data_complete(self) -> bool:
        """Whether the user's data sets must hold what is official."""
        asked = self.config.data_complete
        return self.scale.data_complete if asked is None else asked

    @property
    def weights_root(self) -> Path | None:
        """Where the user keeps ImageNet weights."""
        if self.config.weights_root is not None:
            return Path(self.config.weights_root)
        return Path(self.config.data_root) / "weights" if self.config.data_root else None

    @cached_property
    def data(self) -> dict[str, RunSpec]:
        """data id -> a spec that uses it."""
        return {run.spec.data_id: run.spec for run in self.runs.values()}

    @cached_property
    def pretrained(self) -> dict[str, RunSpec]:
        """pretrained backbone id -> a spec that uses it."""
        return {run.spec.pretrained_id: run.spec for run in self.runs.values() if run.spec.pretrained_id}


def load_plan(overrides: dict[str, Any] | None = None, folder: Path = EXPERIMENTS) -> Plan:
    """Read and validate everything. Raises InputError with file, path and what is allowed."""
    experiments = Experiments(folder)
    config = experiments.config(overrides)
    if config.extra is not None:
        experiments.add_own(Path(config.extra))
    declared = experiments.scale(config.scale)
    scale = overridden(declared, config)
    check_batches(scale)
    experiments.check_detectors(config.scale, scale)
    plan = Plan(config, scale, experiments.exhibits, {}, {}, experiments.claims, experiments.silence)
    for name, exhibit in experiments.exhibits.items():
        if exhibit.kind == "parameters":
            _counted(experiments, name)
            continue
        seeds = config.seeds or scale.seeds
        seeds = min(seeds, exhibit.seeds or seeds)
        for index, row in enumerate(exhibit.rows):
            first = experiments.resolve(config.scale, scale, name, index, engine=config.engine)
            if first is None:
                continue
            specs = [first.with_seed(seed) for seed in range(seeds)]
            plan.specs[name, row.label] = tuple(specs)
            for spec in specs:
                plan.runs.setdefault(spec.id, Run(spec)).users.append((name, row.label))
    variants = experiments.variants(config.scale, scale, plan.specs, config.engine)
    extra: dict[str, Run] = {}
    for variant in variants:
        for spec in variant.specs:
            if spec.id not in plan.runs:
                extra.setdefault(spec.id, Run(spec)).users.append((SILENCE, variant.label))
    own = frozenset((*experiments.own, *experiments.own_claims))
    asked = departures(config, read_yaml(folder / "config.yaml"))
    return replace(
        plan, variants=variants, extra_runs=extra, own=own, asked=asked, conditions=conditions(declared, config)
    )


def _counted(experiments: Experiments, exhibit: str) -> list[RunSpec | None]:
    """Parameters are a fact of the paper's architecture: always those of the paper scale."""
    scale = experiments.scale("paper")
    rows = range(len(experiments.exhibits[exhibit].rows))
    return [experiments.resolve("paper", scale, exhibit, index) for index in rows]


def paper_specs(exhibit: str, folder: Path = EXPERIMENTS, extra: str | None = None) -> list[RunSpec | None]:
    """The specs of an exhibit's rows at the paper scale, whatever scale is configured; extra: the user's folder."""
    experiments = Experiments(folder)
    if extra is not None:
        experiments.add_own(Path(extra))
    return _counted(experiments, exhibit)
