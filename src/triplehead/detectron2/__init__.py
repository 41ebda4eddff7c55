"""The bridge to detectron2: importing this registers our detectors and data sets there. docs/detectron2.md.

Inside this package `import detectron2` is theirs; it is the only part of the suite that needs it.
"""

from triplehead.detectron2.require import require_detectron2

require_detectron2()

from triplehead.detectron2.backbone import build_triplehead_resnet_fpn_backbone  # noqa: E402
from triplehead.detectron2.catalog import register_datasets  # noqa: E402
from triplehead.detectron2.config import add_triplehead_config  # noqa: E402
from triplehead.detectron2.meta_arch import TripleHead, TripleHeadBaseline, TripleHeadFCOS  # noqa: E402

register_datasets()

__all__ = [
    "TripleHead",
    "TripleHeadBaseline",
    "TripleHeadFCOS",
    "add_triplehead_config",
    "build_triplehead_resnet_fpn_backbone",
]
