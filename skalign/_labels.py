"""Labels of samples, some of which have none."""

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite

UNLABELLED = -1


def known_labels(y, estimator_name: str):
    """Tell labelled rows from unlabelled ones.

    Unlabelled is ``-1``; in string or object labels also ``None``, NaN and ``"-1"``. Where ``y``
    holds just -1 and 1 both are labels, the usual binary coding.

    Returns
    -------
    y : ndarray of shape (n,)
    known : ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If ``y`` is missing, not one-dimensional, continuous, or holds infinity or NaN as numbers.
    """
    if y is None:
        raise ValueError(
            f"{estimator_name} requires y to be passed, but the target y is None. Pass labels, "
            "with -1 for samples that have none."
        )
    y = column_or_1d(_plain(y), warn=True)
    if y.dtype.kind == "f":
        if np.isnan(y).any():
            raise ValueError(
                f"Input y contains NaN: row {np.flatnonzero(np.isnan(y))[0]}. Mark samples "
                "without a label by -1."
            )
        assert_all_finite(y, input_name="y")
    if y.dtype.kind in "OUST":
        known = np.array([not _is_missing(label) for label in y], dtype=bool)
        if {str(label) for label in y[known]} | {"-1"} == {"-1", "1"} and len(set(y[known])) == 1:
            known |= np.array([str(label) == "-1" for label in y], dtype=bool)
    elif y.dtype.kind == "b":
        known = np.ones(len(y), dtype=bool)
    else:
        known = y != UNLABELLED
        if known.any() and np.all(y[known] == 1):
            known[:] = True
    if y.dtype.kind != "O":
        check_classification_targets(y[known])
    return y, known


def known_classes(y):
    """Sorted labels without repetition."""
    try:
        return np.unique(y)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in y})
        raise ValueError(f"y mixes labels of types {kinds}: use one type of label.") from error


def _plain(y):
    """An ndarray; extension types, categories and strings of dataframes become objects."""
    dtype = getattr(y, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype):
        kind = getattr(dtype, "kind", "O")
        y = np.asarray(y) if kind in "iub" and not _has_missing(y) else np.asarray(y, dtype=object)
    return y


def _has_missing(y):
    return any(_is_missing(label) for label in y)


def _is_missing(label):
    if label is None or (isinstance(label, str) and label == str(UNLABELLED)):
        return True
    if isinstance(label, float | np.floating):
        return bool(np.isnan(label)) or label == UNLABELLED
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        return bool(label == UNLABELLED)
    return type(label).__name__ in ("NAType", "NaTType")
