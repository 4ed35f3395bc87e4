"""One pass over rows: by pattern, by weight, in batches; and roots of one more pass."""

from itertools import combinations

import numpy as np
import pytest

from skalign._blocks import resolve
from skalign._utils._array_api import DeviceRows, to_numpy
from skalign._utils._rows import BLOCK
from skalign.moments import _accumulate
from skalign.moments._accumulate import (
    NOTHING,
    Accumulator,
    batches,
    counted,
    lacks_dimension,
    mapped_moments,
    merge_patterns,
    moments_by_pattern,
    refine,
    rows_in_common,
    strongest_links,
    whitening_maps,
)
from skalign.moments._moments import Moments
from skalign.moments._rows import ArrayRows

KINDS = ["covariance", "qr"]
kinds = pytest.mark.parametrize("kind", KINDS)
weighings = pytest.mark.parametrize("weighted", [False, True])


def second(m):
    """C, whichever way it is kept."""
    return m.scatter if m.root is None else m.root.T @ m.root


def direct(X, w):
    """Mean and scatter of weighted rows, from their definitions."""
    mean = w @ X / w.sum()
    return mean, ((X - mean).T * w) @ (X - mean)


def some_rows(weighted=True, n=90):
    """Rows of three modalities, of which some lack one or two, or weigh nothing; and weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 6)) + rng.normal(size=6)
    X[10:30, :2] = np.nan
    X[30:50, 2:5] = np.nan
    X[50:60, 2:] = np.nan
    X[60:62] = np.nan
    w = rng.uniform(0.1, 2, size=n)
    w[::7] = 0
    return X, w if weighted else None, resolve([2, 3, 1], 6)


def assert_same(total, X, w):
    """Moments are those of some rows."""
    mean, scatter = direct(X, w)
    np.testing.assert_allclose(total.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(second(total), scatter, rtol=1e-10, atol=1e-12)
    assert total.weight == pytest.approx(w.sum(), rel=1e-14)
    assert total.n_rows == len(X)


@pytest.fixture
def small_batches(monkeypatch):
    """Eleven rows at a time."""
    monkeypatch.setattr(
        _accumulate,
        "row_blocks",
        lambda n, d, *_: [slice(a, min(a + 11, n)) for a in range(0, n, 11)],
    )


# -- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_features", "kind", "step"),
    [
        (1, "covariance", BLOCK),
        (10, "covariance", BLOCK // 10),
        (1000, "covariance", 2000),
        (10, "qr", 8 * BLOCK // 10),
        (1000, "qr", 4000),
    ],
)
def test_batches_are_of_a_size(n_features, kind, step):
    """As many numbers as a cache holds, eight times as many for a root; or taller than wide."""
    slices = batches(3 * step, n_features, kind)
    assert slices == [slice(0, step), slice(step, 2 * step), slice(2 * step, 3 * step)]


def test_rows_without_weight_do_not_count():
    """All others do, however little they weigh; without any zero nothing is copied."""
    X, w = np.arange(8.0).reshape(4, 2), np.array([0.5, 0.0, 2.0, 1e-3])
    batch, weights = counted(X, w, slice(0, 4))
    np.testing.assert_array_equal(batch, X[[0, 2, 3]])
    np.testing.assert_array_equal(weights, [0.5, 2.0, 1e-3])
    for given in (None, w + 1):
        batch, weights = counted(X, given, slice(1, 3))
        np.testing.assert_array_equal(batch, X[1:3])
        assert np.shares_memory(batch, X)
        assert weights is None if given is None else np.array_equal(weights, given[1:3])


@kinds
@weighings
def test_batches_add_up(kind, weighted):
    """Five batches of unequal length, none among them, are the whole."""
    X, w, _ = some_rows(n=100)
    X, w = X[62:], w[62:] + 0.1
    total = Accumulator(kind)
    for rows in np.split(np.arange(len(X)), [4, 4, 15, 26]):
        assert total.add(X[rows], w[rows] if weighted else None) is True
    assert_same(total.result(), X, w if weighted else np.ones(len(X)))
    assert total.kind == kind and total.result().has_root == (kind == "qr")


@kinds
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_spoilt_batch_is_told(kind, bad):
    """Not added where a mean is not finite; squares that overflow show in what comes out."""
    total = Accumulator(kind)
    total.add(np.eye(4))
    spoilt = np.eye(4)
    spoilt[2, 1] = bad
    assert total.add(spoilt) == (bad == 1e200)
    assert total.result().finite == (bad != 1e200)
    assert total.result().n_rows == (8 if bad == 1e200 else 4)
    far = Accumulator(kind)
    far.add(np.full((3, 2), 1e200))
    far.add(np.full((3, 2), -1e200))  # batches without any variance, far apart
    assert not far.result().finite


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@kinds
def test_sums_are_of_double_precision(kind, dtype):
    """Whatever the rows are of."""
    X = np.arange(40).reshape(20, 2).astype(dtype) ** 2 / dtype(1) + dtype(3)
    X = X.astype(dtype)
    total = Accumulator(kind)
    total.add(X[:9])
    total.add(X[9:])
    found = total.result()
    assert found.mean.dtype == second(found).dtype == np.float64
    assert_same(found, X.astype(float), np.ones(20))


@weighings
def test_sums_of_a_device(weighted):
    """Those of another namespace are the same; what is symmetric comes out so to the last bit."""
    xp = pytest.importorskip("array_api_strict")
    X, w, _ = some_rows()
    X, w = X[62:], w[62:] + 0.1
    rows = DeviceRows(xp.asarray(X, device=xp.Device("device1")), xp)
    total = Accumulator("covariance")
    for s in (slice(0, 9), slice(9, None)):
        assert total.add(rows[s], w[s] if weighted else None)
    found = total.result()
    assert_same(found, X, w if weighted else np.ones(len(X)))
    np.testing.assert_array_equal(found.scatter, found.scatter.T)
    skewed = np.array(to_numpy(total._products))
    skewed[0, 1:] += 1.0  # a half that rounds otherwise
    total._products = xp.asarray(skewed)
    np.testing.assert_array_equal(total.result().scatter, found.scatter)


# -- patterns -------------------------------------------------------------------------------------


@kinds
@weighings
@pytest.mark.usefixtures("small_batches")
def test_moments_by_pattern(kind, weighted):
    """Rows with the same modalities are summed up together, over all batches."""
    X, w, blocks = some_rows(weighted)
    found = moments_by_pattern(X, w, blocks, kind)
    w = np.ones(len(X)) if w is None else w
    have = np.column_stack([np.isfinite(X[:, c]) for c in (0, 2, 5)])
    expected = {tuple(p) for p in have[(w > 0) & have.any(axis=1)].tolist()}
    assert set(found) == expected and len(expected) == 4
    for pattern, total in found.items():
        mine = (have == pattern).all(axis=1) & (w > 0)
        columns = np.repeat(pattern, [2, 3, 1])
        assert_same(total, X[mine][:, columns], w[mine])
        assert total.has_root == (kind == "qr")


def test_patterns_of_a_device():
    """Rows of another namespace, in batches as tall as those of a root."""
    xp = pytest.importorskip("array_api_strict")
    X, w, blocks = some_rows()
    on_device = DeviceRows(xp.asarray(X), xp)
    found, expected = (
        moments_by_pattern(rows, w, blocks, "covariance") for rows in (on_device, X)
    )
    assert found.keys() == expected.keys()
    for pattern, total in found.items():
        np.testing.assert_allclose(total.scatter, expected[pattern].scatter, atol=1e-12)


def test_progress_is_told_by_name(monkeypatch):
    """What is summed up, over which batches, and whether anybody asked."""
    told = []

    def spy(slices, what, verbose):
        told.append((slices, what, verbose))
        return slices

    monkeypatch.setattr(_accumulate, "with_progress", spy)
    X = np.random.default_rng(0).normal(size=(40, 5))
    blocks = resolve([2, 3], 5)
    moments_by_pattern(X, None, blocks, "qr", verbose=True)
    moments_by_pattern(X, None, blocks, "covariance")
    maps = [(np.eye(2), np.eye(2)), (np.eye(3), np.eye(3))]
    mapped_moments(X, None, blocks, np.zeros(5), maps, verbose=True)
    mapped_moments(X, None, blocks, np.zeros(5), maps)
    tall, flat = batches(40, 5, "qr"), batches(40, 5)
    assert told == [
        (tall, "triangular root", True),
        (flat, "moments", False),
        (flat, "refinement", True),
        (flat, "refinement", False),
    ]
    xp = pytest.importorskip("array_api_strict")
    wide = np.zeros((6000, 500))
    for rows, kind in [(DeviceRows(xp.asarray(wide), xp), "qr"), (wide, "covariance")]:
        moments_by_pattern(rows, None, resolve([200, 300], 500), "covariance")
        assert told[-1][0] == batches(6000, 500, kind)
    moments_by_pattern(wide, None, resolve([200, 300], 500), "qr")
    assert told[-1][0] == batches(6000, 500, "qr") != batches(6000, 500)


@kinds
@pytest.mark.usefixtures("small_batches")
def test_bad_rows_are_named(kind):
    """By their number in the whole, and by what is to be done."""
    X, w, blocks = some_rows()
    X[75, 3] = np.inf
    with pytest.raises(ValueError, match="infinity: modality 'modality1', row 75"):
        moments_by_pattern(X, w, blocks, kind)
    X[75, 3] = 1.0
    X[66:77, 0] = 1.7e308
    X[66, 0] = -1.7e308
    message = "X holds values that overflow, between rows 66 and 76: scale the features, for "
    with pytest.raises(ValueError, match=message + r"example by StandardScaler\.$"):
        moments_by_pattern(X, None, blocks, kind)
    X[66:77, 0] = 1e200
    with pytest.raises(ValueError, match="squares overflow"):
        moments_by_pattern(X, w, blocks, kind)


def test_patterns_merge():
    """Those that one side has stay as they are."""
    X, w, blocks = some_rows()
    w[:] = 1
    a, b = (moments_by_pattern(X[s], w[s], blocks, "qr") for s in (slice(0, 20), slice(20, None)))
    both = merge_patterns(a, b)
    whole = moments_by_pattern(X, w, blocks, "qr")
    assert both.keys() == whole.keys() == {**a, **b}.keys()
    for pattern, total in whole.items():
        np.testing.assert_allclose(second(both[pattern]), second(total), rtol=1e-9, atol=1e-12)
    assert merge_patterns({(True,): None}, {}) == {}


def test_rows_in_common_by_hand():
    """Numbers of rows, or their weights, of each two modalities, and of each alone."""
    parts = {
        (True, True, False): Moments(2.5, 3, np.zeros(2)),
        (False, True, True): Moments(0.5, 4, np.zeros(2)),
    }
    np.testing.assert_array_equal(rows_in_common(parts, 3), [[3, 3, 0], [3, 7, 4], [0, 4, 4]])
    np.testing.assert_array_equal(
        rows_in_common(parts, 3, weighted=True), [[2.5, 2.5, 0], [2.5, 3, 0.5], [0, 0.5, 0.5]]
    )


@pytest.mark.parametrize("seed", range(20))
def test_strongest_links_are_the_best_of_all_trees(seed):
    """Against every set of pairs that joins all, of four modalities."""
    rng = np.random.default_rng(seed)
    counts = np.triu(rng.permutation(16).reshape(4, 4), 1).astype(float)
    counts += counts.T
    pairs = list(combinations(range(4), 2))

    def joins(tree):
        group = list(range(4))
        for m, l in tree:
            group = [group[m] if g == group[l] else g for g in group]
        return len(set(group)) == 1

    best = max(
        (tree for tree in combinations(pairs, 3) if joins(tree)),
        key=lambda tree: sum(counts[pair] for pair in tree),
    )
    found = strongest_links(counts)
    assert sorted(found) == sorted(best)
    assert [counts[pair] for pair in found] == sorted((counts[p] for p in best), reverse=True)
    least = counts[found[-1]]
    assert strongest_links(counts, least) == found
    assert strongest_links(counts, least + 0.5) == found[:-1]
    assert strongest_links(-np.ones((2, 2))) == []
    assert strongest_links(np.zeros((2, 2))) == [(0, 1)]


# -- a root from one more pass -------------------------------------------------------------------


def uneven(n=200, scattered=False):
    """Rows of two modalities, one with a column that does not vary; pairs and others."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 5)) @ np.diag([1.0, 1e-3, 4.0, 50.0, 0.2])
    X[:, 1] += X[:, 0]
    X += rng.normal(size=5)
    columns = {"a": [1, 3], "b": [4, 0, 2]} if scattered else [2, 3]
    return X, resolve(columns, 5)


