"""`--config` keys that change what is trained, or where."""

import pytest

from triplehead.errors import InputError
from triplehead.plan.plan import load_plan, paper_specs

SCALES = ["smoke", "proxy", "mini", "paper"]


def spec(row="All", exhibit="table5", **config):
    return load_plan(config).specs[exhibit, row][0]


@pytest.mark.parametrize("scale", SCALES)
def test_short_trials_at_every_scale(scale):
    plan = load_plan({"scale": scale, "iterations": 5, "batch_size": 2, "precision": "16-mixed"})
    for run in plan.runs.values():
        schedule = run.spec.schedule
        assert (schedule.iterations, schedule.batch_size, schedule.precision) == (5, 2, "16-mixed")
        assert schedule.warmup_iterations <= 5 and schedule.checkpoint_every <= 5
        assert all(0 < step < 5 for step in schedule.steps)
        assert type(run.spec).model_validate_json(run.spec.model_dump_json()) == run.spec
    assert not plan.runs.keys() & load_plan({"scale": scale}).runs.keys()


def test_steps_keep_their_shares_and_warm_up_its_length():
    schedule = spec(scale="paper", iterations=9000).schedule
    assert (schedule.steps, schedule.warmup_iterations, schedule.lr) == ((6000, 8000), 500, 0.01)
    assert spec(scale="paper", iterations=180_000).schedule.steps == (120_000, 160_000)


def test_where_a_run_is_trained_is_no_part_of_it():
    here, there = (
        load_plan({"scale": "paper"} | more)
        for more in (
            {},
            {"accelerator": "cpu", "devices": 8, "micro_batch": 1, "weights_root": "x", "download_weights": True},
        )
    )
    assert list(here.runs) == list(there.runs)
    assert [plan.scale.gpus_of("train") for plan in (here, there, load_plan({"scale": "paper", "devices": 4}))] == [
        1,
        0,
        4,
    ]


def test_runs_share_a_gpu_where_each_takes_one():
    plan = load_plan({"scale": "proxy", "accelerator": "gpu", "runs_per_gpu": 16})
    assert plan.scale.runs_per_gpu == 16 and list(plan.runs) == list(load_plan({"scale": "proxy"}).runs)
    with pytest.raises(InputError, match="runs_per_gpu: found 2, expected 1 with devices=4"):
        load_plan({"scale": "paper", "runs_per_gpu": 2, "devices": 4})


def test_table_4_is_the_papers_whatever_is_tried():
    before = paper_specs("table4")
    load_plan({"scale": "paper", "weights": "none", "iterations": 5})
    assert paper_specs("table4") == before


def test_pixels_follow_the_weights():
    assert spec(scale="paper").input.mean == pytest.approx([122.7717 / 255, 115.9465 / 255, 102.9801 / 255])
    assert spec(scale="paper").input.std == pytest.approx([1 / 255] * 3)
    for weights, expected in (("torchvision", "resnet50-torchvision"), ("none", None)):
        other = spec(scale="paper", weights=weights)
        assert other.input.mean == (0.485, 0.456, 0.406) and other.pretrained_id == expected
    assert spec(scale="proxy", weights="torchvision") == spec(scale="proxy")  # no ResNet there


def test_the_printed_size_is_a_switch_and_vocs_stays():
    assert (spec(scale="paper", short_side=500).input.short, spec(scale="paper", short_side=500).input.long) == (
        500,
        1333,
    )
    voc = spec("FCOS", "table6", scale="paper", short_side=500).input
    assert (voc.short, voc.long) == (600, 1000)
    two = spec("Ours, ResNet101", "table9", scale="paper", short_side=500)
    assert two.schedule.short_range == (400, 500)


def test_resnet101_is_trained_as_fcos_was():
    run = spec("Ours, ResNet101", "table9", scale="paper")
    assert (run.schedule.iterations, run.schedule.steps, run.schedule.short_range) == (
        180_000,
        (120_000, 160_000),
        (640, 800),
    )
    assert (run.schedule.batch_size, run.schedule.lr, run.pretrained_id) == (16, 0.01, "resnet101-msra")
    assert spec("Ours, ResNet101", "table9") == spec("Ours, ResNet50", "table9")  # one backbone stands for both there


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"devices": 17}, r"devices: found 17, more than the images of a batch of 16 \(schedule 1x\)"),
        (
            {"devices": 3, "micro_batch": 1},
            "micro_batch: found 1, of which a device would take 6 times and another has 5 ",
        ),
        ({"short_side": 2000}, "short_side: found 2000, expected at most 1333"),
        ({"precision": "fp16"}, "--config: precision: input should be '32-true'"),
        ({"iterations": 0}, "--config: iterations"),
    ],
)
def test_mistakes(config, message):
    with pytest.raises(InputError, match=message):
        load_plan({"scale": "paper"} | config)


def test_weights_lie_below_data_root_unless_said_otherwise():
    assert str(load_plan({"data_root": "d"}).weights_root) == "d/weights"
    assert str(load_plan({"data_root": "d", "weights_root": "w"}).weights_root) == "w"
    assert load_plan().weights_root is None


def test_a_trial_is_not_meaningful():
    def meaningful(**config):
        return load_plan(config).scale.meaningful

    assert meaningful(scale="paper") and meaningful(seeds=5) and meaningful(iterations=2000)
    assert meaningful(scale="paper", short_side=500, precision="bf16-mixed", weights="torchvision", devices=4)
    assert meaningful(scale="paper", batch_size=16, short_side=800, data_complete=True)
    for key, value in {"iterations": 5, "batch_size": 1, "short_side": 64, "data_complete": False}.items():
        assert not meaningful(scale="paper", **{key: value}), key
    assert not meaningful(scale="paper", iterations=180_000)  # no length that the paper prints
    assert not meaningful(iterations=5)


@pytest.mark.parametrize(
    ("key", "value"),
    [("iterations", 1), ("batch_size", 1), ("short_side", 500), ("precision", "bf16-mixed"), ("weights", "none"),
     ("data_complete", False)],
)  # fmt: skip
def test_whatever_a_trial_has_otherwise_is_named(key, value):
    plan = load_plan({"scale": "paper", key: value})
    assert plan.conditions == f"{key}={str(value).lower()}" and plan.measured_at == f"paper scale ({plan.conditions})"


def test_what_the_scale_has_itself_is_no_condition():
    same = {"batch_size": 16, "short_side": 800, "precision": "32-true", "weights": "msra", "data_complete": True}
    assert load_plan({"scale": "paper"} | same | {"seeds": 3, "devices": 2, "micro_batch": 4}).conditions == ""
    assert load_plan({"scale": "mini", "data_complete": False}).conditions == ""
