"""Validation: what is let through, and what each refusal says."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skalign import NullSpaceAligner
from skalign._blocks import read_array, resolve_table
from skalign._utils._validation import (
    check_number,
    check_option,
    check_switch,
    check_vector,
    check_weights,
    column_names,
    is_plain,
    restored_on_error,
    rounding_of,
    table_options,
)


class Recorder(BaseEstimator):
    """Stores what it is told, then fails if told so."""

    def __init__(self, parameter=1):
        self.parameter = parameter

    def fit(self, X, error=None):
        """Fit."""
        with restored_on_error(vars(self)):
            self.parameter = "overwritten"
            self.fitted_ = X
            if hasattr(self, "old_"):
                del self.old_
            if error is not None:
                raise error
        return self


def validated(estimator, X, *, reset=False):
    """Stacked blocks as the estimators read them."""
    options = table_options(X, least=2 if reset else 1)
    table = validate_data(estimator, X, reset=reset, **options)
    return read_array(table, resolve_table(None, table))


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_state_is_kept_on_error(error):
    """What fit had set is gone, what it had deleted is back, and the error goes on."""
    estimator = Recorder()
    estimator.old_ = old = [1, 2]
    with pytest.raises(type(error)) as caught:
        estimator.fit(3, error=error)
    assert caught.value is error
    assert vars(estimator) == {"parameter": 1, "old_": [1, 2]}
    assert estimator.old_ is old


def test_state_is_changed_without_error():
    """A fit that works returns what it returns, and leaves what it has set."""
    estimator = Recorder()
    assert estimator.fit(3) is estimator
    assert vars(estimator) == {"parameter": "overwritten", "fitted_": 3}


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float32, np.float32), (np.float64, np.float64), (int, np.float64), (bool, np.float64)],
)
def test_stack_type(dtype, expected):
    """float32 stays, everything else becomes float64."""
    X = np.array([[0, 1], [1, 0]], dtype=dtype)
    checked = validated(Recorder(), X, reset=True)
    assert checked.dtype == expected
    np.testing.assert_array_equal(checked, X)
    # and of the right type there is no second copy
    assert np.shares_memory(checked, X) == (dtype == expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_stack_leaves_missing_values_to_others(bad):
    """NaN may be a missing modality."""
    X = np.array([[1.0, bad], [bad, 2.0]])
    np.testing.assert_array_equal(validated(Recorder(), X, reset=True), X)


def test_stack_remembers_features():
    """Names and number of features are stored at fit and held against later data."""
    estimator = Recorder()
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    validated(estimator, frame, reset=True)
    assert estimator.n_features_in_ == 2
    assert estimator.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(validated(estimator, frame[:1]), [[1.0, 3.0]])
    with pytest.raises(ValueError, match="feature names"):
        validated(estimator, frame.rename(columns={"b": "c"}))


def test_stack_of_polars():
    """Any frame that becomes an array will do."""
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    checked = validated(Recorder(), frame, reset=True)
    np.testing.assert_array_equal(checked, [[1.0, 3.0], [2.0, 4.0]])


def test_stack_counts_features():
    """Other data must be as wide as those of fit."""
    estimator = Recorder()
    validated(estimator, np.eye(3), reset=True)
    with pytest.raises(ValueError, match="2 features, but Recorder is expecting 3"):
        validated(estimator, np.eye(2))


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.ones((1, 2)), ValueError, "1 sample.*minimum of 2"),
        (np.ones((5, 1)), ValueError, "1 feature.*minimum of 2"),
        (np.ones((0, 2)), ValueError, "0 sample"),
        (np.ones(4), ValueError, "Expected 2D array"),
        (np.ones((2, 2, 2)), ValueError, "dim 3"),
        (sparse.csr_array(np.eye(3)), TypeError, "[Ss]parse"),
        (np.eye(3) * 1j, ValueError, "[Cc]omplex"),
        ([["a", "b"], ["c", "d"]], ValueError, "could not convert"),
    ],
)
def test_stack_refuses(X, error, match):
    """Fewer than two rows or columns to fit on, other shapes, other types."""
    with pytest.raises(error, match=match):
        validated(Recorder(), X, reset=True)


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("method", "X", "match"),
    [
        ("fit", np.ones((1, 4)), "1 sample.*minimum of 2|one pair"),
        ("fit", np.ones((5, 1)), "1 feature.*minimum of 2"),
        ("fit", np.ones((0, 4)), "0 sample|no pairs"),
        ("partial_fit", np.ones((5, 1)), "1 feature.*minimum of 2"),
        ("partial_fit", np.ones((0, 4)), "0 sample"),
        ("transform", np.ones((0, 4)), "0 sample"),
        ("impute", np.ones((0, 4)), "0 sample"),
        ("score", np.ones((0, 4)), "0 sample|no pairs"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*share nothing beyond chance:UserWarning")
def test_frames_must_be_as_large_as_arrays(container, method, X, match):
    """As many rows and columns as there must be, whatever they come in."""
    aligner = NullSpaceAligner()
    if method not in ("fit", "partial_fit"):
        aligner.fit(container(np.random.default_rng(0).normal(size=(30, 4))))
    with pytest.raises(ValueError, match=match):
        getattr(aligner, method)(container(X))


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_complex_numbers_are_refused(container):
    """Their imaginary part is not left out without a word."""
    X = np.random.default_rng(0).normal(size=(30, 4)) * 1j
    with pytest.raises(ValueError, match=r"[Cc]omplex|no number"):
        NullSpaceAligner().fit(container(X))


def test_frames_are_let_through_for_columns_to_be_selected():
    """What no modality selects may hold anything; numbers are read from the rest."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "word": ["x", "y"], "b": [3, 4]})
    table = validate_data(Recorder(), frame, reset=True, **table_options(frame, least=2))
    assert table is frame
    read = read_array(table, resolve_table({"a": ["a"], "b": ["b"]}, table))
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, [[1.0, 3.0], [2.0, 4.0]])
    with pytest.raises(ValueError, match=r"modality 'w': column 'word' holds 'x'.* no number"):
        read_array(table, resolve_table({"w": ["word"], "b": ["b"]}, table))


