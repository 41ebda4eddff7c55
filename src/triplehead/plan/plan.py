"""The whole study: every exhibit, its rows, and the runs behind them."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from triplehead.errors import InputError
from triplehead.paths import EXPERIMENTS
from triplehead.plan.audit import Audit, check_audit
from triplehead.plan.claims import Claims, Place, check_claims
from triplehead.plan.documents import Layer, Model, read_yaml, validate
from triplehead.plan.engines import Engine, check_engine, chosen_engine
from triplehead.plan.hints import command, departures
from triplehead.plan.options import (
    ASSIGNERS,
    DETECTORS,
    HEADS,
    POSTPROCESS,
    Detector,
    Evaluation,
    Input,
    Loss,
    Options,
    Postprocess,
    ResNet,
)
from triplehead.plan.overrides import check_batches, overridden
from triplehead.plan.own_folder import read_claims, read_exhibits
from triplehead.plan.own_parts import resolved
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Config, DatasetName, DetectorFile, Exhibit, Row, Scale, Spec
from triplehead.plan.silence import SILENCE, Silence, Variant, check_silence, text, varied

PARTS = ("head", "assigner", "loss", "postprocess")  # what a detector's file and a row may say, as far as there is one
SETTINGS: dict[str, type[Options]] = {
    "input": Input,
    "postprocess": Postprocess,
    "evaluation": Evaluation,
}  # what a data set may change


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

    def run_ids(self, exhibit: str, label: str | None = None) -> list[str]:
        """Ids behind an exhibit, or one of its rows, without repetition."""
        labels = [row.label for row in self.exhibits[exhibit].rows if label in (None, row.label)]
        return list(dict.fromkeys(spec.id for key in labels for spec in self.specs.get((exhibit, key), ())))

    def run(self, run_id: str) -> RunSpec:
        """The spec with that id. Raises InputError where the plan has none."""
        if run_id not in self.all_runs:
            raise InputError(run_id, f"no such run at scale {self.config.scale}; see {self.command('triplehead plan')}")
        return self.all_runs[run_id].spec

    def command(self, words: str) -> str:
        """A command for people to run, such as "triplehead plan", told what makes it one about this study."""
        return command(words, self.asked)

    @property
    def at_paper_scale(self) -> bool:
        """Whether what is measured is of the paper's data and schedule; a trial (`overridden`) is not."""
        return self.config.scale == "paper" and self.scale.meaningful

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


