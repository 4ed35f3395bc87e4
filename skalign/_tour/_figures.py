"""The figures of the tour. The one module that needs matplotlib, an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from .. import CrossModalTransferClassifier, NullSpaceAligner
from ..alignment._significance import SIGNIFICANCE, critical_correlation
from ..datasets import make_paired_gaussians
from ._experiments import SEED, WIDTHS, Floats, digits_halves, paper_latents, transfer_data

# Okabe and Ito: told apart with any colour vision. Markers say the same once more.
BLUE, VERMILION, _ = COLORS = ("#0072B2", "#D55E00", "#009E73")
MARKERS = ("o", "^", "s")
INK, GREY = "#222222", "#BBBBBB"
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 14,
    "figure.titleweight": "bold",
    "legend.frameon": False,
    "text.color": INK,
    "savefig.dpi": 130,
}


def write_figures(folder: Path) -> list[Path]:
    """Draw all figures of the tour into an existing folder, and name the files."""
    with rc_context(STYLE):
        figures = {
            folder / "latent_space.png": latent_figure(),
            folder / "class_regions.png": regions_figure(),
            folder / "digits_correlations.png": correlations_figure(),
        }
        for path, figure in figures.items():
            figure.savefig(path, facecolor="white")
    return list(figures)


def latent_figure() -> Figure:
    """The latent as it was, and as each modality gives it back: Fig. 3 and 5 of the paper."""
    data = make_paired_gaussians(150, random_state=SEED)  # of more, rings and dots would merge
    z1, z2 = paper_latents(data.X)
    title = "Alignment: both modalities give the same point"
    figure, (before, after) = _panels(title, width_ratios=(11, 36))
    for c, (color, marker) in enumerate(zip(COLORS[:2], MARKERS[:2], strict=True)):
        rows = data.y == c
        dots = {"s": 12, "c": color, "marker": marker, "linewidths": 0}
        before.scatter(*data.latent[rows].T, **dots, label=f"class {c}")
        after.scatter(*z1[rows].T, s=60, marker=marker, facecolors="none", edgecolors=color)
        after.scatter(*z2[rows].T, **dots)
    after.scatter([], [], s=60, facecolors="none", edgecolors=INK, label="z1, from x1")
    after.scatter([], [], s=12, c=INK, label="z2, from x2")
    _label(before, "The true latent z", "z, dimension {} (class sd = 1)")
    _label(after, "The latent found, a linear map of z", "component {} (no unit)")
    both: dict[str, Any] = {"aspect": "equal", "ylim": (-8, 11), "yticks": (-5, 0, 5, 10)}
    before.set(xlim=(-4, 7), xticks=(0, 5), **both)
    after.set(xlim=(-7, 29), **both)
    before.legend(loc="lower right")
    after.legend(loc="upper left")
    return figure


def regions_figure() -> Figure:
    """A classifier in the source, and what the transfer makes of it in the target: Fig. 1."""
    data = make_paired_gaussians(
        1200, class_means=[[-3, 0], [3, 0], [0, 4]], noise=1.5, random_state=SEED
    )
    labelled, pairs, test = np.split(np.arange(len(data.y)), 3)
    x1, x2 = np.hsplit(data.X, 2)
    model = CrossModalTransferClassifier(LogisticRegression())
    model.fit(*transfer_data(x1, x2, data.y, labelled, pairs))
    figure, (source, target) = _panels("Transfer: labels on the left, predictions on the right")
    for axes, classifier, x, title, feature in (
        (source, model.estimator_, x1, "Source x1, labels seen", "x1, feature {} (no unit)"),
        (target, model.target_classifier_, x2, "Target x2, no label", "x2, feature {} (no unit)"),
    ):
        _regions(axes, classifier, x[test], data.y[test])
        accuracy = classifier.score(x[test], data.y[test])
        error = np.sqrt(accuracy * (1 - accuracy) / len(test))
        _label(axes, f"{title}: accuracy {accuracy:.3f} ± {error:.3f}", feature)
    figure.legend(
        *source.get_legend_handles_labels(),
        title=f"{len(test)} test points; areas: predicted class; accuracy ± standard error",
        loc="outside lower center",
        ncols=3,
    )
    return figure


def _regions(axes: Axes, classifier: Any, X: Floats, y: np.ndarray) -> None:
    """Regions of a classifier's classes as areas, samples with their true class as points."""
    first, second = np.linspace(-34, 34, 600), np.linspace(-22, 18, 600)
    grid = np.stack(np.meshgrid(first, second), axis=-1)
    predicted = classifier.predict(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    axes.pcolormesh(first, second, predicted, cmap=ListedColormap(COLORS), alpha=0.22)
    style: dict[str, Any] = {"s": 22, "edgecolors": "white", "linewidths": 0.5}
    for c, (color, marker) in enumerate(zip(COLORS, MARKERS, strict=True)):
        axes.contour(first, second, predicted == c, levels=[0.5], colors=INK, linewidths=1.2)
        label = f"true class {c}"
        axes.scatter(X[y == c, 0], X[y == c, 1], c=color, marker=marker, label=label, **style)


def correlations_figure() -> Figure:
    """How many dimensions the halves of the digits share."""
    left, right, _ = digits_halves()
    X = StandardScaler().fit_transform(np.hstack([left, right]))
    aligner = NullSpaceAligner(None, modalities=WIDTHS, shrinkage=None).fit(X)
    shared, k = np.sum(aligner.pvalues_ <= SIGNIFICANCE), len(aligner.pvalues_)
    title = "Digits: what the two halves of an image share"
    figure, (picture, axes) = _panels(title, width_ratios=(1, 2.6))
    _halves(picture, left, right)
    for first, stop, color, label in (
        (0, shared, BLUE, f"shared beyond chance (p ≤ {SIGNIFICANCE:g}): {shared}"),
        (shared, k, GREY, f"not told from chance: {k - shared}"),
    ):
        heights = aligner.correlations_[first:stop]
        axes.bar(np.arange(first, stop) + 1, heights, color=color, label=label)
    band, edges = null_band(aligner), np.arange(k + 1) + 0.5
    axes.stairs(band, edges, baseline=None, color=VERMILION, linewidth=1.5)
    label = f"what chance alone can give (p > {SIGNIFICANCE:g})"
    axes.stairs(band, edges, fill=True, color=VERMILION, alpha=0.25, zorder=0, label=label)
    axes.set(xlim=(0.3, k + 0.7), xlabel="component of the aligned space")
    axes.set(ylim=(0, 1), ylabel="correlation of the halves' latents (no unit)")
    axes.set_title(f"Sample correlations over {len(X)} pairs")
    axes.legend(loc="upper right")
    return figure


def null_band(aligner: NullSpaceAligner) -> Floats:
    """Largest sample correlations that do not count as shared, one per component.

    For all components of two modalities without shrinkage, together no wider than half of the
    pairs. Component j is tested beside the j before it, by Roy's largest root of what they leave.
    The first that stays within its band ends the test: none is shared from there on, and what is
    left has that one band.
    """
    p, q = aligner.ranks_
    dof = aligner.n_pairs_ - aligner.center
    critical = [
        critical_correlation(SIGNIFICANCE, p - j, q - j, dof - j) for j in range(min(p, q))
    ]
    last = np.sum(aligner.pvalues_ <= SIGNIFICANCE)
    return np.array([critical[min(j, last)] for j in range(len(critical))])


def _halves(axes: Axes, left: Floats, right: Floats) -> None:
    """The digits from 0 to 9, cut in two."""
    halves = np.stack([left[:10], right[:10]], axis=1).reshape(2, 5, 2, 8, 4)
    padded = np.pad(halves, [(0, 0), (0, 0), (0, 0), (0, 1), (0, 1)], constant_values=np.nan)
    picture = padded.transpose(1, 3, 0, 2, 4).reshape(5 * 9, 2 * 2 * 5)
    axes.imshow(picture, cmap="gray_r", vmin=-2.5, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title("Pairs of halves")


def _panels(title: str, **options: Any) -> tuple[Figure, Any]:
    """A figure with two panels, made without pyplot: nothing global changes."""
    figure = Figure(figsize=(10, 5), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    figure.suptitle(title)
    return figure, figure.subplots(1, 2, **options)


def _label(axes: Axes, title: str, dimension: str) -> None:
    """Title of a panel, and names of its axes: dimensions 1 and 2."""
    axes.set(title=title, xlabel=dimension.format(1), ylabel=dimension.format(2))