@pytest.mark.parametrize("scattered", [False, True])
def test_whitening_maps_whiten(scattered):
    """Mapped columns have unit second moments and no correlation inside a block; and back."""
    X, blocks = uneven(scattered=scattered)
    total = moments_by_pattern(X, None, blocks, "covariance")[True, True]
    for m, (there, back) in enumerate(whitening_maps(total, blocks)):
        columns = blocks.indices(m)
        Y = (X[:, columns] - X[:, columns].mean(axis=0)) @ there
        np.testing.assert_allclose(Y.T @ Y / len(X), np.eye(len(columns)), atol=1e-6)
        np.testing.assert_allclose(there @ back, np.eye(len(columns)), atol=1e-6)


def test_whitening_maps_stay_finite():
    """Beside constant columns and sums of others: values are kept from falling below rounding."""
    X, blocks = uneven()
    X[:, 0] = 7.0
    X[:, 4] = X[:, 2] - X[:, 3]
    total = moments_by_pattern(X, None, blocks, "covariance")[True, True]
    (there, back), (wide, _) = whitening_maps(total, blocks)
    np.testing.assert_allclose(there @ back, np.eye(2), atol=1e-12)
    # the constant column at unit scale: its value is the floor, sqrt(d eps) of the largest
    floor = np.sqrt(2 * np.finfo(float).eps)
    flat = np.argmin(np.abs(there).max(axis=0)) ^ 1
    np.testing.assert_allclose(np.abs(there[0, flat]), 1 / floor, rtol=1e-9)
    scale = total.deviations()[2:]
    largest = np.sqrt(np.linalg.eigvalsh(np.corrcoef(X[:, 2:].T))[-1])
    limit = 1 / (np.sqrt(3 * np.finfo(float).eps) * largest)
    assert np.linalg.norm(scale[:, None] * wide, axis=0).max() == pytest.approx(limit, rel=1e-9)


