"""Kernel discriminants and what is deployed of them, against formulas written out."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, softmax

from skalign._utils._rows import spread_rows
from skalign.transfer import _kernel
from skalign.transfer._discriminant import (
    RIDGE,
    TINY,
    Candidate,
    PrincipalScores,
    SoftLDA,
    principal_axes,
)
from skalign.transfer._kernel import (
    BANDWIDTH,
    LANDMARKS,
    DistilledModel,
    KernelLDA,
    Options,
    calibrate,
    exponents,
    gaussian_kernel,
    kernel_lda,
    log_prior,
    of_features,
    pooled_model,
    powers,
)


def draw(seed=0, n=40, d=3, n_classes=3):
    """Points of classes, soft labels, weights."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    Z = 2 * rng.normal(size=(n_classes, d))[labels] + rng.normal(size=(n, d))
    resp = 0.7 * np.eye(n_classes)[labels] + 0.3 * rng.dirichlet(np.ones(n_classes), size=n)
    return Z, resp, rng.uniform(0.2, 2, size=n)


@pytest.fixture
def small_blocks(monkeypatch):
    """Seven rows at a time."""
    monkeypatch.setattr(
        _kernel,
        "row_blocks",
        lambda n, *_, **__: [slice(a, min(a + 7, n)) for a in range(0, n, 7)],
    )


# -- the kernel -----------------------------------------------------------------------------------


def test_kernel_is_of_distances():
    """Against scipy; no value above one, not even by rounding."""
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(6, 3)), rng.normal(size=(5, 3))
    np.testing.assert_allclose(
        gaussian_kernel(A, B, 0.7), np.exp(-0.7 * cdist(A, B, "sqeuclidean")), rtol=1e-12
    )
    np.testing.assert_allclose(np.diagonal(gaussian_kernel(A, A, 2.0)), 1, rtol=1e-14)
    far = 1e7 + rng.normal(size=(50, 3))
    assert gaussian_kernel(far, far, 1.0).max() <= 1


def test_powers_and_exponents_by_hand():
    """Shifted and scaled points, their squares, one; and the maps of these to exponents."""
    X = np.array([[3.0, 5.0], [1.0, 1.0]])
    np.testing.assert_array_equal(
        powers(X, np.array([1.0, 1.0]), np.array([0.5, 2.0])), [[1, 8, 65, 1], [0, 0, 0, 1]]
    )
    np.testing.assert_array_equal(powers(X), [[3, 5, 34, 1], [1, 1, 2, 1]])
    np.testing.assert_array_equal(X, [[3, 5], [1, 1]])
    with np.errstate(over="ignore"):
        assert np.isfinite(powers(np.array([[1e200]]))).all()
    landmarks = np.array([[1.0, 2.0], [0.0, -1.0]])
    np.testing.assert_array_equal(
        exponents(landmarks, 0.5), [[1, 2, -0.5, -2.5], [0, -1, -0.5, -0.5]]
    )
    assert exponents(np.zeros((0, 2)), 0.5).shape == (0, 4)


