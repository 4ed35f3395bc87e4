"""Metrics: their invariants over random latents, oracles, edge cases and messages."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from skalign.metrics import (
    alignment_error,
    latent_r2,
    principal_angles,
    reconstruction_error,
    relative_alignment_error,
)

# A loaded machine is slow; that is no failure.
relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
widths = st.integers(1, 6)
counts = st.integers(2, 4)
factors = st.floats(1e-6, 1e6)
between_latents = [alignment_error, relative_alignment_error]
of_recovery = [reconstruction_error, latent_r2]


def draw_latents(rng, n_modalities=2, k=3, n=30):
    """Draw latents that agree in part."""
    shared = rng.normal(size=(n, k))
    return [shared + rng.normal(size=(n, k)) for _ in range(n_modalities)]


def invertible(rng, k):
    """Draw a matrix with singular values from 0.1 to 10."""
    left, right = (np.linalg.qr(rng.normal(size=(k, k)))[0] for _ in range(2))
    return left * 10 ** rng.uniform(-1, 1, size=k) @ right


@relaxed
@given(generators, counts, widths, factors)
def test_alignment_error_is_a_mean_distance(rng, n_modalities, k, factor):
    """Isometries of the common space keep it, scaling scales it, order is no matter."""
    latents = draw_latents(rng, n_modalities, k)
    error = alignment_error(*latents)
    rotation, shift = np.linalg.qr(rng.normal(size=(k, k)))[0], rng.normal(size=k)
    assert error > 0
    assert alignment_error(*[z @ rotation + shift for z in latents]) == pytest.approx(error)
    assert alignment_error(*latents[::-1]) == pytest.approx(error)
    assert alignment_error(*[-factor * z for z in latents]) == pytest.approx(factor * error)


@relaxed
@given(generators, counts)
def test_alignment_error_averages_pairs_of_modalities(rng, n_modalities):
    """More latents give the mean of the two-latent errors; Eq. 5 is one of those."""
    latents = draw_latents(rng, n_modalities)
    errors = [
        np.mean(np.sqrt(np.sum((latents[m] - latents[j]) ** 2, axis=1)))
        for m in range(n_modalities)
        for j in range(m)
    ]
    assert alignment_error(*latents) == pytest.approx(np.mean(errors))
    assert reconstruction_error(latents[1], latents[0]) == pytest.approx(errors[0])


@pytest.mark.parametrize("metric", between_latents + of_recovery)
@relaxed
@given(rng=generators)
def test_weights_mean_repeated_rows(metric, rng):
    """Integer weights equal repeats, a common factor is nothing, zero weight is absence."""
    latents = draw_latents(rng)
    weight = rng.integers(0, 4, size=30)
    weight[:5] = 1
    repeated = metric(*[np.repeat(z, weight, axis=0) for z in latents])
    assert metric(*latents, sample_weight=weight) == pytest.approx(repeated, rel=1e-9)
    assert metric(*latents, sample_weight=0.3 * weight) == pytest.approx(repeated, rel=1e-9)
    for z in latents:
        z[weight == 0] = 1e30
    assert metric(*latents, sample_weight=weight) == pytest.approx(repeated, rel=1e-9)


@relaxed
@given(generators, counts, widths)
def test_relative_error_ignores_common_units_and_origin(rng, n_modalities, k):
    """Each component may be scaled and shifted alike in all modalities."""
    latents = draw_latents(rng, n_modalities, k)
    error = relative_alignment_error(*latents)
    scale, shift = 10 ** rng.uniform(-200, 200, size=k), rng.normal(scale=100, size=k)
    moved = [(z + shift) * scale for z in latents]
    assert relative_alignment_error(*moved) == pytest.approx(error, rel=1e-8)
    assert relative_alignment_error(*latents[::-1]) == pytest.approx(error)
    assert relative_alignment_error(*[latents[0]] * n_modalities) == 0


@relaxed
@given(generators, widths)
def test_relative_error_of_standardised_latents_is_correlation(rng, k):
    """The ratio of a component is one minus its correlation."""
    a, b = ((z - z.mean(axis=0)) / z.std(axis=0) for z in draw_latents(rng, k=k))
    expected = np.sqrt(1 - np.mean(a * b))
    assert relative_alignment_error(a, b) == pytest.approx(expected)


def test_relative_error_of_independent_latents_is_one():
    """Independent, of equal variance and mean: no better and no worse than chance."""
    latents = np.random.default_rng(0).normal(size=(3, 50_000, 4))
    assert relative_alignment_error(*latents) == pytest.approx(1.0, abs=0.01)


@relaxed
@given(generators, widths, st.floats(-1e3, 1e3), st.sampled_from([np.float32, np.float64]))
def test_collapse_does_not_win(rng, k, constant, dtype):
    """Constants, also when rounding blurs them, score no better than chance."""
    z = rng.normal(size=(40, k)).astype(dtype)
    flat = np.full_like(z, constant)
    blurred = flat * (1 + np.finfo(dtype).eps * rng.integers(-1, 2, size=flat.shape))
    blurred = blurred.astype(dtype)
    assert alignment_error(flat, flat) == 0
    assert relative_alignment_error(flat, flat) == 1
    assert relative_alignment_error(blurred, blurred) == 1
    assert relative_alignment_error(z, flat) >= 1 - 1e-6
    assert relative_alignment_error(blurred, z) >= 1 - 1e-6
    one_lost = z.copy()
    one_lost[:, 0] = constant
    assert relative_alignment_error(one_lost, one_lost) == pytest.approx(np.sqrt(1 / k))
    assert relative_alignment_error(flat, flat + 1) == np.inf


@relaxed
@given(generators, widths, factors)
def test_latent_r2_ignores_affine_maps(rng, k, factor):
    """Any invertible map of the prediction; isometries and units of the truth."""
    true, pred = draw_latents(rng, k=k)
    score = latent_r2(true, pred)
    mapped = factor * (pred @ invertible(rng, k) + rng.normal(size=k))
    assert latent_r2(true, mapped) == pytest.approx(score, abs=1e-9)
    units = 10.0 ** rng.integers(-20, 21, size=k)
    assert latent_r2(true, pred * units) == pytest.approx(score, abs=1e-9)
    rotation = np.linalg.qr(rng.normal(size=(k, k)))[0]
    assert latent_r2(factor * true @ rotation + 3, pred) == pytest.approx(score, abs=1e-9)
    assert 1 - 1e-12 < latent_r2(true, true @ invertible(rng, k) + 5) <= 1


@relaxed
@given(generators, widths, widths)
def test_latent_r2_is_weighted_least_squares(rng, k_true, k_pred):
    """Agrees with scikit-learn's regression and score; widths may differ."""
    pred = rng.normal(size=(40, k_pred))
    true = pred @ rng.normal(size=(k_pred, k_true)) + rng.normal(size=(40, k_true))
    weight = rng.uniform(0.1, 2, size=40)
    fitted = LinearRegression().fit(pred, true, weight).predict(pred)
    expected = r2_score(true, fitted, sample_weight=weight, multioutput="variance_weighted")
    assert latent_r2(true, pred, sample_weight=weight) == pytest.approx(expected, abs=1e-9)