def test_whitening_maps_know_no_units():
    """Columns of 1e-9 are as good as those of 1e9."""
    X, blocks = uneven()
    X = (X - X.mean(axis=0)) * [1e-9, 1e9, 1.0, 1e-9, 1e9]
    total = moments_by_pattern(X, None, blocks, "covariance")[True, True]
    for m, (there, _) in enumerate(whitening_maps(total, blocks)):
        Y = X[:, blocks.indices(m)] @ there
        np.testing.assert_allclose(Y.T @ Y / len(X), np.eye(Y.shape[1]), atol=1e-6)


@weighings
@pytest.mark.usefixtures("small_batches")
def test_mapped_moments_are_of_mapped_rows(weighted):
    """Of every pattern, over all batches; rows without weight do not count."""
    X, w, blocks = some_rows(weighted)
    rng = np.random.default_rng(2)
    maps = [(rng.normal(size=(d, d)), None) for d in (2, 3, 1)]
    mean = rng.normal(size=6)
    found = mapped_moments(X, w, blocks, mean, maps, stop=False)
    whole = np.where(np.isnan(X), np.nan, 0.0)
    for m, (there, _) in enumerate(maps):
        columns = blocks.indices(m)
        whole[:, columns] = (X[:, columns] - mean[columns]) @ there
    expected = moments_by_pattern(whole, w, blocks, "covariance")
    assert found.keys() == expected.keys()
    for pattern, total in expected.items():
        np.testing.assert_allclose(found[pattern].scatter, total.scatter, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found[pattern].mean, total.mean, rtol=1e-9, atol=1e-12)
        assert found[pattern].n_rows == total.n_rows


