"""Moments: a monoid, true to numpy's covariance, at any offset and type."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag

from skalign._blocks import resolve
from skalign._utils._rows import BLOCK
from skalign.moments._accumulate import Accumulator, batches
from skalign.moments._moments import as_root, merge, of_one_kind
from skalign.moments._rows import ArrayRows

relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
kinds = st.sampled_from(["covariance", "qr"])
sizes = st.integers(1, 12)
widths = st.integers(1, 6)


def moments(X, weights=None, kind="covariance"):
    """Of all rows, block by block."""
    total = Accumulator(kind)
    for rows in batches(*X.shape, kind):
        assert total.add(X[rows], None if weights is None else weights[rows])
    return total.result()


def draw(rng, n, d, weighted=None):
    """Draw correlated rows far from the origin, of different scales, and maybe weights."""
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * 10.0 ** rng.integers(-3, 4, size=d)
    X += rng.normal(size=d) * 10.0 ** rng.integers(-3, 4)
    weighted = rng.random() < 0.5 if weighted is None else weighted
    return X, rng.uniform(0.1, 3.0, size=n) if weighted else None


def scatter(m):
    """C, whichever way it is kept."""
    assert (m.scatter is None) != (m.root is None)
    return m.scatter if m.root is None else m.root.T @ m.root


def assert_same(a, b, rtol=1e-9):
    """Same statistics up to rounding at the size of each entry's row and column."""
    assert a.n_rows == b.n_rows
    assert a.weight == pytest.approx(b.weight)
    second = [np.diagonal(scatter(m)) + m.weight * m.mean**2 for m in (a, b)]
    size = np.sqrt(np.maximum(*second)) + 1e-300
    np.testing.assert_allclose(a.mean / size, b.mean / size, rtol=0, atol=rtol)
    gram = np.outer(size, size)
    np.testing.assert_allclose(scatter(a) / gram, scatter(b) / gram, rtol=0, atol=rtol)


@relaxed
@given(generators, st.integers(2, 40), widths, kinds)
def test_moments_are_those_of_numpy(rng, n, d, kind):
    """Mean and covariance agree with np.average and np.cov under the same weights."""
    X, w = draw(rng, n, d)
    m = moments(X, w, kind)
    total = n if w is None else w.sum()
    expected = np.cov(X, rowvar=False, aweights=w, ddof=0).reshape(d, d) * total
    size = np.sqrt(np.diagonal(expected) + total * np.mean(X, axis=0) ** 2)
    assert m.n_rows == n
    assert m.weight == pytest.approx(total)
    np.testing.assert_allclose(m.mean, np.average(X, axis=0, weights=w), rtol=1e-9)
    gap = (scatter(m) - expected) / np.outer(size, size)
    np.testing.assert_allclose(gap, 0, atol=1e-9)
    np.testing.assert_allclose(m.sums_of_squares(), np.diagonal(scatter(m)), rtol=1e-12)


@relaxed
@given(generators, sizes, widths, kinds)
def test_weights_are_repeated_rows(rng, n, d, kind):
    """An integer weight is the row that many times, zero leaves it out; np.cov agrees."""
    X, _ = draw(rng, n, d, weighted=False)
    times = rng.integers(0, 4, size=n)
    times[rng.integers(n)] += 2
    weighted, repeated = moments(X, times, kind), moments(np.repeat(X, times, axis=0), kind=kind)
    np.testing.assert_allclose(weighted.weight, repeated.weight)
    np.testing.assert_allclose(weighted.mean, repeated.mean, rtol=1e-9)
    size = np.sqrt(np.diagonal(scatter(repeated)) + repeated.weight * repeated.mean**2)
    gram = np.outer(size, size)
    np.testing.assert_allclose(scatter(weighted) / gram, scatter(repeated) / gram, atol=1e-9)
    expected = np.cov(X.T, fweights=times) * (times.sum() - 1)
    np.testing.assert_allclose(scatter(weighted) / gram, expected / gram, atol=1e-9)


