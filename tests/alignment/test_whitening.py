"""White coordinates: ranges, rounding, and how rows are read, by blocks of known values."""

from types import SimpleNamespace

import numpy as np
import pytest

from skalign._blocks import resolve
from skalign.alignment._whitening import (
    COARSEST,
    WhitenedBlock,
    WhitenedPairs,
    canonical_correlations,
    check_varies,
    complete_pairs,
    first_moments,
    signal_scale,
    whiten_block,
    whiten_pairs,
    whiten_rows,
)
from skalign.moments._accumulate import Accumulator
from skalign.moments._moments import Moments
from skalign.moments._rows import ArrayRows

EPS = np.finfo(float).eps
kinds = pytest.mark.parametrize("root", [False, True], ids=["scatter", "root"])


def moments_of(X, root=True):
    """Of all rows."""
    total = Accumulator("qr" if root else "covariance")
    total.add(X)
    return total.result()


def two_columns(ratio, root, mean=0.0, unit=1.0):
    """Columns whose singular values, at unit variance, have a ratio; of weight four."""
    R = 2 * unit * np.array([[1.0, 1.0], [ratio, -ratio]])
    kept = {"root": R} if root else {"scatter": R.T @ R}
    return Moments(4.0, 9, unit * np.array([mean, -mean]), **kept)


# -- a block --------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("deficient", [False, True])
def test_a_block_is_white_on_its_range(root, deficient):
    """Coordinates q have unit covariance; functionals and points go there and back."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 5)) * [1, 20, 0.1, 3, 1] + rng.normal(size=5)
    X[:, 4] = 3.5
    if deficient:
        X[:, 3] = X[:, 0] - X[:, 1]
    X = X[:, [4, 0, 1, 2, 3]]
    total = moments_of(np.hstack([X, X[:, :1]]), root)
    block = whiten_block(total, np.arange(5), None, EPS)
    centred = X - X.mean(axis=0)
    rank = 3 if deficient else 4
    assert block.rank == rank
    np.testing.assert_allclose(block.scale, np.append(0, X[:, 1:].std(axis=0)), rtol=1e-12)
    q = centred @ block.map
    np.testing.assert_allclose(q.T @ q / 50, np.eye(rank), atol=1e-10)
    a = rng.normal(size=(rank, 2))
    np.testing.assert_allclose(centred @ block.coef(a), q @ a, atol=1e-10)
    np.testing.assert_allclose(block.points(q.T), centred.T, atol=1e-10)
    assert np.all(np.diff(block.singular_values) < 0)
    if root:
        np.testing.assert_allclose(block.white.T @ block.white, np.eye(rank), atol=1e-12)
    else:
        assert block.white is None


def test_a_block_of_constants_has_no_dimension():
    """And no values; whatever is left of a column is rounding of its mean."""
    X = np.full((20, 3), 7.0)
    block = whiten_block(moments_of(X), np.arange(1, 3), None, 1e-3)
    assert block.rank == 0
    assert block.basis.shape == (2, 0) and block.singular_values.shape == (0,)
    np.testing.assert_array_equal(block.scale, [0, 0])
    assert block.white is None and block.rounding == 1e-3


def test_deviations_at_rounding_of_the_mean_are_none():
    """Up to eight times."""
    deviation = np.array([8.0, 8.1, 0.0, 1e-300, 8.0, 8.1]) * EPS
    mean = np.array([1.0, 1.0, 0.0, 0.0, -1.0, -1.0])
    expected = np.array([0.0, 8.1, 0.0, 1e-300, 0.0, 8.1]) * EPS
    np.testing.assert_array_equal(signal_scale(deviation, mean, EPS), expected)


@pytest.mark.parametrize("mean", [0.0, 99.0])
@pytest.mark.parametrize("eps", [1e-12, 1e-5])
@pytest.mark.parametrize("share", [0.98, 1.02])
@kinds
def test_values_below_rounding_count_as_zero(root, share, eps, mean):
    """Four times rounding for each column of a root; of a scatter, four times its square root.

    A column far from the origin has more of it. Values above 1e-4 of the largest, or of a scatter
    above the fourth root of the rounding, count however coarse the data are.
    """
    rounding = eps * (1 + mean)
    if root:
        limit = min(4 * 2 * rounding, COARSEST)
    else:
        rounding = np.sqrt(rounding)
        limit = min(4 * np.sqrt(2) * rounding, eps**0.25)
    # deviations are of the unit, up to the square of the ratio
    moments = two_columns(share * limit, root, mean, unit=1e3)
    block = whiten_block(moments, np.arange(2), None, eps)
    assert block.rank == 1 + (share > 1)
    if share < 1:
        np.testing.assert_allclose(np.abs(block.basis), np.full((2, 1), np.sqrt(0.5)), rtol=1e-6)
        np.testing.assert_allclose(block.singular_values, [np.sqrt(2)], rtol=5e-3)
    loss = 1 if share < 1 else 1 / (share * limit)
    expected = min(rounding * loss, np.sqrt(eps))
    np.testing.assert_allclose(block.rounding, expected, rtol=1e-2)


@pytest.mark.parametrize(("ratio", "tol", "rank"), [(0.1, 0.09, 2), (0.1, 0.11, 1)])
@kinds
def test_values_below_a_tolerance_count_as_zero(root, ratio, tol, rank):
    """As it is given, whatever the rounding."""
    block = whiten_block(two_columns(ratio, root), np.arange(2), tol, 1e-12)
    assert block.rank == rank
    assert whiten_block(two_columns(ratio, root), np.arange(1), 1.0, 1e-12).rank == 1


@pytest.mark.parametrize(("ratio", "rank"), [(3 * EPS, 2), (0.3 * EPS, 1)])
def test_no_tolerance_goes_below_rounding_of_numbers(ratio, rank):
    """Not even zero."""
    R = 2 * np.array([[1.0, 0.0], [0.0, ratio]])

    def principal(columns, scale):
        return np.eye(2), np.array([1.0, ratio]), np.eye(2)

    moments = Moments(4.0, 9, np.zeros(2), root=R)
    fake = SimpleNamespace(mean=moments.mean, deviations=lambda: np.ones(2), principal=principal)
    assert whiten_block(fake, np.arange(2), 0.0, EPS).rank == rank


@kinds
def test_coarse_blocks_are_told(root):
    """Where a dimension is missing, or singular values span three orders of magnitude."""
    for ratio, coarse in [(1.1e-3, False), (0.9e-3, True)]:
        assert whiten_block(two_columns(ratio, root), np.arange(2), None, EPS).coarse == coarse
    assert whiten_block(two_columns(0.1, root), np.arange(2), 0.5, EPS).coarse


# -- pairs ----------------------------------------------------------------------------------------


def draw(n=60, seed=1):
    """Rows of three modalities with scattered columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 7)) * 10.0 ** rng.integers(-2, 3, size=7) + 1
    X[:, 1] += X[:, 0]
    blocks = resolve({"a": [3, 0], "b": [1, 2, 6], "c": [5, 4]}, 7)
    return X, blocks