@pytest.mark.usefixtures("small_batches")
def test_a_pass_ends_early_where_a_dimension_is_missing():
    """In the first batch; a missing dimension that shows later is told at the end."""
    X, blocks = uneven()
    maps = whitening_maps(moments_by_pattern(X, None, blocks, "qr")[True, True], blocks)
    flat = X.copy()
    flat[:11, 0] = X[0, 0]
    mean = flat.mean(axis=0)
    identity = [(np.eye(2), None), (np.eye(3), None)]
    assert mapped_moments(flat, None, blocks, mean, identity) is None
    assert mapped_moments(flat, None, blocks, mean, identity, stop=False) is not None
    late = X.copy()
    late[11:22, 0] = X[0, 0]
    assert mapped_moments(late, None, blocks, X.mean(axis=0), maps) is not None


def test_a_dimension_is_missing_below_a_mean_square():
    """Whose limit is not below it itself."""
    for square, lacks in [(NOTHING * 0.99, True), (NOTHING * 1.01, False), (1.0, False)]:
        assert lacks_dimension(Moments(4.0, 4, np.zeros(2), np.diag([4.0, 4 * square]))) == lacks
    assert lacks_dimension(None) is False


@pytest.mark.parametrize("scattered", [False, True])
@weighings
def test_refined_roots_are_roots_of_the_rows(scattered, weighted):
    """Of pairs, of many rows with one modality, and of fewer rows than columns."""
    X, blocks = uneven(scattered=scattered)
    first, other = blocks.indices(0), blocks.indices(1)
    X[100:150, first] = np.nan
    X[150:152, other] = np.nan  # two rows
    w = np.random.default_rng(3).uniform(0.5, 2, size=len(X)) if weighted else None
    source = ArrayRows(X, w, blocks)
    totals = source.moments("covariance")
    refined = refine(source, totals)
    w = np.ones(len(X)) if w is None else w
    every = slice(None)
    for pattern, columns, rows in [
        ((True, True), every, np.r_[0:100, 152:200]),
        ((False, True), other, np.r_[100:150]),
        ((True, False), first, np.r_[150:152]),
    ]:
        root = refined[pattern]
        assert root.has_root
        part = X[rows][:, columns]
        assert_same(root, part, w[rows])
    assert refined.keys() == totals.keys()


