"""Rows that lack a modality: EM with missing blocks, and what it is worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.alignment import _em
from skalign.alignment._em import Part, expectation_maximisation
from skalign.datasets import make_paired_gaussians

few = settings(max_examples=15, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def correlated(rng, n, d):
    """Rows of a Gaussian with some covariance."""
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d))) + rng.normal(
        size=d
    )


def part(X, given):
    """Moments of rows that show some columns."""
    shown = X[:, given]
    return Part(len(X), np.array(given), shown.mean(axis=0), np.cov(shown.T, bias=True))


def log_likelihood(X, seen, mean, cov):
    """Of rows of which some columns are seen, row by row."""
    total = 0.0
    for row, columns in zip(X, seen, strict=True):
        own, off = cov[np.ix_(columns, columns)], row[columns] - mean[columns]
        total -= 0.5 * (np.linalg.slogdet(own)[1] + off @ np.linalg.solve(own, off))
    return total


@few
@given(generators)
def test_each_step_raises_the_likelihood(rng):
    """The likelihood of all rows, computed row by row, never falls."""
    X = correlated(rng, 60, 5)
    groups = [(slice(0, 20), [0, 1, 2, 3, 4]), (slice(20, 40), [0, 1]), (slice(40, 60), [2, 3, 4])]
    seen = [g for rows, g in groups for _ in range(rows.stop - rows.start)]
    parts = [part(X[rows], g) for rows, g in groups]
    reached = []
    for steps in (0, 1, 2, 5, 10):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_em, "MAX_ITER", steps)
            reached.append(log_likelihood(X, seen, *expectation_maximisation(parts)))
    assert np.all(np.diff(reached) > -1e-9)
    assert reached[-1] > reached[0]


@few
@given(generators)
def test_one_missing_block_has_a_closed_form(rng):
    """Anderson 1957: what all rows show comes from all, the rest is regressed on it by pairs."""
    X = correlated(rng, 80, 5)
    X[30:] *= 1.5
    parts = [part(X[:30], [0, 1, 2, 3, 4]), part(X[30:], [0, 1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_em, "MAX_ITER", 3000)
        patch.setattr(_em, "TOLERANCE", 1e-13)
        mean, cov = expectation_maximisation(parts)
    pairs = np.cov(X[:30].T, bias=True)
    slope = np.linalg.solve(pairs[:2, :2], pairs[:2, 2:])
    everyone = np.cov(X[:, :2].T, bias=True)
    left = pairs[2:, 2:] - pairs[2:, :2] @ slope
    np.testing.assert_allclose(cov[:2, :2], everyone, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(cov[:2, 2:], everyone @ slope, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(cov[2:, 2:], slope.T @ everyone @ slope + left, atol=1e-6)
    moved = X[:30, 2:].mean(axis=0) + (X[:, :2].mean(axis=0) - X[:30, :2].mean(axis=0)) @ slope
    np.testing.assert_allclose(mean, [*X[:, :2].mean(axis=0), *moved], atol=1e-6)


def semi_paired(seed, n_pairs, n_alone, n_features=(12, 15), **options):
    """Samples of which few have both modalities; and test rows with both."""
    data = make_paired_gaussians(
        n_pairs + 2 * n_alone + 500, n_features=n_features, random_state=seed, **options
    )
    X, width = data.X.copy(), n_features[0]
    train, test = X[:-500], X[-500:]
    train[n_pairs : n_pairs + n_alone, width:] = np.nan
    train[n_pairs + n_alone :, :width] = np.nan
    return train, test, data.y


@pytest.mark.parametrize("solver", ["covariance", "qr"])
def test_rows_apart_improve_the_model(solver):
    """Squared error of imputing the other modality by it, on new rows, over draws."""
    gains = []
    for seed in range(6):
        train, test, _ = semi_paired(seed, 25, 400, n_latent=4, noise=1.0)
        half = test.copy()
        half[:, 12:] = np.nan
        errors = []
        for rows in (train[:25], train):
            aligner = NullSpaceAligner(
                None, modalities=[12, 15], solver=solver, shrinkage=0.1
            ).fit(rows)
            errors.append(np.mean((aligner.impute(half)[:, 12:] - test[:, 12:]) ** 2))
        gains.append(errors[0] - errors[1])
    assert np.mean(gains) > 0
    assert np.sum(np.array(gains) > 0) >= 5


def test_solvers_agree_on_rows_apart():
    """A covariance and a root hold the same."""
    train, test, _ = semi_paired(0, 60, 200, n_latent=3, noise=1.0)
    latents = [
        NullSpaceAligner(3, modalities=[12, 15], solver=solver).fit(train).transform(test)
        for solver in ("covariance", "qr")
    ]
    np.testing.assert_allclose(*latents, atol=1e-8)


def test_exact_alignment_stays_exact():
    """Noiseless pairs need no help: rows apart change nothing."""
    train, test, _ = semi_paired(0, 100, 100, n_latent=3, noise=0.0)
    mixed = NullSpaceAligner(modalities=[12, 15]).fit(train)
    plain = NullSpaceAligner(modalities=[12, 15]).fit(train[:100])
    assert mixed.n_exact_components_ == 3
    np.testing.assert_allclose(mixed.transform(test), plain.transform(test), atol=1e-12)


@few
@given(generators, st.sampled_from([(True, True), (True, False), (False, True)]))
def test_neither_order_nor_coding_shows(rng, gauge):
    """Rows in another order, or repeated in place of a weight, give the same model."""
    train, test, _ = semi_paired(int(rng.integers(1000)), 40, 30, n_latent=3, noise=1.0)
    weights = rng.integers(0, 4, size=len(train))
    weights[:40] = np.maximum(weights[:40], 1)
    settings_ = {"modalities": [12, 15], "whiten": gauge[0], "center": gauge[1]}
    weighted = NullSpaceAligner(2, **settings_).fit(train, sample_weight=weights)
    repeated = NullSpaceAligner(2, **settings_)
    repeated.fit(rng.permutation(np.repeat(train, weights, axis=0)))
    np.testing.assert_allclose(repeated.transform(test), weighted.transform(test), atol=1e-6)


def test_rows_apart_reach_where_no_pair_does():
    """With fewer pairs than columns, what a modality does elsewhere is still encoded."""
    rng = np.random.default_rng(0)
    train, test, _ = semi_paired(3, 8, 300, n_latent=2, noise=0.3)
    aligner = NullSpaceAligner(2, modalities=[12, 15]).fit(train)
    assert aligner.ranks_.tolist() == [7, 7]
    pairs = train[:8, :12] - train[:8, :12].mean(axis=0)
    unseen = np.linalg.svd(pairs)[2][-1]  # a direction in which no two pairs differ
    moved = test.copy()
    moved[:, :12] += np.outer(rng.normal(size=len(test)), unseen)
    assert np.abs(aligner.transform(moved) - aligner.transform(test)).max() > 1e-3


def test_third_modality_helps_two():
    """Rows that have two of three modalities say how these two go together."""
    errors = []
    for seed in range(5):
        data = make_paired_gaussians(
            640, n_features=(6, 7, 8), n_latent=3, noise=1.0, random_state=seed
        )
        train, test = data.X[:340].copy(), data.X[340:]
        train[40:, 13:] = np.nan  # the first two modalities only
        half = test.copy()
        half[:, 6:13] = np.nan
        pair = []
        for rows in (train[:40], train):
            aligner = NullSpaceAligner(None, modalities=[6, 7, 8], shrinkage=0.1).fit(rows)
            pair.append(np.mean((aligner.impute(half)[:, 6:13] - test[:, 6:13]) ** 2))
        errors.append(pair)
    paired, mixed = np.mean(errors, axis=0)
    assert mixed < paired


def labelled_and_apart(seed, n_pairs):
    """Rows to fit on, their labels, how many are not apart, and test rows of the target."""
    data = make_paired_gaussians(
        1400 + n_pairs,
        n_features=(20, 20),
        n_latent=5,
        n_classes=6,
        class_means=2 * np.random.default_rng(seed).normal(size=(6, 5)),
        noise=2.0,
        random_state=seed,
    )
    X, y = data.X.copy(), data.y.copy()
    X[:300, 20:] = np.nan  # labelled
    X[300 + n_pairs : 900 + n_pairs, :20] = np.nan  # the target alone
    y[300:] = -1
    fitted = 900 + n_pairs
    return X[:fitted], y[:fitted], 300 + n_pairs, X[fitted:], data.y[fitted:]


def test_rows_apart_improve_the_transfer():
    """Accuracy on the target with few pairs, over draws."""
    scores = []
    for seed in range(5):
        X, y, paired, X_test, y_test = labelled_and_apart(seed, 20)
        scores.append(
            [
                CrossModalTransferClassifier(GaussianNB()).fit(X[:n], y[:n]).score(X_test, y_test)
                for n in (paired, len(X))
            ]
        )
    without, with_others = np.mean(scores, axis=0)
    assert with_others > without + 0.01


def test_rows_apart_may_be_shuffled_or_weighted():
    """Neither order nor coding of rows that lack the source shows in predictions."""
    X, y, _, X_test, _ = labelled_and_apart(0, 30)
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 3, size=len(X))
    weighted = CrossModalTransferClassifier(GaussianNB()).fit(X, y, sample_weight=weights)
    order = rng.permutation(np.repeat(np.arange(len(X)), weights))
    repeated = CrossModalTransferClassifier(GaussianNB()).fit(X[order], y[order])
    np.testing.assert_allclose(
        repeated.predict_proba(X_test), weighted.predict_proba(X_test), atol=1e-4
    )


def test_labels_of_rows_apart_are_not_used_unless_wanted():
    """With ``target_labels="none"`` they reach the target through the source alone."""
    X, y, paired, X_test, _ = labelled_and_apart(1, 30)
    told = y.copy()
    told[paired:] = np.random.default_rng(0).permutation(6)[0]
    plain = CrossModalTransferClassifier(GaussianNB()).fit(X, y).predict_proba(X_test)
    deaf = CrossModalTransferClassifier(GaussianNB(), target_labels="none").fit(X, told)
    np.testing.assert_array_equal(deaf.predict_proba(X_test), plain)


@pytest.mark.parametrize("solver", ["auto", "qr", "covariance"])
def test_a_sum_that_is_nearly_one_hides_nothing(solver):
    """Shares in single precision sum to one up to 1e-8: a direction that says nothing."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 3))
    shares = np.exp(z @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(600, 6)))
    shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    X = np.hstack([z @ rng.normal(size=(3, 8)) + 0.5 * rng.normal(size=(600, 8)), shares])
    complete = NullSpaceAligner(2, modalities=[8, 6]).fit(X[200:]).correlations_
    X[:100, :8] = X[100:200, 8:] = np.nan
    found = NullSpaceAligner(2, modalities=[8, 6], solver=solver).fit(X).correlations_
    assert complete.min() > 0.5
    np.testing.assert_allclose(found, complete, atol=0.05)