def test_a_collection_shows_columns_only():
    """Of rows that are elsewhere a table without any is validated."""
    empty = np.empty((0, 3))
    options = table_options(empty, collection=True, ensure_min_samples=2)
    assert validate_data(Recorder(), empty, reset=True, **options).shape == (0, 3)


def test_column_names_are_strings():
    """All of them, or there are none."""
    assert column_names(np.eye(2)) is None
    for library in (pd, pl):
        assert column_names(library.DataFrame({"a": [1], "b": [2]})).tolist() == ["a", "b"]
    assert column_names(pd.DataFrame({"a": [1], 1: [2]})) is None


def test_rounding_is_that_of_the_type():
    """Integers are exact in float64."""
    for dtype in (np.float64, np.int64, np.int8, bool):
        assert rounding_of(np.dtype(dtype)) == np.finfo(np.float64).eps
    assert rounding_of(np.dtype(np.float32)) == np.finfo(np.float32).eps


def test_no_weights():
    """None is none."""
    assert check_weights(None, 3) is None


@pytest.mark.parametrize(
    "weights",
    [[1, 0, 2], (1, 0, 2), np.array([1, 0, 2], dtype=np.float32), pd.Series([1, 0, 2])],
)
def test_weights_become_float64(weights):
    """Whatever they are given in; zero is allowed."""
    checked = check_weights(weights, 3)
    assert checked.dtype == np.float64
    np.testing.assert_array_equal(checked, [1, 0, 2])


@pytest.mark.parametrize("weight", [2, 2.0, np.float32(2), np.int64(2)])
def test_one_weight_is_for_all(weight):
    """A number stands for as many as there are rows."""
    np.testing.assert_array_equal(check_weights(weight, 3), [2.0, 2.0, 2.0])


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1, -2, -3], "negative at row 1"),
        (-1, "negative at row 0"),
        ([0, 0, 0], "zero for all rows"),
        (0, "zero for all rows"),
        ([1, np.nan, 1], "sample_weight contains NaN"),
        ([1, np.inf, 1], "sample_weight contains infinity"),
        (np.nan, "sample_weight contains NaN"),
        ([1, 2], "inconsistent numbers of samples"),
        ([[1], [2], [3]], r"sample_weight must be 1D.*\(3, 1\)"),
        (np.ones((3, 1, 1)), "dim 3"),
        (["a", "b", "c"], "could not convert"),
    ],
)
def test_weights_are_refused(weights, match):
    """A weight counts rows: finite, not negative, one a row, and not all zero."""
    with pytest.raises(ValueError, match=match):
        check_weights(weights, 3)


