# The plan, made while the DAG is built: a mistake below experiments/ ends here, in one line.
import sys
from pathlib import Path

from triplehead.errors import InputError
from triplehead.jobs import hand_down
from triplehead.plan.plan import load_plan

try:
    PLAN = load_plan(dict(config))
except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

hand_down(dict(config))

EXHIBITS = [name for name, exhibit in PLAN.exhibits.items() if exhibit.kind != "figure"]
TABLES = [f"results/{name}.{suffix}" for name in EXHIBITS for suffix in ("csv", "tex")]


def annotations_of(wildcards):
    """The user's annotation files: changed ones are another data set. Missing ones are the command's to name."""
    data, root = PLAN.data[wildcards.data].data, PLAN.config.data_root
    if data.source != "folder" or root is None:
        return []
    files = [Path(root) / name for name in (data.train_annotations, data.val_annotations)]
    return [str(file) for file in files if file.is_file()]


def data_of(wildcards):
    return f"results/data/{PLAN.run(wildcards.run).data_id}/manifest.json"


def pretrained_of(wildcards):
    backbone = PLAN.run(wildcards.run).pretrained_id
    return f"results/pretrained/{backbone}.pt" if backbone else []


def pretrained_data(wildcards):
    return f"results/data/{PLAN.pretrained[wildcards.pretrained].data_id}/manifest.json"


def scores_of(wildcards):
    return [
        f"results/runs/{run}/scores.json" for run in PLAN.run_ids(wildcards.exhibit)
    ]


def declaration_of(wildcards):
    """What a table prints beside its scores: a changed label or published number rewrites it."""
    return PLAN.exhibits[wildcards.exhibit].model_dump_json()


wildcard_constraints:
    run="|".join(PLAN.runs),
    data="|".join(PLAN.data),
    pretrained="|".join(PLAN.pretrained) or "none",
    exhibit="|".join(EXHIBITS),
