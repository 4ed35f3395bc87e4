"""Labels: who has one, in every container that labels come in."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning

from skalign._utils._labels import known_classes, known_labels, plain_labels

relaxed = settings(deadline=None)


def split(y):
    """Labels, and which of them are known, as lists."""
    y, known = known_labels(y, "Transfer")
    assert isinstance(y, np.ndarray)
    assert y.shape == known.shape
    assert known.dtype == bool
    return y.tolist(), known.tolist()


def containers(values):
    """Integers, None where there is none, in all that has a place for that."""
    yield np.array([-1 if v is None else v for v in values])
    yield np.array([-1 if v is None else v for v in values], dtype=np.float32)
    yield [-1 if v is None else v for v in values]
    yield np.array(values, dtype=object)
    yield np.array([np.nan if v is None else v for v in values], dtype=object)
    yield pd.Series([-1 if v is None else v for v in values])
    yield pd.Series(values, dtype="Int64")
    yield pd.Series(pd.Categorical(values))
    yield pl.Series([-1 if v is None else v for v in values])
    yield pl.Series(values, dtype=pl.Int64)


@relaxed
@given(st.lists(st.sampled_from([None, 0, 1, 2, 7]), min_size=1, max_size=12), st.data())
def test_unlabelled_numbers(values, data):
    """-1, and what a container has in place of a number, is no label; all others are."""
    if set(values) <= {None, 1}:
        values = [*values, 0]  # -1 and 1 alone is another rule
    y, known = split(data.draw(st.sampled_from(list(containers(values)))))
    assert known == [v is not None for v in values]
    assert [a for a, k in zip(y, known, strict=True) if k] == [v for v in values if v is not None]


def text_containers(values):
    """Words, None where there is none, in all that has a place for that."""
    yield np.array(["-1" if v is None else v for v in values])
    yield ["-1" if v is None else v for v in values]
    yield np.array(values, dtype=object)
    yield np.array([np.nan if v is None else v for v in values], dtype=object)
    yield np.array([-1 if v is None else v for v in values], dtype=object)
    yield np.array([-1.0 if v is None else v for v in values], dtype=object)
    yield pd.Series(values, dtype=object)
    yield pd.Series(values, dtype="string[python]")
    yield pd.Series(values, dtype="category")
    yield pd.Categorical(values)
    yield pl.Series(values, dtype=pl.String)
    yield pl.Series(values, dtype=pl.Categorical)


@relaxed
@given(st.lists(st.sampled_from([None, "walk", "run", "0"]), min_size=1, max_size=12), st.data())
def test_unlabelled_words(values, data):
    """None, NaN, NA, -1 and its spelling are no label among words; all words are."""
    y, known = split(data.draw(st.sampled_from(list(text_containers(values)))))
    assert known == [v is not None for v in values]
    assert [a for a, k in zip(y, known, strict=True) if k] == [v for v in values if v is not None]


def test_strings_of_pandas():
    """The type that pandas reads text into has NaN where there is none."""
    assert split(pd.Series(["walk", None, "run"]))[1] == [True, False, True]


@pytest.mark.parametrize("dtype", [int, np.int8, float, np.float32, object, str, "Int64"])
@pytest.mark.parametrize("values", [[-1, 1], [1, 1, -1, -1], [1], [1, 1]])
def test_minus_one_and_one_are_both_labels(values, dtype):
    """The usual binary coding has no unlabelled sample, whatever its type."""
    y = pd.Series(values, dtype=dtype) if dtype == "Int64" else np.array(values, dtype=dtype)
    assert split(y)[1] == [True] * len(values)
    assert split(pl.Series(values))[1] == [True] * len(values)


@pytest.mark.parametrize(
    "y",
    [
        np.array([1.0, -1.0], dtype=object),
        pd.Series([1.0, -1.0], dtype="Float64"),
        pl.Series([1.0, -1.0]),
    ],
    ids=["object", "Float64", "polars"],
)
def test_binary_coding_in_floats_of_other_containers(y):
    """The usual binary coding is the same in any container: np.array([1.0, -1.0]) has it."""
    assert split(y)[1] == [True, True]


@pytest.mark.parametrize(
    ("y", "known"),
    [
        ([-1, 1, 0], [False, True, True]),
        ([-1, 1, 2], [False, True, True]),
        ([-1, 2], [False, True]),
        ([-1, 0], [False, True]),
        ([-1, -1], [False, False]),
        (np.array(["1", "-1", None], dtype=object), [True, True, False]),
        (np.array([1, -1, None], dtype=object), [True, True, False]),
        (np.array(["1", "-1", "2"]), [True, False, True]),
        (np.array([None, None], dtype=object), [False, False]),
        (pd.Series([1, None, -1], dtype="Int64"), [True, False, True]),
    ],
)
def test_any_other_label_makes_minus_one_unlabelled(y, known):
    """A third value tells that -1 is none of the classes; None never is one."""
    assert split(y)[1] == known


@pytest.mark.parametrize(
    "y",
    [
        np.array([True, False]),
        [True, False, True],
        pd.Series([True, False]),
        pd.Series([True, False], dtype="boolean"),
        pl.Series([True, False]),
        np.array([True, False], dtype=object),
    ],
)
def test_booleans_are_labels(y):
    """True and False are two classes; True is not the 1 of -1 and 1."""
    values, known = split(y)
    assert all(known)
    assert values == list(y)


@pytest.mark.parametrize(
    "y", [pd.Series([True, None, False], dtype="boolean"), pl.Series([True, None, False])]
)
def test_booleans_may_be_missing(y):
    """A missing truth value is no label."""
    assert split(y)[1] == [True, False, True]


def test_whole_floats_are_labels():
    """2.0 is a class."""
    assert split(np.array([0.0, 2.0, -1.0])) == ([0.0, 2.0, -1.0], [True, True, False])


def test_no_labels_at_all():
    """An empty y has no label, and nothing to say about it."""
    assert split(np.array([], dtype=int)) == ([], [])


@pytest.mark.parametrize(
    "y",
    [
        [0.5, 1.2, 3.0],
        np.array([0.5, -1.0, 2.0], dtype=np.float32),
        np.array([0.5, 1.2, 3.0], dtype=object),
        pd.Series([0.5, 1.2, 3.0], dtype="Float64"),
        pl.Series([0.5, 1.2, 3.0]),
    ],
)
def test_continuous_labels_are_refused(y):
    """A classifier has no use for them."""
    with pytest.raises(ValueError, match="Unknown label type"):
        known_labels(y, "Transfer")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.array, pd.Series])
def test_nan_among_numbers_is_no_label(container, dtype):
    """Tables make floats of integers with gaps; where nothing but NaN is given, it is said."""
    y, known = known_labels(container(np.array([0, 1, np.nan, -1], dtype=dtype)), "Transfer")
    assert known.tolist() == [True, True, False, False]
    assert y[known].tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"y contains NaN: row 0.*-1"):
        known_labels(container(np.full(3, np.nan, dtype=dtype)), "Transfer")


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity_among_numbers_is_refused(bad):
    """It is no class."""
    with pytest.raises(ValueError, match="y contains infinity"):
        known_labels(np.array([0, 1, bad]), "Transfer")


def test_missing_y_is_refused():
    """The message has the estimator, says what is wanted, and what marks unlabelled rows."""
    with pytest.raises(ValueError, match=r"Transfer requires y.*None.*-1"):
        known_labels(None, "Transfer")


@pytest.mark.parametrize(
    "y", [np.array([[0], [1], [-1]]), pd.DataFrame({"y": [0, 1, -1]}), [[0], [1], [-1]]]
)
def test_a_column_warns(y):
    """As everywhere in scikit-learn a column is taken, with a warning."""
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert split(y) == ([0, 1, -1], [True, True, False])


@pytest.mark.parametrize("y", [np.eye(3, dtype=int), [[0, 1], [1, 0]], np.array(3)])
def test_other_shapes_are_refused(y):
    """One label a sample."""
    with pytest.raises(ValueError, match="1d array"):
        known_labels(y, "Transfer")


def test_nan_in_a_list_of_words():
    """A list is what people have; NaN in it is missing, as in an array of objects."""
    assert split(["walk", np.nan, "run"])[1] == [True, False, True]


@pytest.mark.parametrize(
    "labels", [["b", "a", "b"], [2, 0, 2], [True, False], np.array([2, 0], dtype=object)]
)
def test_known_classes_are_sorted(labels):
    """Each label once, in order."""
    assert known_classes(np.asarray(labels)).tolist() == sorted(set(labels))


def test_mixed_labels_are_refused():
    """Words and numbers have no common order; the message has both types."""
    y, known = known_labels(np.array([0, "a", None], dtype=object), "Transfer")
    with pytest.raises(ValueError, match=r"mixes.*int.*str"):
        known_classes(y[known])


def test_numbers_among_objects_are_numbers_again():
    """Words stay objects, as a classifier wants them."""
    assert plain_labels(np.array([3, 1], dtype=object)).dtype.kind == "i"
    words = np.array(["a", "b"], dtype=object)
    assert plain_labels(words) is words
    assert len(plain_labels(np.array([], dtype=object))) == 0