@relaxed
@given(generators, st.tuples(sizes, sizes, sizes), widths, kinds)
def test_merge_is_a_commutative_monoid(rng, ns, d, kind):
    """Order and brackets are no matter, and None is the unit."""
    whole, w = draw(rng, sum(ns), d)
    edges = np.cumsum(ns)[:-1]
    parts = np.split(whole, edges)
    weights = [None] * 3 if w is None else np.split(w, edges)
    a, b, c = (moments(X, w, kind) for X, w in zip(parts, weights, strict=True))
    assert_same(merge(a, b), merge(b, a))
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert merge(a, None) is a
    assert merge(None, a) is a
    assert merge(None, None) is None


@relaxed
@given(generators, st.lists(st.integers(0, 12), min_size=1, max_size=6), widths, kinds)
def test_batches_merge_to_the_whole(rng, ns, d, kind):
    """However the rows are cut, empty batches among them, the sum is that of one batch."""
    whole, w = draw(rng, sum(ns) + 1, d)
    total, edges = None, np.cumsum(ns)
    for rows in np.split(np.arange(len(whole)), edges):
        total = merge(total, moments(whole[rows], None if w is None else w[rows], kind))
    assert_same(total, moments(whole, w, kind))
    if kind == "qr":
        assert len(total.root) <= max(d, len(whole))


@relaxed
@given(generators, st.integers(1, 40), widths)
def test_root_and_scatter_are_one_statistic(rng, n, d):
    """The root's Gram matrix is the scatter, and a root is no taller than it must be."""
    X, w = draw(rng, n, d)
    root = moments(X, w, "qr")
    assert_same(root, moments(X, w, "covariance"))
    assert len(root.root) == min(n, d)


@relaxed
@given(generators, st.integers(2, 40), widths, kinds)
def test_roots_and_scatters_answer_alike(rng, n, d, kind):
    """Deviations, covariances, quadratic forms and principal axes are those of np.cov."""
    X, w = draw(rng, n, d)
    m = moments(X, w, kind)
    S = np.cov(X, rowvar=False, aweights=w, ddof=0).reshape(d, d)
    size = np.sqrt(np.diagonal(S) + np.mean(X, axis=0) ** 2)
    gram = np.outer(size, size)
    assert m.has_root == (kind == "qr")
    np.testing.assert_allclose(m.covariance() / gram, S / gram, atol=1e-9)
    np.testing.assert_allclose(m.deviations() ** 2 / size**2, np.diagonal(S) / size**2, atol=1e-9)
    some, others = rng.permutation(d)[: rng.integers(1, d + 1)], np.arange(rng.integers(1, d + 1))
    part = np.ix_(some, others)
    np.testing.assert_allclose(
        m.covariance(some, others) / gram[part], (S / gram)[part], atol=1e-9
    )
    V = rng.normal(size=(d, 3)) / size[:, None]
    expected = np.diagonal(V.T @ S @ V)
    np.testing.assert_allclose(m.quadratic(V), expected, atol=1e-8)
    assert np.all(m.quadratic(V) >= 0)
    left, values, right = m.principal(some, size[some])
    assert (left is not None) == m.has_root
    assert np.all(np.diff(values) <= 0) and np.all(values >= 0)
    np.testing.assert_allclose(right @ right.T, np.eye(len(values)), atol=1e-9)
    white = (S / gram)[np.ix_(some, some)]
    np.testing.assert_allclose((right.T * values**2) @ right, white, atol=1e-8)
    if left is not None:
        unit = np.sqrt(m.weight) * size[some]
        np.testing.assert_allclose((left * values) @ right, m.rows(some) / unit, atol=1e-9)


