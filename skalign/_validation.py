"""Checks that both estimators share."""

from functools import wraps
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from ._array_api import accepted, host, on_device

FLOATS = (np.float64, np.float32)


def keep_state_on_error(fit):
    """Make a method leave the estimator as it was if it raises."""

    @wraps(fit)
    def safe_fit(self, *args, **kwargs):
        before = dict(vars(self))
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return safe_fit


def rounding_of(dtype) -> float:
    """Relative rounding error of numbers of a type; integers are exact in float64."""
    return float(np.finfo(np.float32 if dtype == np.float32 else np.float64).eps)


def validate_stack(estimator, X, *, reset=False, dtype=FLOATS, **options):
    """Validate stacked blocks; NaN and infinity are left to :func:`_stacking.presence`."""
    least = 2 if reset else 1
    options = {"ensure_min_samples": least, "ensure_min_features": least, **options}
    X = validate_data(
        estimator, X, reset=reset, dtype=accepted(X, dtype), ensure_all_finite=False, **options
    )
    return on_device(X)


def column_names(estimator, frame):
    """Names of the columns, if all are strings; validation does not find those of every frame."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = getattr(frame, "columns", None)
        if names is None or not all(isinstance(name, str) for name in names):
            return None
    return np.asarray(list(names), dtype=object)


def check_weights(sample_weight, X):
    """Weights as a float64 vector, or None where all rows count alike.

    A weight counts repeated rows: two is the row twice, zero leaves it out.
    """
    if sample_weight is None:
        return None
    sample_weight = host(sample_weight)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(len(X), sample_weight)
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must be 1D, one number a row; got shape {weights.shape}.")
    check_consistent_length(X, weights)
    if np.any(weights < 0):
        raise ValueError(
            f"sample_weight is negative at row {np.flatnonzero(weights < 0)[0]}: it counts rows."
        )
    if not np.any(weights > 0):
        raise ValueError("sample_weight is zero for all rows: at least one must be positive.")
    return weights


def check_option(name, value, options):
    """Raise unless ``value`` is one of ``options``."""
    if not (value is None or isinstance(value, str)) or value not in options:
        raise ValueError(f"{name}={value!r} must be one of {list(options)}.")


def check_number(name, value, *, low, high=np.inf, integer=False):
    """Raise unless ``value`` is a number in ``[low, high]``."""
    kind = Integral if integer else Real
    if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
        wanted = "an integer" if integer else "a number"
        limit = f">= {low}" if np.isinf(high) else f"between {low} and {high}"
        raise ValueError(f"{name}={value!r} must be {wanted} {limit}.")
