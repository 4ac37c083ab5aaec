"""Shapes of tensors whose sizes are known in part."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def dimensions(x: Tensor) -> list[Any]:
    """The size of each axis: a number where it is known, else a scalar tensor."""
    dynamic = tf.shape(x)
    return [dynamic[n] if size is None else size for n, size in enumerate(x.shape)]
