"""What the open choices cost: variants, effects, figure."""

import json
from pathlib import Path

import pytest
import yaml

from triplehead.analysis.silence import effects, is_of, read_csv, summary, write_csv
from triplehead.analysis.silence_figure import caption, write_figure
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.report.choices import CHOICES

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan():
    return load_plan({"scale": "proxy"})


def score(folder, spec, value) -> None:
    path = folder / "runs" / spec.id / "scores.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"AP": value}))


@pytest.fixture
def results(plan, tmp_path):
    """Each default has 30 + seed; variant i has i / 10 more, `fallback = background` by seed -2, -1, 0."""
    for variant in plan.variants:
        for spec in plan.specs[variant.base]:
            score(tmp_path, spec, 30 + spec.seed)
    for index, variant in enumerate(plan.variants):
        for spec in variant.specs:
            own = spec.seed - 2 if variant.label == "fallback = background" else index / 10
            score(tmp_path, spec, 30 + spec.seed + own)
    return tmp_path


def flat(values: dict, prefix: str = "") -> dict:
    found = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


@pytest.mark.parametrize("scale", ["smoke", "proxy", "mini", "paper"])
def test_a_variant_differs_from_its_default_in_one_setting_and_has_its_seeds(scale):
    plan = load_plan({"scale": scale})
    assert len(plan.variants) >= 19
    for variant in plan.variants:
        base = plan.specs[variant.base]
        assert [spec.seed for spec in variant.specs] == [spec.seed for spec in base]
        for one, other in zip(variant.specs, base, strict=True):
            ours, theirs = flat(one.model_dump(mode="json")), flat(other.model_dump(mode="json"))
            changed = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
            assert len(changed) == 1 and changed[0].endswith(f".{variant.switch}"), variant.label


STATED = {  # options that the paper gives, and where
    "assigner": {"k": "4.3.1", "theta": "4.3.2", "alpha": "3.2"},
    "head": {"refinement": "Table 5", "quality": "Table 5", "num_convs": "3.3", "norm": "Table 4", "star_norm": "Table 4"},
    "loss": {"focal_alpha": "4.2", "focal_gamma": "4.2", "box": "4.2"},
    "postprocess": {},
}  # fmt: skip
NO_CHOICE = {"name", "k_share", "box_weight"}  # the kind; a scale's; of heads with one box


def test_every_open_choice_is_varied(plan):
    assert {choice.name for choice in CHOICES} == {variant.switch for variant in plan.variants}


@pytest.mark.parametrize("part", STATED)
def test_every_option_is_stated_by_the_paper_or_varied_or_named_as_not_varied(plan, part):
    """Of the method's own detector: a new option has to be put somewhere."""
    options = set(type(getattr(plan.specs["table5", "All"][0].detector, part)).model_fields)
    open_choices = options - STATED[part].keys() - NO_CHOICE
    varied = {switch.name for switch in plan.silence.switches if switch.part == part}
    documented = (REPOSITORY / "docs" / "claims.md").read_text().split("Unstated and not varied:")[1].split("![")[0]
    assert STATED[part].keys() <= options and varied <= open_choices
    assert {name for name in open_choices - varied if f"`{name}`" not in documented} == set()


def test_variants_are_no_runs_of_the_study(plan):
    asked = {spec.id for variant in plan.variants for spec in variant.specs}
    assert asked and asked.isdisjoint(plan.runs) and asked == set(plan.extra_runs)
    assert all(plan.run(run_id) == run.spec for run_id, run in plan.extra_runs.items())


def test_a_variant_that_a_table_asks_for_is_its_run(experiments):
    file = experiments / "table5.yaml"
    document = yaml.safe_load(file.read_text())
    document["rows"].append({"label": "own", "spec": {"detector": "triple_head", "assigner": {"resolve": "before"}}})
    file.write_text(yaml.safe_dump(document, allow_unicode=True))
    plan = load_plan(folder=experiments)
    variant = next(variant for variant in plan.variants if variant.label == "resolve = before")
    assert variant.specs == plan.specs["table5", "own"]
    assert not {spec.id for spec in variant.specs} & set(plan.extra_runs)


def test_a_default_that_changes_changes_the_variants(experiments):
    file = experiments / "table5.yaml"
    document = yaml.safe_load(file.read_text())
    document["rows"][-1]["spec"]["assigner"] = {"fallback": "background"}
    file.write_text(yaml.safe_dump(document, allow_unicode=True))
    labels = {variant.label for variant in load_plan(folder=experiments).variants if variant.switch == "fallback"}
    assert labels == {"fallback = ignore", "fallback = max_weight"}


