"""Folds test rows that have the target and a label; everything else trains."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from skalign.model_selection import TransferSplit

relaxed = settings(deadline=None, max_examples=60)

PLAIN = [
    KFold(3),
    KFold(4, shuffle=True, random_state=0),
    StratifiedKFold(2),
    LeaveOneOut(),
    RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
    ShuffleSplit(3, test_size=0.3, random_state=0),
    StratifiedShuffleSplit(2, test_size=0.5, random_state=0),
]
GROUPED = [
    GroupKFold(3),
    StratifiedGroupKFold(2),
    LeaveOneGroupOut(),
    LeavePGroupsOut(2),
    GroupShuffleSplit(3, test_size=0.4, random_state=0),
]
PARTITIONS = (KFold, StratifiedKFold, LeaveOneOut, GroupKFold, StratifiedGroupKFold)
PARTITIONS += (LeaveOneGroupOut,)
KINDS = [(has, label) for has in ("source", "target", "both", "neither") for label in (0, 1, None)]


def stacked(has):
    """Two columns a modality."""
    X = np.random.default_rng(0).normal(size=(len(has), 4))
    for row, modality in enumerate(has):
        X[row, :2] = X[row, :2] if modality in ("source", "both") else np.nan
        X[row, 2:] = X[row, 2:] if modality in ("target", "both") else np.nan
    return X


@st.composite
def tables(draw):
    """Which modalities a row has, its label or None, and its group; 12 rows can be tested."""
    rows = [("target" if i % 2 else "both", i % 2, i % 4) for i in range(12)]
    more = st.tuples(st.sampled_from(KINDS), st.integers(0, 6))
    rows += [(*kind, group) for kind, group in draw(st.lists(more, max_size=20))]
    return [list(column) for column in zip(*draw(st.permutations(rows)), strict=True)]


def containers(labels):
    """Everything that labels with gaps come in."""
    words = [None if v is None else f"class {v}" for v in labels]
    gap = [np.nan if v is None else v for v in labels]
    yield np.array([2 if v == 1 else -1 if v is None else v for v in labels])
    yield np.array(gap, dtype=np.float32)
    yield pd.Series(gap, dtype=float)
    yield gap
    yield np.array(gap, dtype=object)
    yield np.array(words, dtype=object)
    yield pd.Series(words)
    yield pd.Series(words, dtype="category")
    yield pd.Series(labels, dtype="Int64")
    yield pl.Series(words, dtype=pl.String)
    yield pl.Series(labels, dtype=pl.Int64)
    yield pl.Series(gap, dtype=pl.Float64)


def folds(cv, X, y, groups=None):
    return [(train.tolist(), test.tolist()) for train, test in cv.split(X, y, groups)]


def rows_tested(found):
    """Rows that some fold tests, once for each."""
    return sorted(row for _, test in found for row in test)


def may_be_tested(has, labels):
    """The rows that may be tested, by their definition."""
    pairs = enumerate(zip(has, labels, strict=True))
    return [row for row, (m, label) in pairs if m in ("target", "both") and label is not None]


@relaxed
@given(tables(), st.sampled_from(PLAIN + GROUPED), st.data())
def test_wrapped_splitter_divides_the_testable_rows_and_all_others_train(table, wrapped, data):
    """Against the wrapped splitter run by hand, row by row, in every container of labels."""
    has, labels, groups = table
    rows, grouped = may_be_tested(has, labels), wrapped in GROUPED
    y = data.draw(st.sampled_from(list(containers(labels))))
    given_groups = groups if grouped else None
    found = folds(TransferSplit(wrapped), stacked(has), y, given_groups)
    by_hand = wrapped.split(
        np.zeros(len(rows)),
        [labels[row] for row in rows],
        np.array(groups)[rows] if grouped else None,
    )
    for (train, test), (_, expected) in zip(found, by_hand, strict=True):
        assert test == [rows[i] for i in expected]
        tested_groups = {groups[row] for row in test} if grouped else set()
        assert train == [
            row for row in range(len(has)) if row not in test and groups[row] not in tested_groups
        ]
    n_splits = TransferSplit(wrapped).get_n_splits(stacked(has), y, given_groups)
    assert n_splits == len(found)


@relaxed
@given(tables(), st.sampled_from(PLAIN + GROUPED))
def test_folds(table, wrapped):
    """Only rows with the target and a label are tested, none of which trains; all are, once."""
    has, labels, groups = table
    y = np.array([-1 if v is None else v for v in labels])
    found = folds(TransferSplit(wrapped), stacked(has), y, groups if wrapped in GROUPED else None)
    for train, test in found:
        assert len(test) > 0
        assert all(has[row] in ("target", "both") and labels[row] is not None for row in test)
        assert not set(train) & set(test)
        assert train == sorted(set(train))
        if wrapped in GROUPED:
            assert not {groups[row] for row in train} & {groups[row] for row in test}
    if isinstance(wrapped, PARTITIONS):
        assert rows_tested(found) == may_be_tested(has, labels)


@pytest.mark.parametrize("wrapped", PLAIN + GROUPED + [TimeSeriesSplit(3, gap=1)], ids=str)
def test_complete_labelled_data_is_split_as_by_the_wrapped_splitter(wrapped):
    """Nothing is missing, so nothing changes."""
    rng = np.random.default_rng(1)
    X, y, groups = rng.normal(size=(40, 4)), rng.integers(3, size=40), rng.integers(6, size=40)
    groups = groups if wrapped in GROUPED else None
    expected = [
        (sorted(train.tolist()), test.tolist()) for train, test in wrapped.split(X, y, groups)
    ]
    assert folds(TransferSplit(wrapped), X, y, groups) == expected
    assert TransferSplit(wrapped).get_n_splits(X, y, groups) == len(expected)


@pytest.mark.parametrize(
    "wrapped", [ShuffleSplit(3, train_size=0.3, test_size=0.3), TimeSeriesSplit(3, gap=1)]
)
def test_testable_rows_that_neither_train_nor_are_tested_stay_out(wrapped):
    """The wrapped splitter leaves some out; rows that it never sees train."""
    has = ["both", "source"] * 15
    y = np.tile([0, 0, 1, 1], 8)[:30]
    for train, test in folds(TransferSplit(wrapped), stacked(has), y):
        assert set(range(1, 30, 2)) <= set(train)
        assert len(train) + len(test) < 30


@pytest.mark.parametrize("cv", [None, 3, np.int64(3)])
def test_numbers_of_folds_are_stratified(cv):
    """None is five; a class of every third row is every third row of every fold."""
    y = np.array([0, 1, 2] * 30 + [-1] * 30)
    found = folds(TransferSplit(cv), np.zeros((120, 4)), y)
    assert len(found) == TransferSplit(cv).get_n_splits() == (cv or 5)
    for train, test in found:
        assert np.bincount(y[test]).tolist() == [90 // len(found) // 3] * 3
        assert set(range(90, 120)) <= set(train)


@pytest.mark.parametrize("y", [[-1, 1] * 10, ["-1", "1"] * 10, [-1.0, 1.0] * 10])
def test_minus_one_and_one_are_both_labels(y):
    """The usual binary coding has no unlabelled row."""
    found = folds(TransferSplit(5), np.zeros((20, 4)), y)
    assert rows_tested(found) == list(range(20))


def test_minus_one_is_a_label_beside_one_and_nan():
    """NaN marks what has no label, so -1 need not."""
    y = np.array([-1, 1, np.nan] * 10)
    found = folds(TransferSplit(5), np.zeros((30, 4)), y)
    assert rows_tested(found) == [i for i in range(30) if i % 3 != 2]


# -- tables ---------------------------------------------------------------------------------------

NAMES = ["v0", "v1", "v2", "i0"]


def columns_in(letter):
    return lambda frame: [name for name in frame.columns if name.startswith(letter)]


def frames(X):
    yield pd.DataFrame(X, columns=NAMES)
    yield pd.DataFrame(X, columns=NAMES, index=range(100, 100 + len(X))).astype("Float64")
    yield pl.DataFrame(X, schema=NAMES, orient="row")


@pytest.mark.parametrize(
    ("modalities", "target"),
    [
        ({"video": NAMES[:3], "imu": NAMES[3:]}, "imu"),
        ({"imu": ["i0"], "video": slice("v0", "v2")}, 0),
        ({"video": columns_in("v"), "imu": columns_in("i")}, -1),
        ({"video": ["v0", "v2"], "imu": ["i0"]}, "imu"),
        ([3, 1], "modality1"),
    ],
)
@pytest.mark.parametrize("kind", [0, 1, 2], ids=["pandas", "Float64", "polars"])
def test_frames_and_names(modalities, target, kind):
    """Columns and targets by name or position; what has the target is the same."""
    X = np.random.default_rng(0).normal(size=(30, 4))
    X[::3, 3] = np.nan
    X[1::3, :3] = np.nan
    y = np.tile([0, 1], 15)
    frame = list(frames(X))[kind]
    cv = TransferSplit(KFold(4), modalities=modalities, target=target)
    found = folds(cv, frame, y)
    assert rows_tested(found) == [i for i in range(30) if i % 3]
    assert found == folds(TransferSplit(KFold(4), modalities=[3, 1]), X, y)
    assert found == folds(TransferSplit(KFold(4), modalities=[3, 1]), X.tolist(), y.tolist())


def test_what_steps_of_a_pipeline_repair_is_no_concern():
    """Words in other columns and scattered NaN in the target come before a transformer."""
    X = pd.DataFrame({"a": ["x", "y"] * 6, "b": [1.0, np.nan] * 6, "c": [np.nan, np.nan, 2.0] * 4})
    X["subject"] = "p"
    cv = TransferSplit(KFold(2), modalities={"words": ["a"], "numbers": ["b", "c"]})
    found = folds(cv, X, np.arange(12) % 4)
    expected = [i for i in range(12) if i % 2 == 0 or i % 3 == 2]
    assert rows_tested(found) == expected


class Recorder(BaseCrossValidator):
    """Notes what it is given."""

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1

    def split(self, X, y=None, groups=None):
        self.given = X, y, groups
        yield np.array([0]), np.array([1])


@pytest.mark.parametrize("kind", [0, 2], ids=["pandas", "polars"])
def test_wrapped_splitter_sees_testable_rows_only(kind):
    """X as what it is, y without gaps."""
    X = np.random.default_rng(0).normal(size=(6, 4))
    X[0, 3] = np.nan
    frame, recorder = list(frames(X))[kind], Recorder()
    y = np.array(["a", None, "b", "b", None, "a"], dtype=object)
    assert folds(TransferSplit(recorder, modalities=[3, 1]), frame, y) == [([0, 1, 2, 4], [3])]
    seen, labels, groups = recorder.given
    assert type(seen) is type(frame)
    assert np.asarray(seen).tolist() == X[[2, 3, 5]].tolist()
    assert labels.tolist() == ["b", "b", "a"]
    assert groups is None


# -- groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups",
    [
        [f"subject {i}" for i in range(4)] * 6,
        pd.Series([0, 1, 2, 3] * 6, index=range(50, 74)),
        pd.Series(["a", "b", "c", "d"] * 6, dtype="category"),
        pl.Series(["a", "b", "c", "d"] * 6),
        np.array(["a", "b", "c", "d"] * 6, dtype=object),
    ],
    ids=["list", "Series", "category", "polars", "object"],
)
def test_groups_in_any_container(groups):
    """A subject's rows never train while it is tested, its unlabelled pairs included."""
    has = ["both"] * 8 + ["source"] * 8 + ["both"] * 8
    y = np.array([0, 1, 2, 0, 1, 2, 0, 1] * 2 + [-1] * 8)
    found = folds(TransferSplit(LeaveOneGroupOut()), stacked(has), y, groups)
    assert [test for _, test in found] == [[0, 4], [1, 5], [2, 6], [3, 7]]
    for subject, (train, _) in enumerate(found):
        assert train == [row for row in range(24) if row % 4 != subject]


