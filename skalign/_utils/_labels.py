"""Labels of samples, some of which have none."""

from numbers import Number

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite

from ._array_api import vector_as_numpy
from ._validation import check_vector

UNLABELLED = -1


def known_labels(y, estimator_name: str):
    """Labels as an array (n,), and which rows have one; a ValueError where they are none.

    Unlabelled is ``-1``, ``None`` or NaN, and in words ``"-1"``. Where ``y`` holds just -1 and 1
    both are labels, the usual binary coding.
    """
    if y is None:
        raise ValueError(
            f"{estimator_name} requires y to be passed, but the target y is None. Pass labels, "
            "with -1 for samples that have none."
        )
    y = vector_as_numpy(y)
    words = np.asarray(y).dtype.kind == "U"
    y = column_or_1d(_plain(y), warn=True)
    if y.dtype.kind == "f" and np.isnan(y).any() and not np.isnan(y).all():  # numbers with gaps
        y = y.astype(object)
    blank = np.zeros(len(y), dtype=bool)
    if y.dtype.kind == "O":
        blank = np.array([is_blank(label) for label in y], dtype=bool)
        if any(isinstance(label, bool | np.bool_) for label in y):  # beside them -1 is no number
            blank |= [isinstance(label, Number) and label == UNLABELLED for label in y]
        y = _numbers_as_numbers(y, blank)
    if y.dtype.kind == "O":
        minus = ~blank
        minus[minus] = [label in (UNLABELLED, str(UNLABELLED)) for label in y[minus].tolist()]
    else:
        minus = ~blank & (y == UNLABELLED)
    known = ~blank & ~minus
    labels = set(y[known].tolist())
    if labels in ({1}, {"1"}):
        known |= minus
    if y.dtype.kind in "iufb":
        if np.isnan(y[~blank]).any():
            row = np.flatnonzero(np.isnan(y) & ~blank)[0]
            raise ValueError(
                f"Input y contains NaN: row {row}. Mark samples without a label by -1."
            )
        assert_all_finite(y[~blank], input_name="y")
        check_classification_targets(y[known])
    return y.astype(str) if words and not blank.any() else y, known


def known_classes(y):
    """Sorted labels without repetition."""
    try:
        return np.unique(y)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in y})
        raise ValueError(f"y mixes labels of types {kinds}: use one type of label.") from error


def _plain(y):
    """An ndarray of numbers, or of objects where words or missing labels may be among them."""
    dtype = getattr(y, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype):  # of a dataframe's own
        return np.array(list(y), dtype=object)
    array = np.asarray(y)
    return np.asarray(y, dtype=object) if array.dtype.kind in "UST" else array


def plain_labels(labels):
    """Labels, numbers that were in an array of objects as numbers."""
    if labels.dtype.kind == "O" and len(labels) and not isinstance(labels[0], str):
        return np.array(labels.tolist())
    return labels


def is_blank(label) -> bool:
    """Whether a label is missing: None, NaN, or a missing value of pandas."""
    if isinstance(label, float | np.floating):
        return bool(np.isnan(label))
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def _numbers_as_numbers(y, blank):
    """Objects that are all numbers, or truth values, as what they are; -1 stands for a blank."""
    given = y[~blank].tolist()
    if not given or not all(isinstance(label, Number | np.bool_) for label in given):
        return y
    numbers = np.array(given)
    filler = False if numbers.dtype.kind == "b" else UNLABELLED
    out = np.full(len(y), filler if blank.any() else 0, dtype=numbers.dtype)
    out[~blank] = numbers
    return out


def check_groups(groups, n: int):
    """Groups as a vector (n,), none of which is missing, or None where none are given."""
    if groups is None:
        return None
    groups = check_vector(vector_as_numpy(groups), n, "groups")
    blank = np.flatnonzero([is_blank(group) for group in groups.tolist()])
    if len(blank):
        raise ValueError(f"groups has none for row {blank[0]}: name a group for every row.")
    return groups
