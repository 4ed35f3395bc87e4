"""Blocks: every way to name columns gives the same blocks, every wrong way says what is wrong."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_selector

from skalign import NullSpaceAligner
from skalign._blocks import Blocks, position_of, resolve

relaxed = settings(deadline=None)
NAMES = np.array(["v0", "v1", "i0", "i1", "i2"], dtype=object)


def stack(n_features, n_samples=3):
    """Rows in which every value is different."""
    return np.arange(n_samples * n_features, dtype=float).reshape(n_samples, n_features)


def columns_of(blocks):
    """Column numbers of all modalities as lists."""
    return [blocks.indices(m).tolist() for m in range(len(blocks))]


@st.composite
def partitions(draw, ordered=False):
    """All columns, split among modalities in any way."""
    n_features = draw(st.integers(2, 12))
    every = list(range(n_features)) if ordered else draw(st.permutations(range(n_features)))
    cuts = draw(st.sets(st.integers(1, n_features - 1), min_size=1, max_size=4))
    edges = [0, *sorted(cuts), n_features]
    return [list(every[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def spellings(columns, n_features):
    """All the ways to select some columns in a given order."""
    names = [f"x{j}" for j in columns]
    yield from [columns, tuple(columns), np.array(columns), np.array(columns, dtype=np.uint8)]
    yield [j - n_features for j in columns]
    yield from [names, tuple(names), np.array(names), np.array(names, dtype=object)]
    yield from [pd.Index(names), pd.Series(columns), lambda frame: columns, lambda frame: names]
    yield lambda frame: list(frame.columns[columns])
    if len(columns) == 1:
        yield from [columns[0], np.int64(columns[0]), names[0], columns[0] - n_features]
    mask = np.isin(np.arange(n_features), columns)
    if columns == sorted(columns):
        yield from [mask, mask.tolist(), pd.Series(mask), lambda frame: mask]
    if columns == list(range(columns[0], columns[-1] + 1)):
        yield from [slice(columns[0], columns[-1] + 1), slice(names[0], names[-1])]
        yield lambda frame: slice(names[0], names[-1])
    step = columns[1] - columns[0] if len(columns) > 1 else 1
    if columns == list(range(columns[0], columns[-1] + 1, max(step, 1))):
        yield slice(columns[0], columns[-1] + 1, step)
        yield slice(names[0], names[-1], step)


@relaxed
@given(partitions(), st.data())
def test_mapping_takes_the_columns_in_the_order_given(parts, data):
    """Whatever the permutation of columns and the way to write it, blocks are X[:, columns]."""
    n_features = sum(map(len, parts))
    frame = pd.DataFrame(stack(n_features), columns=[f"x{j}" for j in range(n_features)])
    modalities = {
        f"m{m}": data.draw(st.sampled_from(list(spellings(part, n_features))))
        for m, part in enumerate(parts)
    }
    blocks = resolve(modalities, n_features, frame, frame.columns.to_numpy())
    X = frame.to_numpy()
    assert blocks.names == tuple(modalities)
    assert blocks.n_features == n_features
    assert columns_of(blocks) == parts
    for m, part in enumerate(parts):
        np.testing.assert_array_equal(blocks.take(X, m), X[:, part])


@relaxed
@given(partitions(ordered=True), st.sampled_from([list, np.array, "mask", "widths"]))
def test_contiguous_columns_are_a_view(parts, form):
    """No copy is made of a contiguous block, however its columns were written."""
    n_features = sum(map(len, parts))
    if form == "widths":
        modalities = [len(part) for part in parts]
    elif form == "mask":
        modalities = {f"m{m}": np.isin(range(n_features), part) for m, part in enumerate(parts)}
    else:
        modalities = {f"m{m}": form(part) for m, part in enumerate(parts)}
    X = stack(n_features)
    blocks = resolve(modalities, n_features)
    for m, part in enumerate(parts):
        block = blocks.take(X, m)
        np.testing.assert_array_equal(block, X[:, part])
        assert np.shares_memory(block, X)


@relaxed
@given(st.integers(2, 41))
def test_none_halves(n_features):
    """Without a word on modalities there are two; the first has the odd column."""
    blocks = resolve(None, n_features)
    first, second = map(len, columns_of(blocks))
    assert first + second == n_features
    assert first - second in (0, 1)
    np.testing.assert_array_equal(np.concatenate(columns_of(blocks)), np.arange(n_features))


@relaxed
@given(st.lists(st.integers(1, 5), min_size=2, max_size=5))
def test_widths_stand_in_order(widths):
    """A list, a tuple, an array and numpy integers give the same blocks side by side."""
    expected = np.split(np.arange(sum(widths)), np.cumsum(widths)[:-1])
    for form in (list, tuple, np.array, lambda w: [np.int32(d) for d in w]):
        blocks = resolve(form(widths), sum(widths))
        assert columns_of(blocks) == [columns.tolist() for columns in expected]
        assert len(set(blocks.names)) == len(blocks) == len(widths)


def test_make_column_selector():
    """A selector of scikit-learn chooses from the frame, by pattern and by type."""
    frame = pd.DataFrame(
        {"i0": [1.0], "v0": [2.0], "i1": [3.0], "v1": [4.0], "n": np.array([5], dtype=np.int64)}
    )
    modalities = {
        "video": make_column_selector(pattern="^v"),
        "imu": make_column_selector(pattern="^i", dtype_include=float),
        "count": make_column_selector(dtype_include=np.int64),
    }
    blocks = resolve(modalities, 5, frame, frame.columns.to_numpy())
    assert columns_of(blocks) == [[1, 3], [0, 2], [4]]


def test_callable_on_an_array():
    """A callable gets the data as they are, arrays too."""
    X = stack(4)
    blocks = resolve({"a": lambda data: np.flatnonzero(data[0] < 2), "b": [2, 3]}, 4, X)
    assert columns_of(blocks) == [[0, 1], [2, 3]]


def test_slices_of_names_have_both_ends():
    """As in ColumnTransformer a slice of names includes its end; an open end goes to the edge."""
    for modalities in (
        {"video": slice("v0", "v1"), "imu": slice("i0", "i2")},
        {"video": slice(None, "v1"), "imu": slice("i0", None)},
        {"video": slice(None, 2), "imu": slice(-3, None)},
    ):
        assert columns_of(resolve(modalities, 5, None, NAMES)) == [[0, 1], [2, 3, 4]]


@relaxed
@given(st.lists(st.text(min_size=1), min_size=2, max_size=5, unique=True), st.data())
def test_position_of_counts_and_looks_up(names, data):
    """A position, the same one counted from the end, and the name are one modality."""
    m = data.draw(st.integers(0, len(names) - 1))
    for spelling in (m, np.int64(m), m - len(names), names[m]):
        assert position_of(spelling, names, "source") == m
    blocks = resolve({name: [j] for j, name in enumerate(names)}, len(names))
    source, target = names[m], m - 1
    assert blocks.two_positions(source, target) == (m, target % len(names))


@pytest.mark.parametrize("modality", [2, -3, "sound", "", True, False, 0.0, None, ("video",)])
def test_position_of_an_unknown_modality(modality):
    """The message has the parameter, what was given and what there is."""
    message = re.escape(f"source={modality!r} is no modality") + ".*'video', 'imu'"
    with pytest.raises(ValueError, match=message):
        position_of(modality, ("video", "imu"), "source")


@relaxed
@given(partitions(), st.data())
def test_columns_may_be_left_aside(columns, data):
    """Blocks of some modalities are those of the table without columns of the others."""
    n_features = sum(map(len, columns))
    columns = [*columns, [n_features]]
    kept = data.draw(st.permutations(range(len(columns))))[: max(2, len(columns) - 1)]
    names = [f"m{m}" for m in kept]
    blocks = resolve({n: columns[m] for n, m in zip(names, kept, strict=True)}, n_features + 1)
    X = stack(n_features + 1)
    for place, m in enumerate(kept):
        np.testing.assert_array_equal(blocks.of_table(place), columns[m])
        np.testing.assert_array_equal(blocks.take(blocks.select(X), place), X[:, columns[m]])
    columns_kept = [blocks.of_table(place) for place in range(len(kept))]
    again = Blocks.of(names, columns_kept, n_features + 1)
    for place in range(len(kept)):
        np.testing.assert_array_equal(again.indices(place), blocks.indices(place))
    assert again.n_features == blocks.n_features == sum(len(columns[m]) for m in kept)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_other_columns_of_a_frame_may_hold_anything(library):
    """Words and dates that no modality selects are neither read nor converted."""
    frame = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X[:, 2:] += X[:, :2]
    table = {f"c{j}": X[:, j] for j in range(4)}
    dates = np.arange(60).astype("datetime64[D]")
    told = frame.DataFrame({"name": ["a"] * 60, **table, "when": dates})
    modalities = {"a": ["c0", "c1"], "b": ["c2", "c3"]}
    aligner = NullSpaceAligner(2, modalities=modalities).fit(told)
    plain = NullSpaceAligner(2, modalities=[2, 2]).fit(X)
    np.testing.assert_allclose(aligner.transform(told), plain.transform(X), atol=1e-12)
    np.testing.assert_allclose(aligner.impute(told), X)
    np.testing.assert_allclose(aligner.loadings_, plain.loadings_, atol=1e-12)
    assert aligner.n_features_in_ == 6
    filled = aligner.set_output(transform=library).impute(told)
    assert type(filled).__module__.startswith(library)
    assert list(filled.columns) == ["c0", "c1", "c2", "c3"]
    Z = aligner.transform(told)
    np.testing.assert_allclose(
        aligner.inverse_transform(Z), plain.inverse_transform(plain.transform(X))
    )
    with pytest.raises(ValueError, match="modality 'b': column 'name' holds 'a'"):
        NullSpaceAligner(modalities={"a": ["c0"], "b": ["c1", "name"]}).fit(told)


@pytest.mark.parametrize(
    ("modalities", "parts"),
    [
        ([2, 2], [r"modalities=\[2, 2\]", "sum to 4", "5 features"]),
        ([3, 3], ["modalities=", "sum to 6", "5 features"]),
        ([5, 0], [r"modalities\[1\]=0", "positive integer"]),
        ([6, -1], [r"modalities\[1\]=-1", "positive integer"]),
        ([2.0, 3.0], [r"modalities\[0\]=2.0", "positive integer"]),
        (np.array([2.0, 3.0]), [r"modalities\[0\]", "positive integer"]),
        ([4, True], [r"modalities\[1\]=True", "positive integer"]),
        ([2, "3"], [r"modalities\[1\]='3'", "positive integer"]),
        ([2, None], [r"modalities\[1\]=None", "positive integer"]),
        ([[2, 3]], [r"modalities\[0\]=\[2, 3\]", "positive integer"]),
        ([5], [r"modalities=\[5\]", "1 modality", "at least two"]),
        ({"video": slice(None)}, ["modalities=", "1 modality", "at least two"]),
        ("video", ["modalities='video'", "widths"]),
        (5, ["modalities=5", "widths"]),
        ({2, 3}, ["modalities=", "widths"]),
        ({"video": [0, 1, 2], "imu": [2, 3, 4]}, ["'video'", "'imu'", "overlap", "2"]),
        ({"video": [0, 1, 0], "imu": [2, 3, 4]}, ["'video'", "0 twice"]),
        ({"video": [0, 1], "imu": [2, 3, -3, 4]}, ["'imu'", "2 twice"]),
        ({"video": [], "imu": [0, 1, 2, 3, 4]}, ["'video'", "no column", "empty"]),
        ({"video": slice(0), "imu": slice(0, 5)}, ["'video'", "no column", "empty"]),
        ({"video": slice(9, 12), "imu": slice(0, 5)}, ["'video'", "no column", "empty"]),
        ({"video": [False] * 5, "imu": slice(0, 5)}, ["'video'", "no column", "empty"]),
        ({}, ["0 modality", "at least two"]),
        (["acc", "gyr"], [r"modalities\[0\]='acc'", "widths", "mapping"]),
        ({"video": ["v0"], "imu": slice(1, 5)}, ["'video'", "'v0'", "no column names"]),
        ({"video": slice("v0", "v1"), "imu": [2, 3, 4]}, ["'video'", "'v0'", "no column names"]),
        ({"video": [0, 1], 1: [2, 3, 4]}, ["key 1", "strings"]),
        ({None: [0, 1], "imu": [2, 3, 4]}, ["key None", "strings"]),
        ({"video": [0, 1], "imu": [2, 3, 5]}, ["'imu'", "column 5", "out of range", "5 features"]),
        ({"video": [0, -6], "imu": [2, 3, 4]}, ["'video'", "column -6", "out of range"]),
        ({"video": 7, "imu": [2, 3, 4]}, ["'video'", "column 7", "out of range"]),
        ({"video": [True, False], "imu": [1, 2, 3, 4]}, ["'video'", "mask", "2 entries"]),
        ({"video": [0.0, 1.0], "imu": [2, 3, 4]}, ["'video'", "integers", "float64"]),
        ({"video": [0, "v1"], "imu": [2, 3, 4]}, ["'video'", "integers"]),
        pytest.param({"video": 1.5, "imu": [2, 3, 4]}, ["'video'"]),
        pytest.param({"video": None, "imu": [2, 3, 4]}, ["'video'"]),
        pytest.param({"video": [[0, 1]], "imu": [2, 3, 4]}, ["'video'"]),
        pytest.param(np.array(5), ["modalities="]),
    ],
)
def test_wrong_modalities_are_named(modalities, parts):
    """The message has the parameter or the modality, and what is wrong with it."""
    with pytest.raises(ValueError, match="(?s)" + ".*".join(parts)):
        resolve(modalities, 5)


@pytest.mark.parametrize(
    ("modalities", "match"),
    [
        ({"video": ["v0", "v7"], "imu": slice(2, 5)}, r"'video'.*no column named 'v7'"),
        ({"video": slice("v0", "v7"), "imu": slice(2, 5)}, r"'video'.*no column named 'v7'"),
        ({"video": ["v0", "v1", "i0"], "imu": slice("i0", "i2")}, r"overlap.*'i0'"),
        ({"video": ["v0", "v1", "v0"], "imu": slice("i0", "i2")}, r"'video'.*'v0' twice"),
    ],
)
def test_columns_with_names_are_called_by_name(modalities, match):
    """Where columns have names, messages use them."""
    with pytest.raises(ValueError, match=match):
        resolve(modalities, 5, None, NAMES)


@pytest.mark.parametrize(
    "modalities",
    [
        {"video": [0, 1, 0], "imu": [2, 3, 4]},
        {"video": [0, 1, 2], "imu": [2, 3, 4]},
        np.array([1, 3]),
        np.array([5, 0]),
    ],
)
def test_messages_have_plain_numbers(modalities):
    """A message says 2, not np.int64(2)."""
    with pytest.raises(ValueError, match="modalit") as caught:
        resolve(modalities, 5)
    assert "np." not in str(caught.value)