def test_groups_without_a_testable_row_always_train():
    """They are no group of the wrapped splitter."""
    y, groups = np.array([0, 2] * 4 + [-1] * 4), np.repeat([0, 1, 2, 3, 4, 5], 2)
    cv = TransferSplit(LeaveOneGroupOut())
    found = folds(cv, np.zeros((12, 4)), y, groups)
    assert len(found) == cv.get_n_splits(np.zeros((12, 4)), y, groups) == 4
    assert all({8, 9, 10, 11} <= set(train) for train, _ in found)


class Homemade:
    """Knows nothing of metadata routing; the first group is tested."""

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1

    def split(self, X, y=None, groups=None):
        first = np.arange(len(y)) < 2 if groups is None else groups == groups[0]
        yield np.flatnonzero(~first), np.flatnonzero(first)


def test_splitters_of_other_makes():
    """They are given groups wherever they take them, and then groups never straddle."""
    y, groups = np.array([0, 1, 2, -1] * 3), np.repeat(["a", "b"], 6)
    X = np.zeros((12, 4))
    assert folds(TransferSplit(Homemade()), X, y, groups) == [
        (list(range(6, 12)), [0, 1, 2, 4, 5])
    ]
    assert folds(TransferSplit(Homemade()), X, y) == [(list(range(2, 12)), [0, 1])]