@kinds
def test_white_pairs(root):
    """Cross-covariances of white blocks, and their correlations, largest first."""
    X, blocks = draw()
    moments = moments_of(X, root)
    pairs = whiten_pairs(moments, blocks, tol=None, eps=EPS)
    assert pairs.moments is moments
    assert pairs.max_components == 2
    q = [
        (X[:, c] - X[:, c].mean(axis=0)) @ b.map
        for c, b in zip(pairs.columns, pairs.blocks, strict=True)
    ]
    assert [c.tolist() for c in pairs.columns] == [[3, 0], [1, 2, 6], [5, 4]]
    assert list(pairs.cross) == [(0, 1), (0, 2), (1, 2)]
    for (m, l), values in zip(pairs.cross, pairs.correlations, strict=True):
        expected = q[m].T @ q[l] / len(X)
        np.testing.assert_allclose(pairs.cross[m, l], expected, atol=1e-10)
        np.testing.assert_allclose(values, np.linalg.svd(expected)[1], atol=1e-10)
    assert not pairs.nearly_one and pairs.accurate


@kinds
def test_tolerance_and_rounding_reach_every_block(root):
    """Of white pairs."""
    X, blocks = draw()
    X[:, 4] = X[:, 5] * 3 + 1e-3 * X[:, 5].std() * X[:, 4] / X[:, 4].std()
    moments = moments_of(X, root)
    ranks = [
        [b.rank for b in whiten_pairs(moments, blocks, tol=tol, eps=eps).blocks]
        for tol, eps in [(None, EPS), (0.01, EPS), (None, 1e-2)]
    ]
    assert ranks[0] == [2, 3, 2]
    assert ranks[1] == [2, 3, 1]
    assert whiten_pairs(moments, blocks, tol=None, eps=1e-5).blocks[0].rounding > 1e-6


