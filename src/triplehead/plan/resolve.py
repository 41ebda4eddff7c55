"""From what a row asks for to the run behind it, under a scale."""

from pathlib import Path
from typing import Any

from triplehead.errors import InputError
from triplehead.plan.documents import Layer, validate
from triplehead.plan.engines import Engine, check_engine, chosen_engine
from triplehead.plan.options import (
    DETECTORS,
    POSTPROCESS,
    Detector,
    Evaluation,
    Input,
    Options,
    ResNet,
)
from triplehead.plan.own_parts import resolved
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import DatasetName, DetectorFile, Scale, Spec

PARTS = ("head", "assigner", "loss", "postprocess")  # what a detector's file and a row may say, as far as there is one


class Resolver:
    """Merges a row with the detectors' files and a scale; `folder` holds both, `scales` are the names of its scales."""

    def __init__(self, folder: Path, detectors: dict[str, DetectorFile], scales: tuple[str, ...]):
        self.folder, self.detectors, self.scales = folder, detectors, scales

    def run(
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
        parts = resolved(Layer(file, at, _parts(spec)), own, scale_name, self.scales)
        inputs = block(scale, scale_file, spec.dataset, "input")
        if isinstance(backbone, ResNet):
            inputs = [_pixels(backbone, inputs), *inputs]
        return RunSpec(
            scale=scale_name,
            dataset=spec.dataset,
            data=data,
            num_classes=data.num_classes,
            input=validate(Input, inputs),
            detector=self.detector(stem, spec, parts, scale, scale_file),
            schedule=scale.schedules[spec.schedule],
            evaluation=validate(Evaluation, block(scale, scale_file, spec.dataset, "evaluation")),
            threads=scale.threads,
            seed=seed,
            engine=engine,
        )

    def detector(self, stem: str, spec: Spec, row: Layer | None, scale: Scale, scale_file: Path) -> Detector:
        """The detector of a file under a scale, a dataset and a backbone, and what a row changes in it."""
        detector = self.detectors[stem]
        own = [part for part in ("head", "assigner") if row and row.values.get(part, {}).get("name") == "own"]
        declared = {part: values for part, values in _parts(detector).items() if part not in own}
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


def block(scale: Scale, file: Path, dataset: DatasetName, part: str) -> list[Layer]:
    """A block of the scale's file, and what the data set changes in it."""
    common, changes = getattr(scale, part), getattr(scale.settings_of(dataset), part)
    values = common.model_dump(mode="json", exclude_unset=True) if isinstance(common, Options) else common
    return [Layer(file, part, values), Layer(file, f"dataset_settings.{dataset}.{part}", changes)]


def _pixels(backbone: ResNet, inputs: list[Layer]) -> Layer:
    """The statistics that the backbone's weights ask for. InputError where the settings say others."""
    for layer in inputs:
        for key, value in backbone.pixels.items():
            if backbone.weights != "none" and layer.values.get(key, value) != value:
                problem = f"found {layer.values[key]}, but weights {backbone.weights} were trained on {value}"
                raise InputError(layer.file, f"{layer.place([key])}: {problem}; leave it out, it follows the weights")
    return Layer(inputs[0].file, inputs[0].prefix, backbone.pixels)


def _parts(source: DetectorFile | Spec) -> dict[str, Any]:
    return {part: getattr(source, part) for part in PARTS if getattr(source, part)}
