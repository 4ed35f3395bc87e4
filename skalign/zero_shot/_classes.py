"""Labels of prototypes, and shares of the classes. Arrays only."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np


def joined(known, more):
    """Both, one after the other; labels of different types as objects, which nobody sorts."""
    words = [array.dtype.kind in "OUS" for array in (known, more)]
    if words[0] != words[1]:
        known, more = known.astype(object), more.astype(object)
    return np.concatenate([known, more])


def shares(class_prior: Any, classes: np.ndarray) -> np.ndarray:
    """Shares of the classes out of a mapping of labels, or equal ones."""
    if class_prior is None:
        return np.full(len(classes), 1 / len(classes))
    if not isinstance(class_prior, Mapping):
        raise ValueError(
            f"class_prior={class_prior!r} must be None or a mapping of labels to shares."
        )
    lacking = [label for label in classes.tolist() if label not in class_prior]
    if lacking:
        raise ValueError(f"class_prior has no share of the class {lacking[0]!r}.")
    for label, share in class_prior.items():
        if (
            isinstance(share, bool)
            or not isinstance(share, Real)
            or not 0 <= float(share) < np.inf
        ):
            raise ValueError(f"class_prior[{label!r}]={share!r} must be a share, 0 or more.")
    prior = np.array([class_prior[label] for label in classes.tolist()], dtype=np.float64)
    if not prior.sum() > 0:
        raise ValueError("class_prior gives no class a share.")
    return prior / prior.sum()