@kinds
def test_disagreement_is_a_mean_square(root):
    """Of the difference of two latents; zero of two modalities that never met."""
    X, blocks = draw()
    pairs = whiten_pairs(moments_of(X, root), blocks, tol=None, eps=EPS)
    rng = np.random.default_rng(2)
    coefs = [rng.normal(size=(len(c), 2)) for c in pairs.columns]
    centred = X - X.mean(axis=0)

    def expected(m, l):
        difference = (
            centred[:, pairs.columns[m]] @ coefs[m] - centred[:, pairs.columns[l]] @ coefs[l]
        )
        return np.mean(difference**2, axis=0)

    for m, l in [(0, 1), (0, 2), (1, 2)]:
        np.testing.assert_allclose(pairs.disagreement(m, l, coefs), expected(m, l), rtol=1e-9)
    columns = np.concatenate([pairs.columns[0], pairs.columns[2]])
    met = {(0, 2): moments_of(X[:, columns], root)}
    chain = WhitenedPairs(**{**vars(pairs), "met": met})
    np.testing.assert_allclose(chain.disagreement(0, 2, coefs), expected(0, 2), rtol=1e-9)
    assert chain.disagreement(0, 1, coefs) == 0


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (2, 1)])
def test_canonical_correlations_are_singular_values(shape):
    """Those of numpy, of the smaller side."""
    cross = np.random.default_rng(3).normal(size=shape)
    expected = np.linalg.svd(cross)[1]
    np.testing.assert_allclose(canonical_correlations(cross), expected, rtol=1e-10)
    assert not canonical_correlations(np.zeros(shape)).any()
    flat = np.outer(np.ones(3), np.ones(3)) / 3
    assert np.isfinite(canonical_correlations(flat)).all()


def test_a_modality_that_does_not_vary_is_named():
    """The first one."""
    X, blocks = draw()
    X[:, [1, 2, 6]] = 3.0
    message = "modality 'b' is constant over the pairs: nothing can be aligned with it.$"
    with pytest.raises(ValueError, match="^" + message):
        whiten_pairs(moments_of(X), blocks, tol=None, eps=EPS)
    fine = WhitenedBlock(np.ones(1), np.ones((1, 1)), np.ones(1), None, EPS)
    check_varies([fine, fine], ["a", "b"])


@pytest.mark.parametrize(
    ("n_pairs", "words"), [(None, "no pairs"), (0, "no pairs"), (1, "one pair")]
)
def test_too_few_pairs_are_told(n_pairs, words):
    """With the names of the modalities."""
    _, blocks = draw()
    alone = {(True, True, False): Moments(9.0, 9, np.zeros(5), np.eye(5))}
    if n_pairs is not None:
        alone[True, True, True] = Moments(float(n_pairs), n_pairs, np.zeros(7), np.eye(7))
    with pytest.raises(
        ValueError, match=rf"^X has {words}: .* every modality \(a, b, c\) to learn"
    ):
        complete_pairs(alone, blocks, True)


def test_pairs_are_about_their_mean_or_the_origin():
    """Two of them are enough."""
    X, blocks = draw(n=2)
    moments = {(True, True, True): moments_of(X)}
    assert complete_pairs(moments, blocks, True) is moments[True, True, True]
    origin = complete_pairs(moments, blocks, False)
    np.testing.assert_allclose(origin.covariance(), X.T @ X / 2, rtol=1e-12)


# -- how rows are read ----------------------------------------------------------------------------


class Rows(ArrayRows):
    """Rows that note how they were read."""

    def __init__(self, X, blocks, readable_again=True, refines=True):
        super().__init__(X, None, blocks)
        self.read, self.readable_again, self.refines = [], readable_again, refines

    def moments(self, kind):
        self.read.append(kind)
        return super().moments(kind)

    def refined(self, moments):
        self.read.append("refined")
        return super().refined(moments) if self.refines else None


