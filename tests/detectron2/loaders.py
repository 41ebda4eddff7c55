"""Run as a program: instantiates the loaders and the evaluator of every LazyConfig file below a folder.

Of its own process, since detectron2 reads DETECTRON2_DATASETS when it is imported. Prints JSON: what each file found.
"""

import json
import sys
from pathlib import Path

from detectron2.config import LazyConfig, instantiate


def loaded(path: Path, output: str) -> dict:
    cfg = LazyConfig.load(str(path))
    cfg.train.output_dir = output
    train, test = cfg.dataloader.train, cfg.dataloader.test
    train.num_workers = test.num_workers = 0
    train.total_batch_size = 2
    train.mapper.augmentations[0].short_edge_length, test.mapper.augmentations[0].short_edge_length = (32, 32), 32
    records = instantiate(train.dataset)
    batch = next(iter(instantiate(train)))
    return {
        "train": train.dataset.names if isinstance(train.dataset.names, str) else list(train.dataset.names),
        "objects": sum(not each.get("iscrowd", 0) for record in records for each in record["annotations"]),
        "batch": [len(each["instances"]) for each in batch],
        "tested": sum(len(images) for images in instantiate(test)),
        "evaluator": type(instantiate(cfg.dataloader.evaluator)).__name__,
    }


if __name__ == "__main__":
    folder, output = sys.argv[1:]
    found = {file.relative_to(folder).as_posix(): loaded(file, output) for file in sorted(Path(folder).rglob("*.py"))}
    print(json.dumps(found))
