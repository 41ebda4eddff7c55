"""The files below experiments/, read and checked."""

from pathlib import Path
from typing import Any

from triplehead.errors import InputError
from triplehead.paths import EXPERIMENTS
from triplehead.plan.audit import Audit, check_audit
from triplehead.plan.claims import Claims, Place, check_claims
from triplehead.plan.documents import Layer, Model, read_yaml, validate
from triplehead.plan.engines import Engine
from triplehead.plan.names import name_of
from triplehead.plan.options import (
    ASSIGNERS,
    HEADS,
    Evaluation,
    Input,
    Loss,
    Options,
    Postprocess,
)
from triplehead.plan.own_folder import read_claims, read_exhibits
from triplehead.plan.resolve import Resolver, block
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Config, DetectorFile, Exhibit, Row, Scale, Spec
from triplehead.plan.silence import SILENCE, Silence, Variant, check_silence, text, varied

SETTINGS: dict[str, type[Options]] = {
    "input": Input,
    "postprocess": Postprocess,
    "evaluation": Evaluation,
}  # what a data set may change


class Experiments:
    """The files below a folder, read once; resolves rows at any scale."""

    def __init__(self, folder: Path = EXPERIMENTS):
        if not folder.is_dir():
            raise InputError(folder, "no such folder; run from the project's root")
        self.folder = folder
        self.own_folder: Path | None = None
        self.own: dict[str, tuple[Path, int]] = {}  # the user's exhibits: file, and rows of the paper before its own
        self.own_claims: tuple[str, ...] = ()
        self.exhibits = {name: validate(Exhibit, self._layer(path)) for name, path in self._exhibit_files().items()}
        self.exhibits |= {
            name: self._with_rows(name, exhibit, folder / f"{name}.yaml")
            for name, exhibit in self.exhibits.items()
            if exhibit.rows_of
        }
        self._check_bands()
        self.detectors = {
            name_of(path, "detector"): validate(DetectorFile, self._layer(path))
            for path in sorted((folder / "detectors").glob("*.yaml"))
        }
        self.resolver = Resolver(folder, self.detectors, self._scales())
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
        return tuple(sorted(name_of(path, "scale") for path in (self.folder / "scales").glob("*.yaml")))

    def _optional(self, name: str, model: type[Model]) -> Model:
        """A file that a study may do without."""
        path = self.folder / f"{name}.yaml"
        return validate(model, self._layer(path)) if path.exists() else model()

    def _exhibit_files(self) -> dict[str, Path]:
        """By name, tables first: a run is named after the first row that wants it."""
        patterns = (("table", "table*.yaml"), ("figure", "fig*.yaml"))
        found = {name_of(path, kind): path for kind, each in patterns for path in sorted(self.folder.glob(each))}
        known = {*found.values(), *(self.folder / f"{name}.yaml" for name in ("audit", "claims", "config", SILENCE))}
        there = {path for ending in ("yaml", "yml") for path in self.folder.glob(f"[!.]*.{ending}")}  # not an editor's
        if unknown := sorted(there - known):
            raise InputError(unknown[0], "is read by nothing; a table is table*.yaml, a figure fig*.yaml")
        return found

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
        config = validate(Config, layers)
        if config.scale not in (known := self._scales()):  # a word, not a path
            where = next((layer.file for layer in reversed(layers) if "scale" in layer.values), file)
            raise InputError(where, f"scale: no scale {config.scale!r}; allowed: {', '.join(known)}")
        return config

    def scale(self, name: str) -> Scale:
        """experiments/scales/<name>.yaml, every block of it checked. Raises InputError for a mistake in it."""
        path = self.folder / "scales" / f"{name}.yaml"
        scale = validate(Scale, self._layer(path))
        for part, options in (("heads", HEADS), ("assigners", ASSIGNERS)):
            for key, settings in getattr(scale, part).items():  # each block whole, whether or not a row needs it
                validate(options[key], Layer(path, f"{part}.{key}", settings))
        validate(Loss, Layer(path, "loss", scale.loss))
        for dataset in scale.datasets:
            for part, kind in SETTINGS.items():
                validate(kind, block(scale, path, dataset, part))
        for name, other in scale.detectors.items():
            if unknown := next((file for file in (name, other) if file not in self.detectors), None):
                problem = f"no detector {unknown!r}; allowed: {', '.join(self.detectors)}"
                raise InputError(path, f"detectors.{name}: {problem}")
        return scale

    def resolve(
        self, scale_name: str, scale: Scale, exhibit: str, index: int, seed: int = 0, engine: Engine | None = None
    ) -> RunSpec | None:
        """The run behind row `index` of an exhibit; None if the row is only cited. engine: of rows that name none."""
        row = self.exhibits[exhibit].rows[index]
        file, at = self._place(exhibit, index)
        own = self.own_folder if exhibit in self.own else None
        if row.spec is None:
            return None
        return self.resolver.run(scale_name, scale, row.spec, file, f"{at}.spec", seed, engine, own)

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
                first = self.resolver.run(scale_name, scale, asked, file, at, 0, engine)
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
            self.resolver.detector(stem, spec, None, at, self.folder / "scales" / f"{name}.yaml")