@pytest.mark.parametrize("n_landmarks", [11, 1000])
@pytest.mark.parametrize("options", [{}, {"bandwidth": 0.1, "ridge": 0.7}])
@pytest.mark.usefixtures("small_blocks")
def test_kernel_discriminant(n_landmarks, options):
    """That of principal scores of the features, whose inner products are the kernel."""
    Z, resp, weights = draw(1)
    total = Z.var(axis=0).sum()
    model = kernel_lda(Z, total, resp, weights, n_landmarks=n_landmarks, **options)
    landmarks = Z[spread_rows(40, min(n_landmarks, 40))]
    np.testing.assert_array_equal(model.landmarks, landmarks)
    assert model.gamma == options.get("bandwidth", BANDWIDTH) / total
    K, among = (np.exp(-model.gamma * cdist(A, landmarks, "sqeuclidean")) for A in (Z, landmarks))
    scores = model.scores(Z)
    share = weights / weights.sum()
    np.testing.assert_allclose(share @ scores, 0, atol=1e-6)
    products = K @ np.linalg.pinv(among, rcond=1e-8, hermitian=True) @ K.T
    centring = np.eye(40) - share
    np.testing.assert_allclose(scores @ scores.T, centring @ products @ centring.T, atol=1e-4)
    # scores are uncorrelated, in descending order of variance, as they are said to be
    second = (scores.T * share) @ scores
    variance = np.diagonal(second)
    np.testing.assert_allclose(second, np.diag(variance), atol=1e-7)
    assert np.all(np.diff(variance) < 1e-9) and variance[-1] > 0.5e-6 * variance[0]
    points = PrincipalScores(scores, variance, weights)
    ridge = options.get("ridge", RIDGE)
    coef, intercept = points.lda(resp, ridge).discriminant()
    dual, shift = model.discriminant()
    np.testing.assert_allclose(K @ dual + shift, scores @ coef + intercept, atol=1e-4)
    np.testing.assert_allclose(
        model.leave_one_out(Z, resp, weights),
        points.leave_one_out(resp, np.arange(40), ridge),
        atol=1e-4,
    )


def test_sums_of_kernels_by_hand():
    """Less an origin, by class and in all; and their products."""
    Z, resp, weights = draw(2, n=9)
    origin = np.array([0.2, 0.1])
    sums, second = _kernel._sums(Z, Z[:2], 0.3, origin, resp, weights)
    K = np.exp(-0.3 * cdist(Z, Z[:2], "sqeuclidean")) - origin
    np.testing.assert_allclose(sums[:3], (resp * weights[:, None]).T @ K, rtol=1e-10)
    np.testing.assert_allclose(sums[3], weights @ K, rtol=1e-10)
    np.testing.assert_allclose(second, (K.T * weights) @ K, rtol=1e-10)


def test_how_many_landmarks_there_are(monkeypatch):
    """Fewer where points are many, a hundred at least."""
    Z, resp, weights = draw(3, n=400)
    for size, asked, expected in [
        (10**7, 150, 150), (10**7, LANDMARKS, 400), (400 * 130, 1000, 130), (400 * 90, 1000, 100),
    ]:  # fmt: skip
        monkeypatch.setattr(_kernel, "KERNEL_SIZE", size)
        model = kernel_lda(Z, 1.0, resp, weights, n_landmarks=asked)
        assert len(model.landmarks) == expected
    monkeypatch.setattr(_kernel, "LANDMARKS", 3)  # the default stays what it was
    monkeypatch.setattr(_kernel, "KERNEL_SIZE", 10**7)
    assert len(kernel_lda(Z, 1.0, resp, weights).landmarks) == 400


def test_landmarks_that_come_twice():
    """Count once: rounding is no direction."""
    Z, resp, weights = draw(4, n=12)
    twice = [np.repeat(a, 2, axis=0) for a in (Z, resp, weights / 2)]
    one, two = kernel_lda(Z, 3.0, resp, weights), kernel_lda(twice[0], 3.0, *twice[1:])
    products = [model.scores(Z) @ model.scores(Z).T for model in (one, two)]
    np.testing.assert_allclose(products[1], products[0], atol=1e-5)


def test_points_that_do_not_vary_have_no_scores():
    """And no width that is not finite."""
    resp, weights = np.full((5, 2), 0.5), np.ones(5)
    model = kernel_lda(np.zeros((5, 2)), 0.0, resp, weights)
    assert np.isfinite(model.gamma) and model.scores(np.ones((3, 2))).shape == (3, 0)
    assert np.ptp(model.discriminant()[1]) == pytest.approx(0, abs=1e-12)


