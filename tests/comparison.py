"""What objects hold, compared in depth."""

import numpy as np


def difference(one, other, path="model"):
    """Where two objects differ, or None: arrays bit for bit, and whatever holds them."""
    if one is other:
        return None
    if type(one) is not type(other):
        return path
    if isinstance(one, np.ndarray) and one.dtype != object:
        same = one.dtype == other.dtype and np.array_equal(one, other, one.dtype.kind == "f")
        return None if same else path
    if isinstance(one, dict):
        keys = set(one) ^ set(other)
        inner = [(one[k], other[k], f"{path}.{k}") for k in one if k in other]
    elif isinstance(one, list | tuple | np.ndarray):
        keys = len(one) != len(other)
        inner = [(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=False))]
    elif hasattr(one, "__dict__") and not isinstance(one, type):
        keys, inner = None, [(vars(one), vars(other), path)]
    elif hasattr(one, "__getstate__") and isinstance(one.__getstate__(), dict):
        keys, inner = None, [(one.__getstate__(), other.__getstate__(), path)]
    else:
        same = one == other or (one != one and other != other)
        return None if same else path
    if keys:
        return f"{path}: {keys}"
    return next(filter(None, (difference(*two) for two in inner)), None)
