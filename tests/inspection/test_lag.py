"""The lag is found where there is one, and by nothing but rows held out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skalign import NullSpaceAligner
from skalign.inspection import LagDisplay
from skalign.inspection._lag_curve import information_of, stretches

Figure = pytest.importorskip("matplotlib.figure").Figure
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def sequence(rng, n, noise=0.5, smooth=0.0):
    """Two modalities of a world of two dimensions, which may change slowly."""
    world = rng.normal(size=(n, 2))
    for t in range(1, n):
        world[t] = smooth * world[t - 1] + np.sqrt(1 - smooth**2) * world[t]
    first = world @ rng.normal(size=(2, 3)) + noise * rng.normal(size=(n, 3))
    return first, world @ rng.normal(size=(2, 4)) + noise * rng.normal(size=(n, 4))


def late(first, second, lag):
    """Rows of which the second modality comes so many later."""
    n = len(first) - abs(lag)
    return np.hstack([first[max(lag, 0) :][:n], second[max(-lag, 0) :][:n]])


def shown(X, **options):
    """A display of an aligner of three and four columns."""
    aligner = NullSpaceAligner(2, modalities=[3, 4]).fit(np.nan_to_num(X))
    return LagDisplay.from_estimator(aligner, X, ax=Figure().subplots(), **options)


@settings(deadline=None, max_examples=15)
@given(rngs, st.integers(-6, 6), st.sampled_from([0.0, 0.7]))
def test_lag_is_found(rng, lag, smooth):
    """Whatever it is, also where rows are like those before; turned around it is its negative."""
    X = late(*sequence(rng, 500, smooth=smooth), lag)
    display = shown(X, lags=6)
    assert display.best_lag_ == lag and display.margin_ > 2
    turned = shown(X, lags=6, reference=1, shifted=0)
    assert turned.best_lag_ == -lag
    np.testing.assert_allclose(turned.means_[::-1], display.means_, atol=1e-8)
    assert display.mark_.get_xdata()[0] == lag
    np.testing.assert_array_equal(display.line_.get_ydata(), display.means_)


@settings(deadline=None, max_examples=20)
@given(rngs, st.integers(1, 9), st.integers(2, 4))
def test_pairs_are_of_one_sequence(rng, n_groups, n_folds):
    """As counted one by one; in whatever order sequences stand."""
    groups = np.sort(rng.integers(0, n_groups, 120))
    first, second = sequence(rng, 120)
    X = np.hstack([first, second])
    X[rng.random(120) < 0.2, 3:] = np.nan
    lags = np.array([-3, 0, 5])
    display = shown(X, lags=lags, groups=groups, n_folds=n_folds)
    stretch = stretches(groups, n_folds, 5)
    for i, lag in enumerate(lags):
        together = [
            t
            for t in range(120)
            if 0 <= t + lag < 120
            and groups[t] == groups[t + lag]
            and stretch[t] == stretch[t + lag]
            and np.isfinite(X[t + lag, 3])
        ]
        counts = np.bincount(stretch[together] % n_folds, minlength=n_folds)
        np.testing.assert_array_equal(display.n_pairs[i], counts)
    woven = np.argsort(rng.random(120) + np.where(groups == groups[0], 0, 2), kind="stable")
    woven = np.array(sorted(woven, key=lambda t: (t - np.flatnonzero(groups == groups[t])[0], t)))
    other = shown(X[woven], lags=lags, groups=groups[woven].astype(str), n_folds=n_folds)
    if n_groups == 1:
        np.testing.assert_allclose(other.means_, display.means_)
    assert other.n_pairs.sum() == display.n_pairs.sum()


def test_folds_are_held_out():
    """By an oracle: aligners fitted to the other stretches, correlations of latents on one."""
    X = late(*sequence(np.random.default_rng(0), 240, smooth=0.5), 2)
    groups = np.repeat(np.arange(4), [60, 60, 60, len(X) - 180])
    display = shown(X, lags=[2], groups=groups, n_folds=4)
    pairs = [np.hstack([X[groups == g][:-2, :3], X[groups == g][2:, 3:]]) for g in range(4)]
    for g in range(4):
        train = np.vstack([pairs[h] for h in range(4) if h != g])
        aligner = NullSpaceAligner(2, modalities=[3, 4]).fit(train)
        Z = aligner.encoders_[0].transform(pairs[g][:, :3])
        W = aligner.encoders_[1].transform(pairs[g][:, 3:])
        c = np.array([np.corrcoef(Z[:, j], W[:, j])[0, 1] for j in range(2)])
        expected = np.sum(-0.5 * np.sign(c) * np.log(1 - c**2))
        np.testing.assert_allclose(display.information[0, g], expected, rtol=1e-6)
    weights = display.n_pairs[0] / display.n_pairs[0].sum()
    np.testing.assert_allclose(display.means_[0], weights @ display.information[0])


@settings(deadline=None, max_examples=50)
@given(rngs, st.integers(1, 3))
def test_information(rng, k):
    """Positive where all go together, negative where they go apart, finite where they are one."""
    maps = rng.normal(size=(k, 3)), rng.normal(size=(k, 4))
    root = rng.normal(size=(30, 7))
    covariance = root.T @ root
    forward = information_of(*maps, covariance)
    assert information_of(maps[0], -maps[1], covariance) == pytest.approx(-forward)
    same = np.block([[covariance[:3, :3]] * 2] * 2)
    assert information_of(maps[0], maps[0], same) == pytest.approx(k * 11.51, rel=1e-3)
    assert information_of(np.zeros((k, 3)), maps[1], covariance) == 0


def test_smooth_strangers():
    """Of slow sequences that know nothing of each other no lag is told, on any rows held out."""
    told, less = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = np.hstack([sequence(rng, 400, smooth=0.98)[0], sequence(rng, 400, smooth=0.98)[1]])
        display = shown(X, lags=5)
        told += display.margin_ > 2
        aligner = NullSpaceAligner(2, modalities=[3, 4], shrinkage=None).fit(X)
        learned_from = -0.5 * np.sum(np.log(1 - aligner.correlations_**2))
        less += display.means_[5] < learned_from
    assert told <= 2 and less >= 15


def test_equal_lags_are_the_nearest():
    """Of several best ones that nearest to zero; a lone lag is no guess but has no margin."""
    same = LagDisplay([-2, -1, 3], [[1.0, 1.0]] * 3, [[5, 5]] * 3)
    assert same.best_lag_ == -1 and same.margin_ == 0
    lone = LagDisplay([4], [[1.0, 2.0]], [[5, 5]])
    assert lone.best_lag_ == 4 and lone.margin_ == 0
    gap = LagDisplay([0, 1], [[np.nan, np.nan], [0.2, np.nan]], [[0, 0], [5, 0]])
    assert gap.best_lag_ == 1 and np.isnan(gap.means_[0])
    gap.plot(Figure().subplots())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lags": 0}, "lags=0"),
        ({"lags": [0.5]}, "whole numbers of rows"),
        ({"lags": []}, "whole numbers of rows"),
        ({"n_folds": 1}, "n_folds=1"),
        ({"groups": [1, 2]}, "inconsistent numbers"),
        ({"groups": [None] * 60}, "groups has none for row 0"),
        ({"shifted": 0}, "are one modality"),
        ({"shifted": "sound"}, "shifted='sound'"),
        ({"lags": [59]}, "too few pairs"),
        ({"n_folds": 40}, "for 40 folds"),
    ],
)
def test_bad_input(options, message):
    """Errors name the parameter."""
    X = np.hstack(sequence(np.random.default_rng(0), 60))
    with pytest.raises(ValueError, match=message):
        shown(X, **options)