@relaxed
@given(generators, st.integers(2, 40), st.lists(st.integers(1, 3), min_size=1, max_size=3), kinds)
def test_mapped_moments_are_moments_of_mapped_rows(rng, n, sizes, kind):
    """One map a block, the blocks side by side."""
    X, w = draw(rng, n, sum(sizes))
    maps = [rng.normal(size=(d, rng.integers(1, 4))) for d in sizes]
    both = block_diag(*maps)
    mapped, direct = moments(X, w, kind).mapped(maps), moments(X @ both, w, kind)
    assert mapped.n_rows == direct.n_rows and mapped.weight == pytest.approx(direct.weight)
    size = np.abs(X).max(axis=0) @ np.abs(both)
    np.testing.assert_allclose(mapped.mean / size, direct.mean / size, atol=1e-9)
    gram = np.outer(size, size)
    np.testing.assert_allclose(mapped.covariance() / gram, direct.covariance() / gram, atol=1e-9)


@relaxed
@given(generators, st.lists(kinds, min_size=1, max_size=4), widths)
def test_moments_of_one_kind_stay_what_they_are(rng, some, d):
    """All roots, or all scatters, of the same rows in the same order."""
    parts = [moments(*draw(rng, 9, d), kind) for kind in some]
    alike = of_one_kind(parts)
    assert {part.has_root for part in alike} == {"covariance" not in some}
    for part, given_ in zip(alike, parts, strict=True):
        assert_same(part, given_)


@relaxed
@given(generators, st.integers(1, 40), widths, kinds)
def test_about_zero_is_the_raw_second_moment(rng, n, d, kind):
    """About the origin the statistics are sums of squares and products."""
    X, w = draw(rng, n, d)
    m = moments(X, w, kind).about_zero()
    expected = (X.T * (np.ones(n) if w is None else w)) @ X
    size = np.sqrt(np.diagonal(expected))
    np.testing.assert_array_equal(m.mean, np.zeros(d))
    np.testing.assert_allclose((scatter(m) - expected) / np.outer(size, size), 0, atol=1e-9)
    assert m.weight == pytest.approx(n if w is None else w.sum())


@relaxed
@given(generators, st.integers(2, 60), widths, kinds)
def test_float32_is_accumulated_in_float64(rng, n, d, kind):
    """Sums of float32 rows are those of the same numbers in float64, to float64 accuracy."""
    X, w = draw(rng, n, d)
    X = X.astype(np.float32)
    before = X.copy()
    m = moments(X, w, kind)
    exact = moments(X.astype(np.float64), w, kind)
    assert m.mean.dtype == scatter(m).dtype == np.float64
    np.testing.assert_array_equal(m.mean, exact.mean)
    np.testing.assert_array_equal(scatter(m), scatter(exact))
    np.testing.assert_array_equal(X, before)


def test_float32_of_many_rows():
    """Half a million float32 rows lose nothing to their type."""
    X = np.random.default_rng(0).normal(100.0, 1.0, size=(500_000, 1)).astype(np.float32)
    m = moments(X)
    np.testing.assert_allclose(m.mean, np.mean(X, axis=0, dtype=np.float64), rtol=1e-13)
    expected = np.cov(X.astype(np.float64), rowvar=False, bias=True) * len(X)
    np.testing.assert_allclose(scatter(m), expected[None, None], rtol=1e-11)


