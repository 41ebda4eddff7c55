"""What the paper leaves open and what is used here; and where a scale departs from the paper's set-up."""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from triplehead.analysis.captions import PUBLISHED_ON
from triplehead.plan.options import JLA, LAYOUTS, AnyScenes, Loss, Options, Postprocess, ResNet, TripleHead
from triplehead.plan.plan import Plan, paper_specs
from triplehead.plan.runs import RunSpec


@dataclass(frozen=True)
class Choice:
    """A switch for something that the paper does not say."""

    part: str  # of a detector
    owner: type[Options]
    name: str
    question: str


CHOICES = (
    Choice(
        "assigner", JLA, "fallback",
        "What becomes of an ambiguous sample whose largest weight stays below θ. The paper gives it to the "
        "largest weight, which for two boxes makes θ a no-op.",
    ),
    Choice(
        "assigner", JLA, "switch_at",
        "The share of training that counts as early; after it, ambiguous samples go to their smallest loss.",
    ),
    Choice(
        "assigner", JLA, "resolve",
        "Whether ambiguous samples are settled after the positives of each box are found, or before.",
    ),
    Choice(
        "assigner", JLA, "boundary",
        "Where the mixture cuts: after the whole cluster of low losses, or after its densest sample.",
    ),
    Choice("assigner", JLA, "joint_box", "Which box enters the joint loss where the head predicts two."),
    Choice("loss", Loss, "iou_target", "The box whose IoU the confidence is trained to predict."),
    Choice("loss", Loss, "coarse_weight", "Weight of the triple head's coarse box in the loss."),
    Choice("loss", Loss, "refined_weight", "Weight of the triple head's final box in the loss."),
    Choice("loss", Loss, "quality_weight", "Weight of centerness or confidence in the loss."),
    Choice("head", TripleHead, "unrefined_box", "The final box of a triple head without box refinement."),
    Choice(
        "head", TripleHead, "offset_gradient",
        "The share of the gradient that passes through the offsets of the deformable convolutions.",
    ),
    Choice(
        "postprocess", Postprocess, "quality_exponent",
        "q in the score, class probability to the power 1 − q times confidence to the power q.",
    ),
    Choice(
        "postprocess", Postprocess, "nms_iou",
        "NMS: the IoU with a higher-scoring box of its class above which a box is dropped. As in FCOS's code; "
        "RetinaNet's has 0.5.",
    ),
)  # fmt: skip


def choices_in_force(plan: Plan) -> list[dict[str, str]]:
    """Of each choice: name, question, the value (or values) of the runs, and the alternatives."""
    rows = []
    for choice in CHOICES:
        values = []
        for run in plan.runs.values():
            part = getattr(run.spec.detector, choice.part, None)
            if isinstance(part, choice.owner) and getattr(part, choice.name) not in values:
                values.append(getattr(part, choice.name))
        annotation = choice.owner.model_fields[choice.name].annotation
        is_share = annotation is float and choice.owner is not Loss
        free = "any share, 0 to 1" if is_share else "any positive number"
        allowed = get_args(annotation) if get_origin(annotation) is Literal else (free,)
        rows.append(
            {
                "name": choice.name,
                "question": choice.question,
                "value": ", ".join(map(_text, values)) or "not used",
                "others": ", ".join(_text(value) for value in allowed if value not in values),
            }
        )
    return rows


def departures(plan: Plan) -> list[dict[str, str]]:
    """Settings of the runs that differ from the same rows' at the paper scale: setting, paper, here."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for exhibit in dict.fromkeys(name for name, _ in plan.specs):
        for row, published in zip(
            plan.exhibits[exhibit].rows, paper_specs(exhibit, extra=plan.config.extra), strict=True
        ):
            if published is None or (exhibit, row.label) not in plan.specs:
                continue
            there, here = _settings(published), _settings(plan.specs[exhibit, row.label][0], plan.data_complete)
            keys = [*there, *(key for key in here if key not in there)]
            if there["detector"] != here["detector"]:  # a stand-in: its parts have nothing to be compared with
                keys = [key for key in keys if key in there and key in here]
            for key in keys:
                if there.get(key) == here.get(key):
                    continue
                sides = found.setdefault(key, ([], []))
                for side, values in zip(sides, (there, here), strict=True):
                    text = _text(values[key]) if key in values else "–"
                    if text not in side:
                        side.append(text)
    parts = [key.split(".")[0] for key in found]  # settings of one part stand together
    return [
        {"setting": key, "paper": "; ".join(paper), "here": "; ".join(here)}
        for key, (paper, here) in sorted(found.items(), key=lambda item: parts.index(item[0].split(".")[0]))
    ]


def _settings(spec: RunSpec, whole: bool = True) -> dict[str, Any]:
    """What can change a run's scores, as dotted keys; data and backbone in a phrase each. whole: its data set is."""
    values = spec.model_dump(mode="json", exclude={"format", "scale", "dataset", "seed", "threads", "num_classes"})
    values["schedule"].pop("checkpoint_every")
    values["evaluation"].pop("batch_size")
    detector = values.pop("detector")
    return {"data": _data(spec, whole), "detector": spec.short_name, "backbone": _backbone(spec)} | flatten(
        {"input": values["input"]}
        | {part: options for part, options in detector.items() if part not in ("architecture", "backbone")}
        | {"schedule": values["schedule"], "evaluation": values["evaluation"]}
    )


def _data(spec: RunSpec, whole: bool) -> str:
    if isinstance(spec.data, AnyScenes):
        images = f"digit scenes, {spec.data.image_size} × {spec.data.image_size} pixels"
    elif spec.scale == "paper":
        images = PUBLISHED_ON[spec.dataset] if whole else f"perhaps a sample of {PUBLISHED_ON[spec.dataset]}"
    else:
        images = f"the user's images in {LAYOUTS[spec.data.layout]}'s layout"
    return f"{images}, {spec.num_classes} classes"


def _backbone(spec: RunSpec) -> str:
    backbone = spec.detector.backbone
    if isinstance(backbone, ResNet):
        levels = "P2–P6" if spec.detector.architecture == "faster_rcnn" else "P3–P7"
        origin = {"none": "", "msra": ", MSRA's ImageNet weights", "torchvision": ", torchvision's ImageNet weights"}
        return f"ResNet-{backbone.depth}{origin[backbone.weights]}, FPN {levels} of {backbone.channels} channels"
    widths = ", ".join(map(str, backbone.widths))
    trained = f"; pretrained for {backbone.pretrain.iterations} iterations on object crops" if backbone.pretrain else ""
    return f"three stages of widths {widths}, FPN of three levels of {backbone.channels} channels{trained}"


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value)
