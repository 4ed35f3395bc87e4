"""Figures of the tour: what they show is what was computed, and all of it."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orth

from skalign import NullSpaceAligner
from skalign._tour import _experiments as tour
from skalign.alignment._significance import roy_pvalue, shared_pvalues


@pytest.fixture(scope="module")
def figures():
    """The module that draws, where there is matplotlib."""
    pytest.importorskip("matplotlib")
    return importlib.import_module("skalign._tour._figures")


def test_band_shows_the_pvalues_of_the_digits(figures):
    """Bars stick out of the band where, and only where, they count as shared."""
    figure = figures.correlations_figure()
    axes = figure.axes[1]
    left, right, _ = tour.digits_halves()
    pvalues = NullSpaceAligner(None, modalities=tour.WIDTHS).fit(np.hstack([left, right])).pvalues_
    band = axes.patches[-1].get_data().values
    bars = np.array([bar.get_height() for group in axes.containers for bar in group])
    np.testing.assert_array_equal(bars > band, pvalues <= 0.01)
    spans = [orth(half - half.mean(axis=0)) for half in (left, right)]
    np.testing.assert_allclose(bars, np.linalg.svd(spans[0].T @ spans[1])[1][: len(bars)])
    colors = [bar.get_facecolor() for group in axes.containers for bar in group]
    assert len({*colors}) == 2 and 0 < np.sum(bars > band) == len(axes.containers[0]) < len(bars)
    labels = " ".join(axes.get_legend_handles_labels()[1])
    assert f": {np.sum(bars > band)}" in labels and f": {np.sum(bars <= band)}" in labels


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1).map(np.random.default_rng),
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(30, 200),
    st.floats(0.1, 3),
    st.booleans(),
)
def test_band_shows_the_pvalues(figures, rng, p, q, n, noise, center):
    """For random data, whatever they share."""
    X = rng.normal(size=(n, p + q))
    X[:, p:] = noise * X[:, p:] + X[:, :p] @ rng.normal(size=(p, q)) * rng.integers(0, 2, size=q)
    aligner = NullSpaceAligner(None, modalities=[p, q], shrinkage=None, center=center).fit(X)
    band = figures.null_band(aligner)
    np.testing.assert_array_equal(aligner.correlations_ > band, aligner.pvalues_ <= 0.01)
    assert np.all(np.diff(band) <= 0) and np.all((band > 0) & (band < 1))


def test_band_after_the_first_bar_within_it(figures):
    """P-values never fall: no later bar counts, even where it is large for its own place."""
    correlations = np.full(5, 0.35)
    pvalues = shared_pvalues({(0, 1): np.diag(correlations)}, 100, None)
    own = [roy_pvalue(0.35**2, 5 - j, 5 - j, 100 - j) for j in range(5)]
    assert pvalues.min() > 0.01 > min(own)
    aligner = SimpleNamespace(ranks_=[5, 5], n_pairs_=101, center=True, pvalues_=pvalues)
    band = figures.null_band(aligner)
    assert np.all(band == band[0]) and roy_pvalue(band[0] ** 2, 5, 5, 100) == pytest.approx(0.01)
    assert np.all(correlations < band)


def test_figures_show_all_of_their_points(figures):
    """None lies outside of its panel, and panels that are compared have the same scale."""
    for figure in (figures.latent_figure(), figures.regions_figure()):
        for axes in figure.axes:
            low, high = np.stack([axes.get_xlim(), axes.get_ylim()], axis=1)
            dots = [c for c in axes.collections if type(c).__name__ == "PathCollection"]
            points = np.vstack([dot.get_offsets().filled(low) for dot in dots])
            assert len(points) >= 150 and np.all((points > low) & (points < high))
        figure.draw_without_rendering()
        corners = [axes.transData.transform([[0, 0], [1, 1]]) for axes in figure.axes]
        np.testing.assert_allclose(*np.diff(corners, axis=1), rtol=0.02)