@relaxed
@given(
    generators, st.floats(-1e300, 1e300), st.integers(1, 30), kinds, st.booleans(), st.booleans()
)
def test_constant_column_has_no_variance(rng, value, n, kind, single, merged):
    """Not little variance: none, so that its rank is zero whatever the constant."""
    X = np.column_stack([rng.normal(size=n), np.full(n, value if not single else value % 1e30)])
    X = X.astype(np.float32) if single else X
    w = rng.uniform(0.1, 3, size=n) if rng.random() < 0.5 else None
    m = moments(X, w, kind)
    if merged:
        m = merge(moments(X[: n // 2], None if w is None else w[: n // 2], kind), m)
    assert m.mean[1] == X[0, 1]
    assert m.sums_of_squares()[1] == 0
    assert not scatter(m)[1].any()
    assert not scatter(m)[:, 1].any()


@pytest.mark.parametrize("kind", ["covariance", "qr"])
@pytest.mark.parametrize("n_batches", [1, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_large_offset_keeps_accuracy(kind, n_batches, weighted):
    """At a mean of 1e8 and deviation 1 the covariance has eight digits; raw sums have none."""
    rng = np.random.default_rng(0)
    X = 1e8 + rng.normal(size=(700, 3)) @ rng.normal(size=(3, 3))
    w = rng.uniform(0.1, 3.0, size=700) if weighted else np.ones(700)
    total = None
    for rows in np.split(np.arange(700), n_batches):
        total = merge(total, moments(X[rows], w[rows] if weighted else None, kind))
    # subtracting the offset is exact: both numbers are multiples of a common unit
    expected = np.cov(X - 1e8, rowvar=False, aweights=w, ddof=0) * w.sum()
    np.testing.assert_allclose(scatter(total), expected, rtol=1e-7)


def test_root_keeps_what_a_scatter_loses():
    """At condition number 1e10 the root still has the small singular value."""
    rng = np.random.default_rng(0)
    left = rng.normal(size=(100, 2))
    left = np.linalg.qr(left - left.mean(axis=0))[0]
    rotation = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    X = left * [1.0, 1e-10] @ rotation
    total = merge(moments(X[:40], kind="qr"), moments(X[40:], kind="qr"))
    values = np.linalg.svd(total.root, compute_uv=False)
    np.testing.assert_allclose(values[:2], [1.0, 1e-10], rtol=1e-4)


@relaxed
@given(generators, st.floats(3, 8), st.booleans(), st.booleans())
def test_a_refined_root_keeps_what_a_scatter_loses(rng, digits, weighted, lacks):
    """By one more pass in white coordinates, small singular values keep digits of their own."""
    values = np.geomspace(1, 10.0**-digits, 4)
    X = rng.normal(size=(90, 8))
    w = rng.uniform(0.5, 2.0, size=90) if weighted else None
    for block in (slice(0, 4), slice(4, 8)):
        rotations = [np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2)]
        X[:, block] = X[:, block] @ rotations[0] * values @ rotations[1]
    X += rng.normal(size=8)
    rows = np.ones(90, dtype=bool)
    if lacks:
        X[:30, :4] = np.nan
        rows[:30] = False
    source = ArrayRows(X, w, resolve([4, 4], 8))
    totals = source.moments("covariance")
    refined = source.refined(totals)
    assert refined.keys() == totals.keys()
    total, root = totals[True, True], refined[True, True]
    assert root.has_root and not total.has_root
    assert (root.n_rows, root.weight) == (total.n_rows, total.weight)
    np.testing.assert_array_equal(root.mean, total.mean)
    v = np.ones(90) if w is None else w
    centred = X[rows] - np.average(X[rows], axis=0, weights=v[rows])
    centred *= np.sqrt(v[rows])[:, None]
    for block in (slice(0, 4), slice(4, 8)):
        found = np.linalg.svd(root.rows(block), compute_uv=False)
        expected = np.linalg.svd(centred[:, block], compute_uv=False)
        np.testing.assert_allclose(found, expected, rtol=1e-13 * 10.0**digits)


def test_a_missing_dimension_has_no_refined_root():
    """Rounding is all that there is to refine."""
    X = np.random.default_rng(0).normal(size=(90, 6))
    X[:, 2] = X[:, 0] + X[:, 1]
    source = ArrayRows(X, None, resolve([3, 3], 6))
    assert source.refined(source.moments("covariance")) is None


@relaxed
@given(
    generators,
    sizes,
    widths,
    kinds,
    st.sampled_from([np.nan, np.inf, -np.inf]),
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
)
def test_one_bad_value_shows(rng, n, d, kind, bad, weighted, dtype):
    """A block with NaN or infinity anywhere is refused, leaves no trace, and nothing warns."""
    X, w = draw(rng, n, d, weighted)
    X = X.astype(dtype)
    total = Accumulator(kind)
    if rng.random() < 0.5:
        assert total.add(X, w)
    before = total.result()
    spoilt = X.copy()
    spoilt[rng.integers(n), rng.integers(d)] = bad
    assert not total.add(spoilt, w)
    after = total.result()
    assert (before is None) == (after is None)
    if before is not None:
        np.testing.assert_array_equal(after.mean, before.mean)
        np.testing.assert_array_equal(scatter(after), scatter(before))
        assert after.n_rows == before.n_rows


@relaxed
@given(generators, st.integers(1, 40), st.integers(2, 6), kinds)
def test_some_columns_are_moments_of_these(rng, n, d, kind):
    """Restricting moments is taking columns first."""
    X, w = draw(rng, n, d)
    columns = rng.permutation(d)[: rng.integers(1, d + 1)]
    part, direct = moments(X, w, kind).restricted(columns), moments(X[:, columns], w, kind)
    np.testing.assert_allclose(part.mean, direct.mean, rtol=1e-12)
    size = np.sqrt(np.diagonal(scatter(direct)) + direct.weight * direct.mean**2) + 1e-300
    gap = (scatter(part) - scatter(direct)) / np.outer(size, size)
    np.testing.assert_allclose(gap, 0, atol=1e-9)


@relaxed
@given(generators, st.integers(300, 900), st.sampled_from("CF"))
def test_neither_order_nor_type_of_memory_matters(rng, n, order):
    """Column by column, strided, of integers: the same sums."""
    X = rng.integers(-50, 50, size=(n, 4))
    plain = moments(X.astype(np.float64))
    assert_same(moments(np.asarray(X, order=order)), plain, rtol=1e-13)
    assert_same(moments(np.repeat(X, 2, axis=1)[:, ::2].astype(np.float32)), plain, rtol=1e-13)


@pytest.mark.parametrize("kind", ["covariance", "qr"])
def test_no_rows_are_the_unit(kind):
    """No row sums up to the unit of merge, one row to a mean without variance."""
    assert moments(np.empty((0, 3)), kind=kind) is None
    assert moments(np.empty((0, 3)), np.empty(0), kind) is None
    one = moments(np.array([[1.0, 2.0, 3.0]]), np.array([2.5]), kind)
    assert one.weight == 2.5
    assert one.n_rows == 1
    np.testing.assert_array_equal(one.mean, [1, 2, 3])
    assert not scatter(one).any()


@relaxed
@given(st.integers(0, 300_000), st.integers(1, 6000), kinds)
def test_batches_cover_all_rows_once(n_rows, n_features, kind):
    """Slices follow one another, none is empty, none is large."""
    slices = list(batches(n_rows, n_features, kind))
    edges = [0] + [rows.stop for rows in slices]
    assert [rows.start for rows in slices] == edges[:-1]
    assert edges[-1] == n_rows
    lengths = np.diff(edges)
    assert np.all(lengths > 0)
    # some megabytes, or where that is less a few times the d x d matrix that is kept anyway
    budget = max(8 * BLOCK, 256 * n_features, 4 * n_features**2)
    assert np.all(lengths * n_features <= budget)
    if kind == "qr":  # a batch that is not the last is taller than wide
        assert np.all(lengths[:-1] > n_features)


@relaxed
@given(generators, widths)
def test_a_root_and_a_scatter_merge_to_a_root(rng, d):
    """Of the covariance of all rows; nothing is nothing on either side."""
    X, _ = draw(rng, 12, d, weighted=False)
    a, b = moments(X[:5]), moments(X[5:], kind="qr")
    for merged in (merge(a, b), merge(b, a)):
        assert merged.has_root
        scale = np.abs(np.cov(X.T)).max() + 1e-300
        expected = np.atleast_2d(np.cov(X.T, bias=True))
        np.testing.assert_allclose(merged.covariance() / scale, expected / scale, atol=1e-6)
    assert merge(None, a) is a and merge(a, None) is a and merge(None, None) is None
    assert as_root(b) is b