class Experiments:
    """The files below a folder, read once; resolves rows at any scale."""

    def __init__(self, folder: Path = EXPERIMENTS):
        if not folder.is_dir():
            raise InputError(folder, "no such folder; run from the project's root")
        self.folder = folder
        self.own_folder: Path | None = None
        self.own: dict[str, tuple[Path, int]] = {}  # the user's exhibits: file, and rows of the paper before its own
        self.own_claims: tuple[str, ...] = ()
        self.exhibits = {path.stem: validate(Exhibit, self._layer(path)) for path in self._exhibit_files()}
        self.exhibits |= {
            name: self._with_rows(name, exhibit, folder / f"{name}.yaml")
            for name, exhibit in self.exhibits.items()
            if exhibit.rows_of
        }
        self._check_bands()
        self.detectors = {
            path.stem: validate(DetectorFile, self._layer(path))
            for path in sorted((folder / "detectors").glob("*.yaml"))
        }
        self.audit = self._optional("audit", Audit)
        check_audit(folder / "audit.yaml", self.audit, self.exhibits)
        self.claims = self._optional("claims", Claims)
        check_claims(folder / "claims.yaml", self.claims, self.exhibits, self._scales())
        self.silence = self._optional(SILENCE, Silence)
        if self.silence.switches:
            check_silence(folder / f"{SILENCE}.yaml", self.silence, self.claims, self.exhibits)

    def add_own(self, folder: Path) -> None:
        """Take in the user's own tables, figures and claims. Raises InputError for a mistake there."""
        self.own_folder, found = folder, read_exhibits(folder, self.exhibits)
        self.own = {name: (each.file, each.first) for name, each in found.items()}
        self.exhibits |= {name: each.exhibit for name, each in found.items()}
        self.exhibits |= {
            name: self._with_rows(name, each.exhibit, each.file) for name, each in found.items() if each.exhibit.rows_of
        }
        self._check_bands()
        for file, declared in read_claims(folder).items():
            check_claims(file, declared, self.exhibits, self._scales())
            known = {claim.id for claim in self.claims.claims} | self.exhibits.keys()
            for index, claim in enumerate(declared.claims):
                if claim.id in known:
                    raise InputError(file, f"claims.{index}.id: {claim.id!r} is taken by another claim or a table")
            self.own_claims += tuple(claim.id for claim in declared.claims)
            self.claims = self.claims.model_copy(update={"claims": (*self.claims.claims, *declared.claims)})

    def _scales(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in (self.folder / "scales").glob("*.yaml")))

    def _optional(self, name: str, model: type[Model]) -> Model:
        """A file that a study may do without."""
        path = self.folder / f"{name}.yaml"
        return validate(model, self._layer(path)) if path.exists() else model()

    def _exhibit_files(self) -> list[Path]:
        """Tables first: a run is named after the first row that wants it."""
        return [*sorted(self.folder.glob("table*.yaml")), *sorted(self.folder.glob("fig*.yaml"))]

    def _with_rows(self, name: str, exhibit: Exhibit, file: Path) -> Exhibit:
        sources = {key: other.rows for key, other in self.exhibits.items() if other.rows}
        if exhibit.rows_of not in sources:
            problem = f"rows_of: no rows in {exhibit.rows_of!r}; allowed: {', '.join(sources)}"
            raise InputError(file, problem)
        rows = [Row(label=row.label, spec=row.spec) for row in sources[exhibit.rows_of]]
        return exhibit.model_copy(update={"rows": tuple(rows), "rows_of": None})

    def _check_bands(self) -> None:
        """A band of a scale that does not exist would never be looked at."""
        known = self._scales()
        for name, exhibit in self.exhibits.items():
            for index, row in enumerate(exhibit.rows):
                if unknown := row.accept.keys() - set(known):
                    file, at = self._place(name, index)
                    raise InputError(file, f"{at}.accept: no scale {sorted(unknown)[0]!r}; allowed: {', '.join(known)}")

    def _place(self, exhibit: str, index: int) -> tuple[Path, str]:
        """Where row `index` of an exhibit stands: its file, and the place there."""
        file, first = self.own.get(exhibit, (self.folder / f"{exhibit}.yaml", 0))
        return file, f"rows.{max(0, index - first)}"

    @staticmethod
    def _layer(path: Path) -> Layer:
        return Layer(path, "", read_yaml(path))

    def config(self, overrides: dict[str, Any] | None = None) -> Config:
        """experiments/config.yaml under `overrides`. Raises InputError for a mistake in either."""
        file = self.folder / "config.yaml"
        layers = [self._layer(file)]
        if overrides:
            layers.append(Layer(Path("--config"), "", overrides))
        return validate(Config, layers)

    def scale(self, name: str) -> Scale:
        """experiments/scales/<name>.yaml, every block of it checked. Raises InputError for a mistake in it."""
        known = self._scales()
        if name not in known:  # a word, not a path
            problem = f"scale: no scale {name!r}; allowed: {', '.join(known)}"
            raise InputError(self.folder / "config.yaml", problem)
        path = self.folder / "scales" / f"{name}.yaml"
        scale = validate(Scale, self._layer(path))
        for part, options in (("heads", HEADS), ("assigners", ASSIGNERS)):
            for key, settings in getattr(scale, part).items():  # each block whole, whether or not a row needs it
                validate(options[key], Layer(path, f"{part}.{key}", settings))
        validate(Loss, Layer(path, "loss", scale.loss))
        for dataset in scale.datasets:
            for part, kind in SETTINGS.items():
                validate(kind, self._block(scale, path, dataset, part))
        for name, other in scale.detectors.items():
            if unknown := next((file for file in (name, other) if file not in self.detectors), None):
                problem = f"no detector {unknown!r}; allowed: {', '.join(self.detectors)}"
                raise InputError(path, f"detectors.{name}: {problem}")
        return scale

    @staticmethod
    def _block(scale: Scale, file: Path, dataset: DatasetName, part: str) -> list[Layer]:
        """A block of the scale's file, and what the data set changes in it."""
        common, changes = getattr(scale, part), getattr(scale.settings_of(dataset), part)
        values = common.model_dump(mode="json", exclude_unset=True) if isinstance(common, Options) else common
        return [Layer(file, part, values), Layer(file, f"dataset_settings.{dataset}.{part}", changes)]

    def resolve(
        self, scale_name: str, scale: Scale, exhibit: str, index: int, seed: int = 0, engine: Engine | None = None
    ) -> RunSpec | None:
        """The run behind row `index` of an exhibit; None if the row is only cited. engine: of rows that name none."""
        row = self.exhibits[exhibit].rows[index]
        file, at = self._place(exhibit, index)
        own = self.own_folder if exhibit in self.own else None
        if row.spec is None:
            return None
        return self._resolve(scale_name, scale, row.spec, file, f"{at}.spec", seed, engine, own)

    def _resolve(
        self, scale_name: str, scale: Scale, spec: Spec, file: Path, at: str, seed: int,
        engine: Engine | None = None, own: Path | None = None,
    ) -> RunSpec:  # fmt: skip
        """The run that `spec` asks for, which stands in `file` at `at`; own: the folder of its own classes."""
        scale_file = self.folder / "scales" / f"{scale_name}.yaml"
        for key, known in (("detector", self.detectors), ("schedule", scale.schedules),
                           ("dataset", scale.datasets), ("backbone", scale.backbones)):  # fmt: skip
            if getattr(spec, key) not in known:
                raise InputError(
                    file, f"{at}.{key}: no {getattr(spec, key)!r} at scale {scale_name}; allowed: {', '.join(known)}"
                )
        stem = scale.detectors.get(spec.detector, spec.detector)
        engine = chosen_engine(spec.engine, engine, spec.dataset)
        sharing = {"devices": scale.devices > 1, "micro_batch": scale.micro_batch}
        check_engine(engine, spec.dataset, sharing, file, f"{at}.engine")
        data, backbone = scale.datasets[spec.dataset], scale.backbones[spec.backbone]
        parts = resolved(Layer(file, at, self._parts(spec)), own, scale_name, self._scales())
        inputs = self._block(scale, scale_file, spec.dataset, "input")
        if isinstance(backbone, ResNet):
            inputs = [self._pixels(backbone, inputs), *inputs]
        return RunSpec(
            scale=scale_name,
            dataset=spec.dataset,
            data=data,
            num_classes=data.num_classes,
            input=validate(Input, inputs),
            detector=self._detector(stem, spec, parts, scale, scale_file),
            schedule=scale.schedules[spec.schedule],
            evaluation=validate(Evaluation, self._block(scale, scale_file, spec.dataset, "evaluation")),
            threads=scale.threads,
            seed=seed,
            engine=engine,
        )

    @staticmethod
    def _pixels(backbone: ResNet, inputs: list[Layer]) -> Layer:
        """The statistics that the backbone's weights ask for. InputError where the settings say others."""
        for layer in inputs:
            for key, value in backbone.pixels.items():
                if backbone.weights != "none" and layer.values.get(key, value) != value:
                    problem = f"found {layer.values[key]}, but weights {backbone.weights} were trained on {value}"
                    raise InputError(
                        layer.file, f"{layer.place([key])}: {problem}; leave it out, it follows the weights"
                    )
        return Layer(inputs[0].file, inputs[0].prefix, backbone.pixels)

    def variants(
        self, scale_name: str, scale: Scale, specs: dict[Place, tuple[RunSpec, ...]], engine: Engine | None = None
    ) -> tuple[Variant, ...]:
        """Every switch of silence.yaml at every value that is not in force; specs: those of the exhibits' rows."""
        file, found = self.folder / f"{SILENCE}.yaml", []
        for index, switch in enumerate(self.silence.switches):
            exhibit, label = self.silence.row_of(switch)
            base = next(row.spec for row in self.exhibits[exhibit].rows if row.spec and row.label == label)
            for value in switch.values:
                asked, at = varied(switch, value, base), f"switches.{index}"
                first = self._resolve(scale_name, scale, asked, file, at, 0, engine)
                variant = tuple(first.with_seed(spec.seed) for spec in specs[exhibit, label])
                if variant != specs[exhibit, label]:
                    found.append(Variant(switch.name, text(value), (exhibit, label), variant))
        return tuple(found)

    def check_detectors(self, scale_name: str, scale: Scale) -> None:
        """Raise InputError for a mistake in a detector's file, whether or not a row of this scale comes to it.

        One that the scale replaces need not fit it: it is read as the paper scale would.
        """
        for stem in self.detectors:
            name, at = (scale_name, scale) if stem not in scale.detectors else ("paper", self.scale("paper"))
            spec = Spec(detector=stem, dataset=next(iter(at.datasets)), backbone=next(iter(at.backbones)))
            self._detector(stem, spec, None, at, self.folder / "scales" / f"{name}.yaml")

    @staticmethod
    def _parts(source: DetectorFile | Spec) -> dict[str, Any]:
        return {part: getattr(source, part) for part in PARTS if getattr(source, part)}

    def _detector(self, stem: str, spec: Spec, row: Layer | None, scale: Scale, scale_file: Path) -> Detector:
        """The detector of a file under a scale, a dataset and a backbone, and what a row changes in it."""
        detector = self.detectors[stem]
        own = [part for part in ("head", "assigner") if row and row.values.get(part, {}).get("name") == "own"]
        declared = {part: values for part, values in self._parts(detector).items() if part not in own}
        rows = [Layer(self.folder / "detectors" / f"{stem}.yaml", "", declared), *([row] if row else [])]
        takes = [part for part in PARTS if part in DETECTORS[detector.architecture].model_fields]
        for layer in rows:
            if unknown := next((part for part in layer.values if part not in takes), None):
                problem = f"unknown key of architecture {detector.architecture}; allowed: {', '.join(takes)}"
                raise InputError(layer.file, f"{layer.place([unknown])}: {problem}")
        backbone = scale.backbones[spec.backbone].model_dump(mode="json")
        base: dict[str, Any] = {"architecture": detector.architecture, "backbone": backbone}
        # The scale's post-processing is for all detectors, as far as they have the setting.
        known = POSTPROCESS[detector.architecture].model_fields
        layers = [Layer(scale_file, "", base)]
        for prefix, settings in (
            ("", scale.postprocess),
            (f"dataset_settings.{spec.dataset}", scale.settings_of(spec.dataset).postprocess),
        ):
            shared = {key: value for key, value in settings.items() if key in known}
            layers.append(Layer(scale_file, prefix, {"postprocess": shared}))
        if detector.architecture == "dense":
            layers.append(Layer(scale_file, "", {"loss": scale.loss}))
            for part in ("head", "assigner"):
                by_name = getattr(scale, f"{part}s")
                name = (getattr(detector, part) | (row.values.get(part, {}) if row else {})).get("name")
                if isinstance(name, str) and name in by_name:
                    layers.append(Layer(scale_file, "", {part: by_name[name]}, {part: f"{part}s.{name}"}))
        if detector.architecture == "faster_rcnn":
            layers.append(Layer(scale_file, "", {"second_stage": scale.second_stage}))
        return validate(Detector, [*layers, *rows])


def load_plan(overrides: dict[str, Any] | None = None, folder: Path = EXPERIMENTS) -> Plan:
    """Read and validate everything. Raises InputError with file, path and what is allowed."""
    experiments = Experiments(folder)
    config = experiments.config(overrides)
    if config.extra is not None:
        experiments.add_own(Path(config.extra))
    scale = overridden(experiments.scale(config.scale), config)
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
    return replace(plan, variants=variants, extra_runs=extra, own=own, asked=asked)


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
