"""Checks of parameters, weights and tables, and the state of an estimator that fails."""

from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import check_array

from ._array_api import accepted, as_numpy, vector_as_numpy

FLOATS = (np.float64, np.float32)
# So many numbers are looked at here: of a few rows the checks of scikit-learn take as long as the
# prediction.
FEW_NUMBERS = 2**12
TOO_FAR_APART = (
    "X holds values whose squares overflow, or vanish beside others: scale the features, for "
    "example by StandardScaler."
)


@contextmanager
def restored_on_error(state: dict):
    """Put attributes, ``vars`` of an object, back as they were if what follows raises."""
    before = dict(state)
    try:
        yield
    except BaseException:
        state.clear()
        state.update(before)
        raise


@contextmanager
def noting_width(X, widths, instead: str = ""):
    """Say what to do if what follows raises, and ``X`` is as wide as one modality alone."""
    try:
        yield
    except ValueError as error:
        if getattr(X, "shape", (0, 0))[-1] in widths:
            error.add_note(
                f"X seems to have the columns of one modality alone: {instead}put NaN beside "
                "them, as skalign.stack_modalities does."
            )
        raise


@contextmanager
def noting_nan():
    """Say what to do if rows of one modality alone have NaN."""
    try:
        yield
    except ValueError as error:
        if "NaN" in str(error):
            error.add_note(
                "This takes rows that have all values of one modality: fill single ones as before "
                "the fit, by skalign.BlockImputer say, and leave rows without the modality out."
            )
        raise


@contextmanager
def naming_row(X):
    """Say in which row, if what follows finds that a number of ``X`` is not finite."""
    try:
        yield
    except ValueError as error:
        said = str(error).partition("\n")[0]
        if not said.startswith("Input X contains"):
            raise
        rows = np.asarray(as_numpy(X)).astype(np.float64)
        row = np.flatnonzero(~np.isfinite(rows).all(axis=1))[0]
        raise ValueError(f"{said.rstrip('.')}: row {row}. Leave such rows out.") from error


@contextmanager
def no_overflow():
    """Turn numbers that cannot be computed with into a clear error."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            yield
    except (FloatingPointError, np.linalg.LinAlgError) as error:
        raise ValueError(TOO_FAR_APART) from error


@contextmanager
def held_by(dtype, what="the numbers that come out"):
    """Turn what a type of numbers cannot hold into a clear error."""
    try:
        with np.errstate(over="raise"):
            yield
    except FloatingPointError as error:
        raise ValueError(
            f"X has dtype {np.dtype(dtype).name}, which cannot hold {what}: give X as float64, or "
            "scale what is large."
        ) from error


def rounding_of(dtype) -> float:
    """Relative rounding error of numbers of a type; integers are exact in float64."""
    return float(np.finfo(np.float32 if dtype == np.float32 else np.float64).eps)


def is_plain(X, n_features: int) -> bool:
    """Whether these are a few rows of finite floats: scikit-learn finds nothing in such."""
    return (
        type(X) is np.ndarray
        and X.dtype in FLOATS
        and X.ndim == 2
        and X.shape[1] == n_features
        and 0 < X.size <= FEW_NUMBERS
        and bool(np.isfinite(X).all())
    )


def is_frame(X) -> bool:
    """Whether something is a dataframe, whose columns may be of any type."""
    return hasattr(X, "columns") and getattr(X, "ndim", 2) == 2


def routing() -> bool:
    """Whether metadata goes where it is asked for."""
    return get_config().get("enable_metadata_routing", False)


def requesting(default):
    """A default part, which asks for weights where metadata is routed."""
    return default.set_fit_request(sample_weight=True) if routing() else default


def table_options(X, dtype=FLOATS, *, least: int = 1, collection: bool = False, **options) -> dict:
    """Arguments of scikit-learn's ``validate_data`` for stacked blocks.

    NaN and infinity are left to :func:`skalign._blocks.presence`. Dataframes are converted later,
    without the columns that no modality selects. ``least`` is the fewest rows, and columns; of a
    ``collection`` the table only shows the columns. Further options are those of ``check_array``.
    """
    if is_frame(X):
        if not collection:
            _check_size(X, options, least)
        return {"skip_check_array": True}
    options = {"ensure_min_samples": least, "ensure_min_features": least, **options}
    if collection:
        options["ensure_min_samples"] = 0
    return {"dtype": accepted(X, dtype), "ensure_all_finite": False, **options}


def _check_size(frame, options: dict, least: int) -> None:
    """Raise where a dataframe has too few rows or columns, as scikit-learn does for arrays."""
    for axis, what in enumerate(("sample", "feature")):
        n, most = frame.shape[axis], options.get(f"ensure_min_{what}s", least)
        if n < most:
            raise ValueError(
                f"Found array with {n} {what}(s) (shape={frame.shape}) while a minimum of {most} "
                "is required."
            )


def column_names(table):
    """Names of the columns of a dataframe, if all are strings; else None."""
    names = getattr(table, "columns", None)
    if names is None or not all(isinstance(name, str) for name in names):
        return None
    return np.asarray(list(names), dtype=object)


def check_weights(sample_weight, n: int, *, some: bool = True):
    """Weights as a float64 vector (n,), or None where all rows count alike; a number is for all.

    A weight counts repeated rows: two is the row twice, zero leaves it out. One weight at least
    must be positive if there have to be ``some``.
    """
    if sample_weight is None:
        return None
    sample_weight = vector_as_numpy(sample_weight)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, sample_weight)
    weights = check_array(
        sample_weight,
        ensure_2d=False,
        ensure_min_samples=0,
        dtype=np.float64,
        input_name="sample_weight",
    )
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must be 1D, one value a row; got shape {weights.shape}.")
    weights = check_vector(weights, n, "sample_weight")
    if np.any(weights < 0):
        raise ValueError(
            f"sample_weight is negative at row {np.flatnonzero(weights < 0)[0]}: it counts rows."
        )
    if some and not np.any(weights > 0):
        raise ValueError("sample_weight is zero for all rows: at least one must be positive.")
    return weights


def check_vector(values, n: int, name: str) -> np.ndarray:
    """One value a row."""
    values = np.asarray(values)
    values = values.ravel() if values.shape == (n, 1) else values
    if values.ndim != 1:
        raise ValueError(f"{name} must be 1D, one value a row; got shape {values.shape}.")
    if len(values) != n:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n} rows, {name} "
            f"has {len(values)}."
        )
    return values


def check_option(name: str, value, options) -> None:
    """Raise unless ``value`` is one of ``options``."""
    if not (value is None or isinstance(value, str)) or value not in options:
        raise ValueError(f"{name}={value!r} must be one of {list(options)}.")


def check_switch(name: str, value) -> None:
    """Raise unless ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={value!r} must be True or False.")


def check_number(name: str, value, *, low, high=np.inf, integer: bool = False) -> None:
    """Raise unless ``value`` is a number in ``[low, high]``."""
    kind = Integral if integer else Real
    if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
        wanted = "an integer" if integer else "a number"
        limit = f">= {low}" if np.isinf(high) else f"between {low} and {high}"
        raise ValueError(f"{name}={value!r} must be {wanted} {limit}.")