def test_effects_are_paired_by_seed(plan, results):
    found = {(effect.switch, effect.value): effect for effect in effects(plan, results)}
    shared = found["switch_at", "0"]
    assert (shared.default, shared.row, shared.n) == ("0.5", "All", 3)
    assert shared.effect == pytest.approx(0.2) and shared.high - shared.low < 1e-9  # as large in each seed
    varied = found["fallback", "background"]
    assert varied.effect == pytest.approx(-1) and varied.low < -1 < varied.high
    assert varied.high - varied.low == pytest.approx(2 * 4.30265 / 3**0.5, rel=1e-4)  # t, two degrees of freedom
    assert found["unrefined_box", "regressed"].row == "JLA + triple head"


def test_a_missing_run_is_named(plan, results):
    spec = plan.variants[3].specs[1]
    (results / "runs" / spec.id / "scores.json").unlink()
    with pytest.raises(InputError, match=rf"{spec.id}/scores\.json: no such file: run `snakemake silence.*` first"):
        effects(plan, results)


def test_csv_and_figure_are_the_same_again(plan, results, tmp_path):
    found = effects(plan, results)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_csv(found, tmp_path / name / "silence.csv")
        write_figure(plan, found, tmp_path / name)
    for file in ("silence.csv", "silence.pdf", "silence.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    frame = read_csv(tmp_path / "a" / "silence.csv")
    assert len(frame) == len(plan.variants) and is_of(plan, frame)
    assert not is_of(load_plan({"scale": "smoke"}), frame) and not is_of(load_plan({"seeds": 2}), frame)
    assert "means over 3 seeds" in caption(plan, frame)


def test_one_sentence_says_which_choice_counts_and_which_do_not(plan, results, tmp_path):
    """Variant i moves AP by i / 10 in each seed, so that the last counts most; `fallback` swings at both values."""

    def said(plan=plan) -> str:
        write_csv(effects(plan, results), tmp_path / "silence.csv")
        return summary(plan, read_csv(tmp_path / "silence.csv"))

    for spec in (spec for variant in plan.variants if variant.switch == "fallback" for spec in variant.specs):
        score(results, spec, 30 + spec.seed + (spec.seed - 1))
    for spec in (spec for variant in plan.variants if variant.switch == "switch_at" for spec in variant.specs):
        score(results, spec, 30 + spec.seed + (spec.seed - 1) / 100)
    last, index = plan.variants[-1], len(plan.variants) - 1
    default = effects(plan, results)[-1].default
    assert f"moves AP most is {last.switch} ({default} → {last.value}: +{index / 10:.1f} points" in said()
    beyond, hardly, undecided = said().split("; ")[1:]
    assert beyond.startswith(
        "also beyond noise: resolve (within 0.5 points), boundary (within 0.5 points), joint_box, "
    )
    assert hardly == "within 0.5 points at every value, with all of the interval: switch_at"
    assert undecided == "undecided with 3 seeds (an interval holds 0, and effects beyond 0.5): fallback."
    for variant in plan.variants:
        for spec in variant.specs:
            score(results, spec, 30 + spec.seed + (spec.seed - 1))
    assert said().startswith("None of the open choices moves AP beyond noise; undecided with 3 seeds")
    single = load_plan({"scale": "proxy", "seeds": 1})
    assert "one seed does not tell it from noise" in said(single)
    for variant in plan.variants:
        for spec in variant.specs:
            score(results, spec, None)
    assert said() == "No effect on AP was measured."


def test_a_number_that_is_missing_stays_missing(plan, results, tmp_path):
    for spec in plan.variants[0].specs:
        score(results, spec, None)
    found = effects(plan, results)
    assert found[0].effect is None and found[0].n == 0
    write_csv(found, tmp_path / "silence.csv")
    write_figure(plan, found, tmp_path)
    assert read_csv(tmp_path / "silence.csv").loc[0, ["effect", "low", "high"]].isna().all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: fallback", "name: falback", "silence.yaml: switches.0.assigner.falback: unknown key; did you mean fallback?"),
        ("background, max_weight", "backgrond, max_weight", "silence.yaml: switches.0.assigner.fallback: input should be"),
        ("row: [table5, All]", "row: [table5, Al]", "silence.yaml: row: no row 'Al' in table5; allowed: FCOS, Baseline"),
        ("row: [table5, All]", "row: [table9, 'PAA, ResNet101']", "silence.yaml: row: table9, PAA, ResNet101 is only cited"),
        ("row: [table5, All]", "row: [fig4, Ours]", "silence.yaml: metric: no 'AP' in fig4; allowed: none"),
        ("[jla-gain, triple", "[jla-gian, triple", "silence.yaml: beside.0: no claimed difference 'jla-gian'; allowed: jla-gain"),
        ("part: loss", "part: losses", "silence.yaml: switches.5.part: input should be 'head'"),
    ],
)  # fmt: skip
def test_a_mistake_ends_the_plan_in_one_line(experiments, old, new, message):
    file = experiments / "silence.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_plan(folder=experiments)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_one_seed_has_no_interval(results):
    single = load_plan({"scale": "proxy", "seeds": 1})
    assert {(effect.n, effect.low, effect.high) for effect in effects(single, results)} == {(1, None, None)}
