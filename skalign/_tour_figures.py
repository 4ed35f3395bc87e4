"""The figures of the tour. The one module that needs matplotlib, an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from . import _tour
from ._aligner import SIGNIFICANCE, NullSpaceAligner
from ._transfer import CrossModalTransferClassifier
from .datasets import make_paired_gaussians

# Okabe and Ito: told apart with any colour vision. Markers say the same once more.
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
COLORS, MARKERS = (BLUE, VERMILION, GREEN), ("o", "^", "s")
INK = "#222222"
DPI = 130


def write_figures(folder: Path) -> list[Path]:
    """Draw all figures of the tour.

    Parameters
    ----------
    folder : Path
        Existing folder to write into.

    Returns
    -------
    list of Path
        The files written.
    """
    figures = {
        "latent_space.png": latent_figure(),
        "class_regions.png": regions_figure(),
        "digits_correlations.png": correlations_figure(),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(folder / name)
        figure.savefig(paths[-1], dpi=DPI, facecolor="white")
    return paths


def latent_figure(seed: int = _tour.SEED) -> Figure:
    """The latent as it was, and as each modality gives it back: Fig. 3 and 5 of the paper."""
    data = make_paired_gaussians(random_state=seed)
    z1, z2 = _tour.paper_latents(data.X)
    figure, (before, after) = _panels("Alignment: both modalities give the same point")
    some = slice(0, 250)  # of all, rings and dots could not be told apart
    for c, color in enumerate(COLORS[:2]):
        of_class = data.y == c
        before.scatter(
            *data.latent[of_class].T,
            s=10,
            c=color,
            marker=MARKERS[c],
            alpha=0.6,
            linewidths=0,
            label=f"class {c}",
        )
        rows = of_class[some]
        after.scatter(*z1[some][rows].T, s=70, facecolors="none", edgecolors=color, linewidths=1.1)
        after.scatter(*z2[some][rows].T, s=10, c=color, linewidths=0)
    after.scatter([], [], s=70, facecolors="none", edgecolors=INK, label="z1, from x1")
    after.scatter([], [], s=10, c=INK, label="z2, from x2")
    _label(before, "The true latent z", "z, dimension 1", "z, dimension 2")
    _label(
        after,
        f"The latent found, a linear map of z ({some.stop} points)",
        "component 1",
        "component 2",
    )
    for axes in (before, after):
        axes.margins(0.08)
        axes.legend(loc="upper left", fontsize=10, framealpha=0.9)
    return figure


def regions_figure(seed: int = _tour.SEED) -> Figure:
    """A classifier in the source, and what the transfer makes of it in the target: Fig. 1."""
    data = make_paired_gaussians(
        1200, class_means=[[-3, 0], [3, 0], [0, 4]], noise=1.5, random_state=seed
    )
    labelled, pairs, test = np.split(np.arange(len(data.y)), 3)
    x1, x2 = np.hsplit(data.X, 2)
    model = CrossModalTransferClassifier(LogisticRegression())
    model.fit(*_tour.transfer_data(x1, x2, data.y, labelled, pairs))
    source, target = model.estimator_, model.target_classifier_
    accuracy = target.score(x2[test], data.y[test])

    figure, axes = _panels("Transfer: labels on the left, predictions on the right")
    _regions(axes[0], source, x1[labelled], data.y[labelled])
    _regions(axes[1], target, x2[test], data.y[test])
    _label(axes[0], "Source x1: classifier learned from labels", "x1, feature 1", "x1, feature 2")
    _label(
        axes[1],
        f"Target x2: no label seen, accuracy {accuracy:.2f}",
        "x2, feature 1",
        "x2, feature 2",
    )
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=10, frameon=False)
    return figure


def _regions(axes: Axes, classifier: Any, X: _tour.Floats, y: np.ndarray) -> None:
    """Regions of a classifier's classes as areas, samples with their true class as points."""
    low, high = X.min(axis=0), X.max(axis=0)
    pad = 0.06 * (high - low)
    first, second = (np.linspace(*ends, 600) for ends in zip(low - pad, high + pad, strict=True))
    grid = np.stack(np.meshgrid(first, second), axis=-1)
    predicted = classifier.predict(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    axes.pcolormesh(
        first,
        second,
        predicted,
        cmap=ListedColormap(COLORS),
        vmin=0,
        vmax=2,
        alpha=0.22,
        shading="nearest",
        linewidth=0,
        rasterized=True,
    )
    for c in range(2):
        axes.contour(first, second, predicted == c, levels=[0.5], colors=INK, linewidths=1.2)
    for c, (color, marker) in enumerate(zip(COLORS, MARKERS, strict=True)):
        axes.scatter(
            X[y == c, 0],
            X[y == c, 1],
            s=22,
            c=color,
            marker=marker,
            edgecolors="white",
            linewidths=0.5,
            label=f"true class {c}",
        )


def correlations_figure(seed: int = _tour.SEED) -> Figure:
    """How many dimensions the halves of the digits share."""
    left, right, _ = _tour.digits_halves()
    X = StandardScaler().fit_transform(np.hstack([left, right]))
    aligner = NullSpaceAligner(None, modalities=_tour.WIDTHS).fit(X)
    order = np.random.RandomState(seed).permutation(len(X))
    shuffled = np.hstack([X[:, :32], X[order, 32:]])
    chance = NullSpaceAligner(None, modalities=_tour.WIDTHS).fit(shuffled).correlations_

    figure, (picture, axes) = _panels(
        "Digits: what the two halves of an image share", width_ratios=(1, 2.6)
    )
    _halves(picture, left, right)
    shared = aligner.pvalues_ <= SIGNIFICANCE
    number = np.arange(1, len(shared) + 1)
    axes.bar(
        number[shared],
        aligner.correlations_[shared],
        color=BLUE,
        label=f"shared beyond chance (p ≤ {SIGNIFICANCE:g}): {shared.sum()}",
    )
    axes.bar(
        number[~shared],
        aligner.correlations_[~shared],
        color="#C8C8C8",
        label=f"not told from chance: {np.sum(~shared)}",
    )
    axes.plot(
        np.arange(1, len(chance) + 1),
        chance,
        color=VERMILION,
        marker="o",
        markersize=3.5,
        linewidth=1.2,
        label="the same with pairs shuffled",
    )
    _label(
        axes,
        f"Correlations over {len(X)} pairs",
        "dimension of the aligned space",
        "correlation of the halves' latents",
    )
    axes.set_ylim(0, 1)
    axes.set_xlim(0, len(shared) + 1)
    axes.legend(loc="upper right", fontsize=10, frameon=False)
    return figure


def _halves(axes: Axes, left: _tour.Floats, right: _tour.Floats) -> None:
    """A few digits, cut in two."""
    gap = np.full((8, 1), np.nan)
    rows = [np.hstack([left[i].reshape(8, 4), gap, right[i].reshape(8, 4)]) for i in range(10)]
    space = np.full((1, 9), np.nan)
    columns = [
        np.vstack([part for row in rows[start : start + 5] for part in (row, space)])
        for start in (0, 5)
    ]
    picture = np.hstack([columns[0], np.full((len(columns[0]), 3), np.nan), columns[1]])
    axes.imshow(picture, cmap="gray_r", vmin=-2.5, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title("Pairs of halves", fontsize=12, color=INK)


def _panels(title: str, **options: Any) -> tuple[Figure, Any]:
    """A figure with two panels, made without pyplot: nothing global changes."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=(10, 5), layout=layout)
    figure.suptitle(title, fontsize=14, color=INK, fontweight="bold")
    return figure, figure.subplots(1, 2, **options)


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    """Title and axes of a panel, in readable letters and without a box."""
    axes.set_title(title, fontsize=12, color=INK)
    axes.set_xlabel(x, fontsize=11)
    axes.set_ylabel(y, fontsize=11)
    axes.tick_params(labelsize=10)
    axes.spines[["top", "right"]].set_visible(False)
