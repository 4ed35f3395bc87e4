"""Groups of rows, and the splitters that ask for them."""

import inspect

import numpy as np
from sklearn.utils.metadata_routing import get_routing_for_object

from .._utils._array_api import vector_as_numpy
from .._utils._labels import is_blank


def takes_groups(cv) -> bool:
    """Whether a splitter is given groups, so that what it tests leaves training by the group.

    One that knows nothing of metadata requests is given them wherever its `split` takes them.
    """
    if hasattr(cv, "get_metadata_routing"):
        return requests_groups(cv)
    return "groups" in inspect.signature(cv.split).parameters


def requests_groups(cv) -> bool:
    """Whether a splitter says of itself that it splits by groups."""
    return "groups" in get_routing_for_object(cv).split.requests


def check_groups(cv, groups):
    """Groups as an array; None for a splitter that takes none, or can do without."""
    if not takes_groups(cv):
        return None
    if groups is None:
        if requests_groups(cv):
            raise ValueError(
                f"TransferSplit wraps {type(cv).__name__}, which splits by groups, but groups is "
                "None: pass groups, one for each row of X."
            )
        return None
    groups = vector_as_numpy(groups)
    if np.ndim(groups) != 1:
        raise ValueError(f"groups must be 1-D, one for each row; got shape {np.shape(groups)}.")
    blank = np.array([is_blank(group) for group in np.asarray(groups, dtype=object)], dtype=bool)
    if blank.any():
        raise ValueError(
            f"groups has none for row {np.flatnonzero(blank)[0]}: {blank.sum()} are None or NaN. "
            "Give a row of unknown origin a group of its own."
        )
    return np.asarray(groups)