def test_ignored_groups_are_said():
    """As scikit-learn's splitters say it."""
    y, X = np.array([0, 1, 2, -1] * 5), np.zeros((20, 4))
    cv = TransferSplit(KFold(3))
    with pytest.warns(UserWarning, match=r"groups are ignored: KFold.*GroupKFold\(5\)"):
        found = folds(cv, X, y, np.arange(20))
    assert found == folds(cv, X, y)


# -- messages -------------------------------------------------------------------------------------

X12, Y12 = np.zeros((12, 4)), np.array([0, 1, 2, -1] * 3)
NO_TARGET = stacked(["source"] * 6 + ["both"] * 6)


@pytest.mark.parametrize(
    ("cv", "X", "y", "match"),
    [
        (None, NO_TARGET, [0, 2] * 3 + [-1] * 6, r"no row.*'modality1': 6.*label: 6.*both: 0"),
        (None, X12, None, r"TransferSplit requires y"),
        (None, None, Y12, r"TransferSplit needs X"),
        (None, X12, np.arange(12) + 0.5, r"continuous"),
        (None, X12, np.array([0, np.inf] * 6), r"y contains infinity"),
        (None, X12, Y12[:9], r"inconsistent numbers of samples: \[12, 9\]"),
        (None, X12[0], Y12, r"Expected 2D array"),
        (10, X12, Y12, r"StratifiedKFold cannot split.*12.*both: 9\): .*n_splits=10"),
        (KFold(10), X12, Y12, r"KFold cannot split.*both: 9\): .*n_splits=10"),
        (1, X12, Y12, r"n_splits=2 or more"),
        (GroupKFold(2), X12, Y12, r"TransferSplit wraps GroupKFold.*groups is None"),
        (PredefinedSplit([0, 1, 2] * 4), X12, Y12, r"names row 11, but is given the 9 testable"),
        ([([0], [1])], X12, Y12, r"cv is a list.*An iterable of splits cannot be wrapped"),
        ("five", X12, Y12, r"cv is a str"),
        (True, X12, Y12, r"cv is a bool"),
        (KFold, X12, Y12, r"cv is the class KFold"),
    ],
)
def test_refusals(cv, X, y, match):
    """Each names what is missing, and is raised before the first fold is asked for."""
    with pytest.raises(ValueError, match=match):
        folds(TransferSplit(cv), X, y)


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        ([0, 0, 0] * 4, r"GroupKFold cannot split.*number of groups: 1"),
        ([0, 1, None] * 4, r"groups has none for row 2: 4 are None or NaN"),
        ([0.0, np.nan, 1.0] * 4, r"groups has none for row 1"),
        (["a", np.nan, "b"] * 4, r"groups has none for row 1"),
        (np.zeros((12, 1)), r"groups must be 1-D.*\(12, 1\)"),
        ([0, 1], r"inconsistent numbers of samples: \[12, 12, 2\]"),
    ],
)
def test_refused_groups(groups, match):
    """Each says what is wrong with them."""
    with pytest.raises(ValueError, match=match):
        folds(TransferSplit(GroupKFold(2)), X12, Y12, groups)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"target": "imu"}, r"target='imu' is no modality.*\['modality0', 'modality1'\]"),
        ({"target": 2}, r"target=2 is no modality"),
        ({"modalities": [3, 2]}, r"widths sum to 5, but X has 4"),
        ({"modalities": {"a": ["x"], "b": ["y"]}}, r"X has no column names"),
    ],
)
def test_unknown_modalities(options, match):
    """As the estimators say it."""
    with pytest.raises(ValueError, match=match):
        folds(TransferSplit(**options), X12, Y12)