def test_kernel_scores_by_hand():
    """Kernels, mapped and shifted; a discriminant of these is one of kernels."""
    lda = SoftLDA.of(np.array([4.0]), 9.0, np.array([6.0, 3.0]), np.array([[-6.0], [6.0]]), 0.5)
    model = KernelLDA(
        np.array([[0.0], [1.0]]), 2.0, np.array([[3.0], [1.0]]), np.array([0.5]), lda
    )
    k = np.exp(-2.0)
    np.testing.assert_allclose(model.scores(np.array([[0.0]])), [[3 + k - 0.5]], rtol=1e-12)
    coef, intercept = model.discriminant()  # that of scores is (-1/3, 2/3), (-1/6, -2/3)
    np.testing.assert_allclose(coef, [[-1, 2], [-1 / 3, 2 / 3]], rtol=1e-12)
    np.testing.assert_allclose(intercept, [-1 / 6 + 0.5 / 3, -2 / 3 - 1 / 3], atol=1e-12)


# -- what is deployed -----------------------------------------------------------------------------


def some_model(n_landmarks=5, d=3, n_classes=4, **options):
    """A model of random numbers."""
    rng = np.random.default_rng(4)
    return DistilledModel(
        rng.normal(size=(n_classes, d)),
        rng.normal(size=n_classes),
        rng.normal(size=(n_landmarks, d)),
        rng.normal(size=(n_classes, n_landmarks)),
        0.4,
        **options,
    )


def probabilities(model, X):
    """By the formula."""
    u = (X - model.mean) * model.feature_weights
    scores = u @ model.coef.T + model.intercept
    if len(model.landmarks):
        kernel = np.exp(-model.gamma * cdist(u, model.landmarks, "sqeuclidean"))
        scores = scores + kernel @ model.dual_coef.T
    return softmax(scores, axis=1)


@pytest.mark.parametrize("n_landmarks", [0, 5])
@pytest.mark.parametrize("n", [0, 1, 20])
@pytest.mark.usefixtures("small_blocks")
def test_probabilities(n_landmarks, n):
    """Of scores, or of features; over more classes, those that are new are impossible."""
    X = np.random.default_rng(5).normal(size=(n, 3))
    moved = some_model(
        n_landmarks, mean=np.array([1.0, -2.0, 0.5]), feature_weights=np.array([2.0, 0.5, 1.0])
    )
    for model in (some_model(n_landmarks), moved):
        expected = probabilities(model, X)
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-9)
        wide = model.widened([4, 0, 1, 3], 6)
        found = wide.predict_proba(X)
        assert found.shape == (n, 6)
        np.testing.assert_allclose(found[:, [4, 0, 1, 3]], expected, rtol=1e-9)
        assert not found[:, [2, 5]].any()
        assert wide.dual_coef.shape == (6, n_landmarks) and wide.coef.shape == (6, 3)
        assert np.all(wide.intercept[[2, 5]] == -np.inf)


