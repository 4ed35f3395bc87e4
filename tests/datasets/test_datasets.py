"""Synthetic data: the model it claims, its streams of randomness, and its messages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skalign.datasets import make_paired_gaussians

# A loaded machine is slow; that is no failure.
relaxed = settings(deadline=None)
seeds = st.integers(0, 2**32 - 1)
layouts = st.lists(st.integers(1, 6), min_size=2, max_size=4)
sizes = st.integers(1, 5)


def blocks_of(data):
    """Split X into modalities."""
    return np.split(data.X, np.cumsum(data.modalities)[:-1], axis=1)


def test_default_is_the_experiment_of_the_paper():
    """Sizes and means of Section 3.1."""
    data = make_paired_gaussians(random_state=0)
    assert data.X.shape == (2000, 4) and data.X.dtype == np.float64
    assert data.y.shape == (2000,) and data.latent.shape == (2000, 2)
    assert data.modalities == [2, 2]
    np.testing.assert_array_equal(data.class_means, [[0, 1], [4, 5]])
    assert set(data) == {"X", "y", "latent", "maps", "class_means", "modalities"}


@relaxed
@given(layouts, sizes, sizes, seeds)
def test_clean_data_is_linear_in_the_latent(widths, k, n_classes, seed):
    """Every block is S z exactly, so the stack has rank k, or d if that is less."""
    data = make_paired_gaussians(
        60, n_features=widths, n_latent=k, n_classes=n_classes, random_state=seed
    )
    assert data.modalities == widths and data.class_means.shape == (n_classes, k)
    for block, linear_map, width in zip(blocks_of(data), data.maps, widths, strict=True):
        assert linear_map.shape == (width, k) and np.abs(linear_map).max() <= 5
        np.testing.assert_allclose(block, data.latent @ linear_map.T, rtol=0, atol=1e-12)
    values = np.linalg.svd(data.X, compute_uv=False)
    rank = min(k, sum(widths))
    assert np.sum(values > 1e-11 * values[0]) == rank


@relaxed
@given(layouts, seeds)
def test_int_seed_repeats_and_global_state_stays(widths, seed):
    """Same seed, same data, whatever is drawn in between; another seed, other data."""

    def draw(seed):
        return make_paired_gaussians(
            20, n_features=widths, n_private=1, noise=1.0, random_state=seed
        )

    first, other = draw(seed), draw((seed + 1) % 2**32)
    before = np.random.get_state()[1].copy()
    again = draw(seed)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.any(first.X == other.X)
    rng = np.random.RandomState(seed)
    np.testing.assert_array_equal(first.X, draw(rng).X)
    assert not np.any(first.X == draw(rng).X)


@relaxed
@given(layouts, sizes, sizes, seeds)
def test_parts_have_streams_of_their_own(widths, k, n_classes, seed):
    """Noise, private latents, more samples and more modalities move nothing else."""
    model = {"n_latent": k, "n_classes": n_classes, "random_state": seed}
    plain = make_paired_gaussians(20, n_features=widths, **model)
    noisy = make_paired_gaussians(20, n_features=widths, noise=2.0, n_private=2, **model)
    larger = make_paired_gaussians(50, n_features=[*widths, 3], **model)
    for other in (noisy, larger):
        np.testing.assert_array_equal(other.y[:20], plain.y)
        np.testing.assert_array_equal(other.latent[:20], plain.latent)
        np.testing.assert_array_equal(other.class_means, plain.class_means)
        for ours, theirs in zip(plain.maps, other.maps, strict=False):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(larger.X[:20, :-3], plain.X, rtol=0, atol=1e-12)
    assert not np.any(noisy.X == plain.X)


def test_mixture_has_the_stated_moments():
    """Equal class odds, given means, isotropic spread: within five standard errors."""
    n, means, std = 60_000, [[0.0, 0, 9], [5, 0, 0], [0, -7, 1]], 1.5
    data = make_paired_gaussians(n, class_means=means, class_std=std, random_state=1)
    frequency = np.bincount(data.y, minlength=3) / n
    np.testing.assert_allclose(frequency, 1 / 3, atol=5 * np.sqrt(2 / 9 / n))
    for c in range(3):
        z = data.latent[data.y == c]
        error = std / np.sqrt(len(z))
        np.testing.assert_allclose(z.mean(axis=0), means[c], atol=5 * error)
        np.testing.assert_allclose(np.cov(z.T), std**2 * np.eye(3), atol=8 * std * error)


def test_maps_fill_their_range():
    """Uniform(-5, 5): extremes, mean and variance 100 / 12."""
    maps = make_paired_gaussians(1, n_features=(200, 100), n_latent=100, random_state=0).maps
    for entries in maps:
        assert -5 <= entries.min() < -4.99 and 4.99 < entries.max() <= 5
        assert abs(entries.mean()) < 5 * np.sqrt(100 / 12 / entries.size)
        assert entries.var() == pytest.approx(100 / 12, rel=0.05)
    assert not np.any(maps[0][:100] == maps[1])


def test_default_means_are_drawn_off_the_paper():
    """Standard deviation 3 for any other size."""
    means = make_paired_gaussians(1, n_latent=50, n_classes=80, random_state=0).class_means
    assert means.std() == pytest.approx(3, rel=0.06) and abs(means.mean()) < 0.25


def test_noise_and_private_parts_are_each_modality_s_own():
    """Residuals of S z: white of the stated size, or of the private rank; unrelated."""
    n = 40_000
    data = make_paired_gaussians(n, n_features=(4, 5), noise=(0.5, 2.0), random_state=0)
    noise = np.hstack(
        [b - data.latent @ s.T for b, s in zip(blocks_of(data), data.maps, strict=True)]
    )
    std = np.r_[np.full(4, 0.5), np.full(5, 2.0)]
    np.testing.assert_allclose(np.cov(noise.T) / np.outer(std, std), np.eye(9), atol=0.04)

    data = make_paired_gaussians(n, n_features=(4, 5), n_private=(0, 2), random_state=0)
    clean, private = (
        b - data.latent @ s.T for b, s in zip(blocks_of(data), data.maps, strict=True)
    )
    assert np.abs(clean).max() < 1e-12 and np.linalg.matrix_rank(private) == 2

    data = make_paired_gaussians(n, n_features=(1, 1), n_private=1, random_state=0)
    both = [b - data.latent @ s.T for b, s in zip(blocks_of(data), data.maps, strict=True)]
    correlation = np.corrcoef(np.hstack([*both, data.latent]).T)[:2]
    np.testing.assert_allclose(correlation, np.eye(4)[:2], atol=0.03)


def test_class_means_decide_the_sizes():
    """They win over n_latent and n_classes, and are copied; no spread puts z on them."""
    means = np.array([[1.0, 2, 3]])
    data = make_paired_gaussians(
        9, class_means=means, class_std=0, n_latent=7, n_classes=5, random_state=0
    )
    np.testing.assert_array_equal(data.latent, np.repeat(means, 9, axis=0))
    assert set(data.y) == {0} and data.maps[0].shape == (2, 3)
    assert data.class_means is not means


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("n_samples", 0),
        ("n_samples", 10.0),
        ("n_samples", True),
        ("n_features", (3,)),
        ("n_features", 3),
        ("n_features", (3, 0)),
        ("n_features", (3, 2.5)),
        ("n_latent", 0),
        ("n_classes", 0),
        ("class_means", [1.0, 2.0]),
        ("class_means", [[np.nan, 1.0]]),
        ("class_means", np.empty((0, 2))),
        ("class_std", -1.0),
        ("class_std", np.inf),
        ("class_std", "wide"),
        ("noise", -0.1),
        ("noise", np.nan),
        ("noise", (0.1, 0.2, 0.3)),
        ("noise", (0.1, None)),
        ("n_private", -1),
        ("n_private", (1,)),
        ("n_private", 0.5),
        ("random_state", "seed"),
    ],
)
def test_bad_parameters_are_named(name, bad):
    """The message starts from the parameter that is wrong."""
    with pytest.raises(ValueError, match="seed" if name == "random_state" else f"^{name} must"):
        make_paired_gaussians(**{"n_samples": 5, name: bad})