@pytest.mark.parametrize(
    ("n", "solver", "orthonormal", "kind"),
    [
        (9, "auto", False, "covariance"),
        (8, "auto", False, "covariance"),
        (7, "auto", False, "qr"),
        (9, "auto", True, "qr"),
        (9, "qr", False, "qr"),
        (3, "covariance", True, "covariance"),
    ],
)
def test_how_rows_are_read_first(n, solver, orthonormal, kind):
    """A covariance where there are more rows than columns, unless maps shall be orthonormal."""
    X, blocks = draw(n=n)
    rows = Rows(X, blocks)
    first_moments(rows, solver, orthonormal=orthonormal)
    assert rows.read == [kind]


def read(X, blocks, solver="auto", kind="covariance", **options):
    """How rows were read, and what came of them."""
    rows = Rows(X, blocks, **options)
    moments, pairs = whiten_rows(rows, rows.moments(kind), solver=solver)
    everything = (True,) * len(blocks)
    assert pairs.moments is moments[everything]
    return rows.read, pairs.moments.has_root


def fine():
    """Rows of which a covariance will do."""
    return draw()


def coarse():
    """Rows of which a covariance loses digits."""
    X, blocks = draw()
    X[:, 4] = X[:, 5] * 3 + 1e-4 * X[:, 5].std() * X[:, 4] / X[:, 4].std()
    return X, blocks


def alike():
    """Rows of two modalities that agree."""
    X, blocks = draw()
    X[:, 4] = X[:, 0]
    return X, blocks


@pytest.mark.parametrize(
    ("rows", "options", "expected"),
    [
        (fine, {}, (["covariance"], False)),
        (fine, {"kind": "qr"}, (["qr"], True)),
        (coarse, {}, (["covariance", "refined"], True)),
        (coarse, {"refines": False}, (["covariance", "refined", "qr"], True)),
        (coarse, {"kind": "qr"}, (["qr"], True)),
        (coarse, {"solver": "covariance"}, (["covariance"], False)),
        (coarse, {"readable_again": False}, (["covariance"], False)),
        (alike, {}, (["covariance", "qr"], True)),
        (alike, {"kind": "qr"}, (["qr"], True)),
        (alike, {"solver": "covariance"}, (["covariance"], False)),
        (alike, {"readable_again": False}, (["covariance"], False)),
    ],
)
def test_rows_are_read_again_where_accuracy_asks_for_it(rows, options, expected):
    """In white coordinates where digits are lost, for a root where modalities agree."""
    assert read(*rows(), **options) == expected


def test_rows_are_read_again_unless_told_otherwise():
    """The solver is left to us."""
    X, blocks = coarse()
    rows = Rows(X, blocks)
    whiten_rows(rows, rows.moments("covariance"))
    assert rows.read == ["covariance", "refined"]


def test_agreement_that_shows_in_white_coordinates_only():
    """Asks for a root, too."""
    rng = np.random.default_rng(4)
    z = rng.normal(size=(60, 3))
    hidden = z[:, :1]
    a = np.hstack([z[:, 1:2], z[:, 1:2] + 1e-6 * hidden])
    b = np.hstack([z[:, 2:], z[:, 2:] + 1e-6 * hidden])
    assert read(np.hstack([a, b]), resolve([2, 2], 4)) == (["covariance", "refined", "qr"], True)


@pytest.mark.parametrize(("n", "kinds"), [(8, ["covariance"]), (7, ["covariance", "qr"])])
def test_no_more_pairs_than_columns_want_a_root(n, kinds):
    """Where other rows made the covariance the first choice."""
    X, blocks = draw(n=n + 30)
    X[n:, [5, 4]] = np.nan
    X[:n] = np.random.default_rng(3).normal(size=(n, 7))
    read_, _ = read(X, blocks)
    assert read_[: len(kinds)] == kinds
    assert ("refined" in read_) == (n == 8 and len(read_) > 1)


@pytest.mark.parametrize("center", [True, False])
def test_settings_reach_the_pairs(center):
    """About which point, and the tolerance."""
    X, blocks = draw()
    rows = Rows(X, blocks)
    _, pairs = whiten_rows(rows, rows.moments("covariance"), center=center, tol=0.9)
    mean = X.mean(axis=0) if center else np.zeros(7)
    np.testing.assert_allclose(pairs.moments.mean, mean)
    assert pairs.blocks[1].rank < 3
    single = Rows(X.astype(np.float32), blocks)
    _, coarse_ = whiten_rows(single, single.moments("covariance"))
    assert coarse_.blocks[0].rounding > 1e-5