def test_refined_roots_of_rows_with_some_of_many_modalities():
    """Their columns follow in order."""
    X, w, _ = some_rows(n=200)
    X[100:120, 5] = np.nan
    X = np.hstack([X, np.random.default_rng(4).normal(size=(200, 2))])
    source = ArrayRows(X, w, resolve([2, 3, 1, 2], 8))
    have = np.column_stack([np.isfinite(X[:, c]) for c in (0, 2, 5, 6)])
    for pattern, root in refine(source, source.moments("covariance")).items():
        mine = (have == pattern).all(axis=1) & (w > 0)
        assert_same(root, X[mine][:, np.repeat(pattern, [2, 3, 1, 2])], w[mine])


@pytest.mark.usefixtures("small_batches")
def test_no_root_where_the_first_rows_are_no_pairs():
    """A missing dimension shows at the end of the pass."""
    X, blocks = uneven()
    X[:, 4] = X[:, 2] + X[:, 3]
    X[:11, :2] = np.nan
    source = ArrayRows(X, None, blocks)
    assert refine(source, source.moments("covariance")) is None


def test_no_root_without_a_dimension_of_the_pairs():
    """A column that is a sum of others."""
    X, blocks = uneven()
    X[:, 4] = X[:, 2] + X[:, 3]
    source = ArrayRows(X, None, blocks)
    assert refine(source, source.moments("covariance")) is None