def test_weights_of_a_part_of_the_rows_may_be_zero():
    """Where other rows may have some."""
    np.testing.assert_array_equal(check_weights([0, 0, 0], 3, some=False), np.zeros(3))
    np.testing.assert_array_equal(check_weights(0, 2, some=False), np.zeros(2))
    assert check_weights([], 0, some=False).shape == (0,)
    with pytest.raises(ValueError, match="negative at row 1"):
        check_weights([0, -1], 2, some=False)


@pytest.mark.parametrize("values", [["a", None, "b"], np.array([1, 2, 3]), pd.Series([1, 2, 3])])
def test_a_vector_has_one_value_a_row(values):
    """Whatever the values are."""
    checked = check_vector(values, 3, "y")
    assert checked.shape == (3,)
    assert checked.tolist() == list(values)
    for n in (2, 4):
        with pytest.raises(ValueError, match=rf"inconsistent .* X has {n} rows, y has 3"):
            check_vector(values, n, "y")
    with pytest.raises(ValueError, match=r"y must be 1D.*\(3, 2\)"):
        check_vector(np.column_stack([values, values]), 3, "y")


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_switches(value):
    """NumPy's truth values are truth values."""
    check_switch("center", value)


@pytest.mark.parametrize("value", [1, 0, None, "True", np.array([True]), [True]])
def test_other_switches_are_refused(value):
    """What merely counts as true is a mistake more often than not."""
    with pytest.raises(ValueError, match=re.escape(f"center={value!r} must be True or False.")):
        check_switch("center", value)


def test_options():
    """One of them passes, None among them if it is an option."""
    check_option("solver", "qr", ("auto", "qr"))
    check_option("shrinkage", None, ("auto", None))


@pytest.mark.parametrize("value", ["QR", "", None, 1, ["qr"], {"qr"}, np.array(["qr"]), b"qr"])
def test_other_options_are_refused(value):
    """The message has the parameter, the value and the options; nothing breaks on odd types."""
    message = f"solver={value!r} must be one of ['auto', 'qr']"
    with pytest.raises(ValueError, match=re.escape(message)):
        check_option("solver", value, ("auto", "qr"))


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (0, {"low": 0}),
        (1.5, {"low": 0}),
        (np.float32(0.5), {"low": 0, "high": 1}),
        (1, {"low": 0, "high": 1}),
        (1, {"low": 1, "integer": True}),
        (np.int64(3), {"low": 1, "integer": True}),
        (np.inf, {"low": 0}),
    ],
)
def test_numbers(value, limits):
    """The limits themselves are allowed, and numpy's numbers are numbers."""
    check_number("tol", value, **limits)


@pytest.mark.parametrize(
    ("value", "limits", "wanted"),
    [
        (-1, {"low": 0}, "a number >= 0"),
        (1.01, {"low": 0, "high": 1}, "a number between 0 and 1"),
        (np.nan, {"low": 0}, "a number >= 0"),
        (True, {"low": 0}, "a number >= 0"),
        ("1", {"low": 0}, "a number >= 0"),
        (None, {"low": 0}, "a number >= 0"),
        (1j, {"low": 0}, "a number >= 0"),
        ([1], {"low": 0}, "a number >= 0"),
        (0, {"low": 1, "integer": True}, "an integer >= 1"),
        (2.0, {"low": 1, "integer": True}, "an integer >= 1"),
        (True, {"low": 1, "integer": True}, "an integer >= 1"),
        (9, {"low": 1, "high": 8, "integer": True}, "an integer between 1 and 8"),
    ],
)
def test_other_numbers_are_refused(value, limits, wanted):
    """The message has the parameter, the value and what is wanted."""
    with pytest.raises(ValueError, match=re.escape(f"tol={value!r} must be {wanted}.")):
        check_number("tol", value, **limits)


# -- rows that need no second look ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_rows_are_what_scikit_learn_lets_through(dtype, order):
    """The very same array comes out of its checks."""
    X = np.ones((3, 4), dtype=dtype, order=order)
    estimator = Recorder()
    estimator.n_features_in_ = 4
    assert is_plain(X, 4)
    assert validate_data(estimator, X, reset=False, dtype=(np.float64, np.float32)) is X


def test_all_else_is_looked_at_by_scikit_learn():
    """Of which most is refused, or converted."""
    X = np.ones((3, 4))
    others = [X.tolist(), X[0], X[:0], X[None], X.astype(int), X.astype(object), X.astype(">f8")]
    others += [np.where(X > 0, bad, X) for bad in (np.nan, np.inf)]
    others += [pd.DataFrame(X), sparse.csr_array(X), np.ma.array(X), np.ones((9000, 4)), X[:, :3]]
    assert not any(is_plain(other, 4) for other in others)