def test_a_modality_without_a_dimension_is_named():
    """Constant up to rounding over all rows, though not over the pairs at this tolerance."""
    X = np.random.default_rng(2).normal(size=(12, 6))
    X[:, 0] = 1.0 + 1e-16 * np.arange(12)
    X[6:9, 1:3] = np.nan
    with pytest.raises(ValueError, match="modality 'modality0' is constant"):
        NullSpaceAligner(1, modalities=[1, 2, 3], tol=0.0).fit(X)


def test_accelerated_steps_go_further():
    """As many steps as it takes: higher than as many plain ones, and never down."""
    rng = np.random.default_rng(0)
    X = correlated(rng, 400, 6)
    parts = [part(X[:12], list(range(6))), part(X[12:200], [0, 1, 2]), part(X[200:], [3, 4, 5])]

    def likelihood(point):
        return _em._log_likelihood(parts, point)

    plain = np.vstack([parts[0].mean, parts[0].cov])
    for _ in range(24):
        plain = _em._step(parts, plain)
    reached = [
        likelihood(np.vstack(expectation_maximisation(parts, max_iter=n, tol=0.0)))
        for n in range(3, 61, 3)
    ]
    assert np.all(np.diff(reached) >= -1e-9)
    assert reached[7] > likelihood(plain) + 1e-3


def test_more_steps_help_where_pairs_are_fewer_than_columns():
    """Held-out information of 60 pairs of 50 + 50 columns, beside that of ten plain steps."""
    gains = []
    for seed in range(3):
        train, test, _ = semi_paired(seed, 60, 1000, n_features=(50, 50), n_latent=5, noise=5.0)
        scores = []
        for steps in (9, 24):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(_em, "MAX_ITER", steps)
                aligner = NullSpaceAligner(5, modalities=[50, 50]).fit(train)
            scores.append(aligner.score(test))
        gains.append(scores[1] - scores[0])
    assert np.mean(gains) > 0