def test_latent_r2_resolves_small_errors_and_useless_latents():
    """A relative error of 1e-5 costs 1e-10; a constant, though blurred, explains nothing."""
    noise = np.random.default_rng(0).normal(size=(500, 6))
    z, error = np.split(np.linalg.qr(noise - noise.mean(axis=0))[0], 2, axis=1)
    assert 1 - latent_r2(z, z + 1e-5 * error) == pytest.approx(1e-10, rel=1e-4)
    assert latent_r2(z, np.full((500, 1), 0.1)) == 0
    assert latent_r2(z, np.c_[z[:, :2], z[:, 0]]) == pytest.approx(2 / 3, abs=1e-12)


@relaxed
@given(generators, widths, widths)
def test_principal_angles_belong_to_row_spaces(rng, k_a, k_b):
    """A change of basis or of ambient axes keeps them; order of arguments is no matter."""
    A, B = rng.normal(size=(k_a, 8)), rng.normal(size=(k_b, 8))
    angles = principal_angles(A, B)
    assert angles.shape == (min(k_a, k_b),)
    assert np.all(np.diff(angles) >= 0) and angles[0] >= 0 and angles[-1] <= np.pi / 2
    axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    np.testing.assert_allclose(principal_angles(B, A), angles, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        principal_angles(invertible(rng, k_a) @ A, B), angles, rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(principal_angles(A @ axes, B @ axes), angles, rtol=0, atol=1e-12)
    np.testing.assert_allclose(principal_angles(A, invertible(rng, k_a) @ A), 0, atol=1e-12)


@relaxed
@example([1.0, 1e-7, np.pi / 2 - 1e-7], np.random.default_rng(0))
@given(st.lists(st.floats(0, np.pi / 2), min_size=1, max_size=4), generators)
def test_principal_angles_are_those_built_in(built, rng):
    """Also at the ends, where a bare arccos or arcsin would lose half of the digits."""
    k = len(built)
    axes = np.linalg.qr(rng.normal(size=(2 * k, 2 * k)))[0]
    A = axes[:k]
    B = np.cos(built)[:, None] * axes[:k] + np.sin(built)[:, None] * axes[k:]
    np.testing.assert_allclose(principal_angles(A, B), np.sort(built), rtol=0, atol=1e-13)


@pytest.mark.parametrize("metric", between_latents)
def test_messages_number_the_latents(metric):
    """Whatever is wrong, the message says with which latent."""
    z = np.ones((4, 2))
    with pytest.raises(ValueError, match="At least two latents are needed, got 1"):
        metric([z, z])
    with pytest.raises(ValueError, match=r"latents\[2\] has 3 samples but latents\[0\] has 4"):
        metric(z, z, z[:3])
    with pytest.raises(ValueError, match=r"latents\[1\] has 1 components but latents\[0\] has 2"):
        metric(z, z[:, :1])
    with pytest.raises(ValueError, match=r"latents\[1\] contains NaN"):
        metric(z, z * np.nan)
    with pytest.raises(ValueError, match=r"latents\[1\] must be 2-D, got 1"):
        metric(z, z[0])
    with pytest.raises(ValueError, match=r"latents\[0\] is empty"):
        metric(z[:0], z[:0])


@pytest.mark.parametrize("metric", of_recovery)
def test_messages_name_the_recovered_latent(metric):
    """As above, by the names of the parameters."""
    z = np.ones((4, 2))
    with pytest.raises(ValueError, match="latent_pred has 3 samples but latent_true has 4"):
        metric(z, z[:3])
    with pytest.raises(ValueError, match="latent_true contains infinity"):
        metric(z * np.inf, z)


@pytest.mark.parametrize("metric", between_latents + of_recovery)
@pytest.mark.parametrize("weight", [[-1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, np.nan], [1, 1], 1.0])
def test_bad_weights_are_refused(metric, weight):
    """Negative, all zero, not finite, of another length, scalar."""
    z = np.arange(8.0).reshape(4, 2)
    with pytest.raises(ValueError, match="sample_weight"):
        metric(z, z, sample_weight=weight)


def test_messages_of_the_rest():
    """What has no answer is refused."""
    with pytest.raises(ValueError, match="latent_true is constant"):
        latent_r2(np.full((5, 2), 0.1), np.ones((5, 2)))
    with pytest.raises(ValueError, match="latent_pred has 1 components but latent_true has 2"):
        reconstruction_error(np.ones((5, 2)), np.ones((5, 1)))
    with pytest.raises(ValueError, match="A has 3 columns but B has 2"):
        principal_angles(np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match="B is all zero"):
        principal_angles(np.eye(3), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="A must be 2-D"):
        principal_angles(np.ones(3), np.eye(3))
