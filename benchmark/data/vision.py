"""Imports torchvision where its CUDA libraries are missing.

PyPI's torchvision beside a CPU-only torch fails on import, since operators its library would define
are unknown. Declaring them is enough for datasets, transforms and utils.
"""

from __future__ import annotations

from torch import library

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    _library = library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

__all__ = ["torchvision"]