def test_probabilities_far_away():
    """Of large scores are none the less numbers, and of points beyond all squares."""
    model = some_model()
    X = np.array([[1e5, -1e5, 1e5], [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(model.predict_proba(X), probabilities(model, X), rtol=1e-9)
    linear = some_model(0)
    with np.errstate(over="ignore"):
        assert np.isfinite(linear.predict_proba(np.full((1, 3), 1e160))).all()


@pytest.mark.parametrize("n_landmarks", [0, 5])
def test_a_model_of_scores_is_one_of_features(n_landmarks):
    """Where scores are a rotation of scaled features, of which some may be constant."""
    rng = np.random.default_rng(6)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    unit, mean = np.array([2.0, 0.0, 0.1, 5.0]), rng.normal(size=4)
    coef = np.zeros((3, 4))
    coef[:, [0, 2, 3]] = rotation * unit[[0, 2, 3]]
    model = some_model(n_landmarks)
    X = rng.normal(size=(20, 4))
    direct = model.of_features(coef, mean)
    expected = probabilities(model, (X - mean) @ coef.T)
    np.testing.assert_allclose(direct.predict_proba(X), expected, rtol=1e-9)
    decoder = object()
    found, encoder = of_features(model, coef, mean, decoder)
    assert encoder is None
    np.testing.assert_allclose(found.predict_proba(X), expected, rtol=1e-9)
    if n_landmarks:
        np.testing.assert_allclose(direct.feature_weights, unit)
    else:
        assert direct.landmarks.shape == (0, 4)


def test_no_rotation_no_model_of_features():
    """Of fewer scores than features, or of axes that are not orthonormal; unless it is linear."""
    rng = np.random.default_rng(7)
    rotation, mean = np.linalg.qr(rng.normal(size=(3, 3)))[0], np.zeros(3)
    flat = np.linalg.qr(rng.normal(size=(4, 3)))[0].T
    skewed = rotation.copy()
    skewed[0] += 1e-8 * rotation[1]
    for coef, middle in [(skewed, mean), (flat, np.zeros(4))]:
        model = some_model()
        assert model.of_features(coef, middle) is None
        assert of_features(model, coef, middle, "decoder") == (
            model,
            (coef, middle, "decoder"),
        )
        assert some_model(0).of_features(coef, middle) is not None
    assert some_model().of_features(rotation + 1e-13, mean) is not None


# -- both together -------------------------------------------------------------------------------


def test_log_prior_by_hand():
    """Half an even share or more is one; rarer ones have what they have of that."""
    shares = np.array([0.5, 0.25, 0.125, 0.0625, 0.0])
    found = log_prior(shares)  # an even share is 0.2
    np.testing.assert_allclose(np.exp(found), [1, 1, 1, 0.625, TINY], rtol=1e-9)
    given = np.array([0.9, 0.1, 0.0])
    np.testing.assert_allclose(np.exp(log_prior(shares, given)), [0.9, 0.1, TINY], rtol=1e-9)


def cross_entropy(pool, scores, resp, weights):
    """Weighted mean."""
    log_proba = log_softmax(sum(w * s for w, s in zip(pool, scores, strict=True)), axis=1)
    return -(weights @ np.sum(resp * log_proba, axis=1)) / weights.sum()


@pytest.mark.parametrize("seed", range(4))
def test_calibration_is_the_best_pool(seed):
    """No weight is below zero, and none lowers the cross-entropy if moved."""
    rng = np.random.default_rng(seed)
    _, resp, weights = draw(seed, n=200)
    good, noise = np.log(resp) + rng.normal(size=resp.shape), 3 * rng.normal(size=resp.shape)
    bad = -np.log(resp) + rng.normal(size=resp.shape)
    for scores in ([good], [good, noise], [good, bad], [good, np.log(resp) / 3]):
        pool = calibrate([s + 50 * rng.normal(size=(200, 1)) for s in scores], resp, 7 * weights)
        assert pool.shape == (len(scores),) and np.all(pool >= 0)
        least = minimize(
            cross_entropy,
            np.full(len(scores), 1.0),
            args=(scores, resp, weights),
            bounds=[(0, None)] * len(scores),
            method="Nelder-Mead",
            options={"xatol": 1e-6, "fatol": 1e-10},
        )
        reached = cross_entropy(pool, scores, resp, weights)
        assert reached <= least.fun + 1e-6
        np.testing.assert_allclose(pool, least.x, atol=0.02)
    assert calibrate([good, bad], resp, weights)[1] == 0


def test_calibration_starts_at_three_tenths():
    """Shared by all: where nothing can be told it stays there."""
    flat = np.zeros((6, 2))
    resp = np.full((6, 2), 0.5)
    np.testing.assert_allclose(calibrate([flat], resp, np.ones(6)), [0.3])
    np.testing.assert_allclose(calibrate([flat, flat, flat], resp, np.ones(6)), [0.1] * 3)


def candidate(seed=8, curved=False):
    """Linear discriminants of pairs and one anchor; a class is rare."""
    X, resp, weights = draw(seed)
    resp[:, 2] *= 0.2
    resp /= resp.sum(axis=1, keepdims=True)
    if curved:  # rings, which no linear discriminant tells apart
        radius = np.linalg.norm(X - X.mean(axis=0), axis=1)
        labels = np.digitize(radius, np.quantile(radius, [0.33, 0.67]))
        resp = 0.8 * np.eye(3)[labels] + 0.2 / 3
    every, heavy = np.vstack([X, X[:1]]), np.append(weights, 5.0)
    resp = np.vstack([resp, [[1.0, 0.0, 0.0]]])
    axes = principal_axes(every, heavy)
    points = PrincipalScores.of(axes, every, heavy)
    rows = np.arange(0, 40, 3)
    own = points.leave_one_out(resp, rows, 0.1)
    return Candidate(axes, points, resp, own, 1.0, 0.1), weights, rows


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("prior", [None, np.array([0.5, 0.3, 0.2])])
def test_pooled_model(curved, prior):
    """Both discriminants, each with its weight, from a prior; leave-one-out ones alike."""
    chosen, weights, rows = candidate(8 if curved else 10, curved=curved)
    options = Options(prior=prior, bandwidth=1.5, n_landmarks=15)
    model, pooled = pooled_model(chosen, weights, rows, options)
    Z, resp = chosen.points.points[:40], chosen.resp[:40]
    total = chosen.axes.variance.sum()
    kernel = kernel_lda(Z, total, resp, weights, bandwidth=1.5, n_landmarks=15)
    own = kernel.leave_one_out(Z[rows], resp[rows], weights[rows])
    pool = calibrate([chosen.own, own], resp[rows], weights[rows])
    start = log_prior(weights @ resp / weights.sum(), prior)
    np.testing.assert_allclose(pooled, pool[0] * chosen.own + pool[1] * own + start, atol=1e-9)
    coef, shift = chosen.points.lda(chosen.resp, 0.1).discriminant()
    scores = pool[0] * (Z @ coef + shift) + start
    dual, dual_shift = kernel.discriminant()
    K = np.exp(-kernel.gamma * cdist(Z, kernel.landmarks, "sqeuclidean"))
    scores = scores + pool[1] * (K @ dual + dual_shift)
    np.testing.assert_allclose(model.predict_proba(Z), softmax(scores, axis=1), atol=1e-9)
    assert len(model.landmarks) == (15 if pool[1] else 0)
    assert pool[1] > 0.1 and (pool[0] > 0.1) == (not curved)


@pytest.mark.parametrize("prior", [None, np.array([0.5, 0.3, 0.2])])
def test_pooled_model_without_a_kernel(prior):
    """The linear discriminant alone, with its weight, from a prior."""
    chosen, weights, rows = candidate()
    model, pooled = pooled_model(chosen, weights, rows, Options(kernel=False, prior=prior))
    Z, resp = chosen.points.points[:40], chosen.resp[:40]
    pool = calibrate([chosen.own], resp[rows], weights[rows])
    start = log_prior(weights @ resp / weights.sum(), prior)
    assert np.ptp(start) > 0.1
    np.testing.assert_allclose(pooled, pool[0] * chosen.own + start, atol=1e-12)
    coef, shift = chosen.points.lda(chosen.resp, 0.1).discriminant()
    expected = softmax(pool[0] * (Z @ coef + shift) + start, axis=1)
    np.testing.assert_allclose(model.predict_proba(Z), expected, atol=1e-9)
    assert model.landmarks.shape == (0, Z.shape[1]) and model.dual_coef.shape == (3, 0)
    assert model.gamma == 0


def test_a_kernel_without_weight_is_left_out(monkeypatch):
    """It costs nothing."""
    chosen, weights, rows = candidate()
    monkeypatch.setattr(_kernel, "calibrate", lambda scores, resp, weights: np.array([0.7, 0.0]))
    model, _ = pooled_model(chosen, weights, rows, Options(n_landmarks=9))
    assert model.landmarks.shape == (0, 3) and model.dual_coef.shape == (3, 0)
    coef, shift = chosen.points.lda(chosen.resp, 0.1).discriminant()
    start = log_prior(weights @ chosen.resp[:40] / weights.sum())
    expected = softmax(0.7 * (chosen.points.points @ coef + shift) + start, axis=1)
    np.testing.assert_allclose(model.predict_proba(chosen.points.points), expected, atol=1e-9)