@pytest.mark.parametrize("which", ["X", "y"])
def test_dask_is_refused(which):
    """Folds are row numbers in memory."""
    array = pytest.importorskip("dask.array")
    data = {"X": X12, "y": Y12}
    data[which] = array.from_array(data[which])
    with pytest.raises(ValueError, match=f"{which} is a Dask collection"):
        TransferSplit().split(**data)


def test_lazy_frames_are_refused():
    """They hold no rows yet."""
    with pytest.raises(TypeError, match=r"LazyFrame.*collect\(\)"):
        TransferSplit().split(pl.DataFrame(X12).lazy(), Y12)


def test_repr_and_pickle():
    """A report shows all that decides the folds; a copy makes the same."""
    cv = TransferSplit(GroupKFold(4), modalities=[3, 1], target=-1)
    assert repr(cv).startswith("TransferSplit(cv=GroupKFold(n_splits=4")
    assert "modalities=[3, 1]" in repr(cv)
    assert "target=-1" in repr(cv)
    groups = np.repeat(np.arange(4), 3)
    assert folds(pickle.loads(pickle.dumps(cv)), X12, Y12, groups) == folds(cv, X12, Y12, groups)


def test_words_in_the_target_ask_for_modalities():
    """As where they were forgotten, and half of a frame is taken for the target."""
    table = pd.DataFrame(X12).assign(place="kitchen")
    with pytest.raises(ValueError, match="Give TransferSplit the modalities"):
        TransferSplit(2).split(table, Y12)
