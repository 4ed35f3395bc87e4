"""Both modalities in the aligned space, with lines between partners."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._utils._validation import check_number
from ._input import aligner_of, class_codes, read_rows, some_pairs
from ._loadings import check_component
from ._plot import (
    INK,
    MARKERS,
    MOST_NAMED,
    axes_of,
    classes_drawn,
    finish,
    legend_below,
    merged,
    numbers_of,
    shortened,
)

_OWNER = "AlignmentDisplay"


class AlignmentDisplay:
    """Encodings of the modalities of some pairs, partners joined by lines.

    Short lines are pairs that agree. A marker a modality, a colour a class. One component is drawn
    with a line for each modality instead.

    Parameters
    ----------
    latents : list of array-like of shape (n_pairs, 2) or (n_pairs, 1)
        Encodings by each modality, pair by pair.
    y : array-like of shape (n_pairs,), default=None
        Classes, for colours; -1, None or NaN where a pair has none.
    modality_names : sequence of str, default=None
        Names of the modalities.
    components : sequence of int, default=(0, 1)
        Which components these are, counted from zero; for the labels of axes.

    Attributes
    ----------
    gap_ : float
        Median length of a line, over that of a line between pairs drawn at random: 0 where all
        partners meet, 1 where they are as far apart as any.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    lines_ : LineCollection
        After `plot`.
    points_ : list of PathCollection
        After `plot`, class by class and modality by modality.

    Examples
    --------
    >>> from skalign import NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.inspection import AlignmentDisplay
    >>> data = make_paired_gaussians(300, n_features=(5, 8), noise=0.5, random_state=0)
    >>> aligner = NullSpaceAligner(modalities=[5, 8]).fit(data.X)
    >>> display = AlignmentDisplay.from_estimator(aligner, data.X, data.y, random_state=0)
    >>> display.gap_ < 0.2
    True
    """

    def __init__(
        self,
        latents: Any,
        y: Any = None,
        *,
        modality_names: Any = None,
        components: Any = (0, 1),
    ) -> None:
        self.latents = [np.asarray(Z, dtype=float) for Z in latents]
        shapes = {Z.shape for Z in self.latents}
        if len(self.latents) < 2 or len(shapes) > 1 or self.latents[0].ndim != 2:
            raise ValueError(
                f"latents have shapes {[Z.shape for Z in self.latents]}: give two or more arrays "
                "of shape (n_pairs, n_components), rows paired."
            )
        n, k = self.latents[0].shape
        self.components = tuple(np.atleast_1d(components))[:k]
        if n == 0 or k not in (1, 2) or len(self.components) != k:
            raise ValueError(
                f"latents have {n} pairs and {k} components, and components={components!r}: one "
                "or two components can be drawn, of one pair at least."
            )
        self.y = y
        self._classes = class_codes(y, n, _OWNER)
        self.modality_names = tuple(
            modality_names or (f"modality{m}" for m in range(len(self.latents)))
        )
        if len(self.modality_names) != len(self.latents):
            raise ValueError(
                f"{len(self.latents)} latents, and {len(self.modality_names)} modality_names: "
                "give one each."
            )
        self.gap_ = relative_gap(self.latents)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        components: Any = None,
        max_pairs: int = 200,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Encode, and draw, pairs by a fitted aligner.

        Parameters
        ----------
        estimator : NullSpaceAligner or CrossModalTransferClassifier
            Fitted; may be frozen.
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side. Rows that lack one are left out. Pairs that the
            aligner has not seen tell more: those it has seen agree a little better.
        y : array-like of shape (n_samples,), default=None
            Classes, for colours; -1, None or NaN where a row has none.
        components : int or pair of int, default=None
            Which to draw, counted from zero. None is the first two of those that are not exact,
            if there are two, since lines of exact ones have no length; else the first two, or the
            only one.
        max_pairs : int, default=200
            Of more pairs so many are drawn, at random.
        random_state : int, RandomState instance or None, default=None
            Chooses these.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Of `plot`.

        Returns
        -------
        display : AlignmentDisplay

        Raises
        ------
        TypeError
            If the estimator is neither of the two.
        ValueError
            If `X` has no pairs, or there is no such component.
        """
        aligner = aligner_of(estimator, _OWNER)
        check_number("max_pairs", max_pairs, low=1, integer=True)
        k = aligner.n_components_
        start = aligner.n_exact_components_ if aligner.n_exact_components_ + 2 <= k else 0
        first = range(start, min(start + 2, k))
        shown = tuple(first if components is None else np.atleast_1d(components).tolist())
        for component in shown:
            check_component("components", component, k)
        rows = read_rows(estimator, aligner, X, _OWNER)
        classes = class_codes(y, len(rows.X), _OWNER)
        pairs = some_pairs(rows, max_pairs, random_state, _OWNER)
        latents = [Z[:, list(shown)] for Z in aligner._encoders.encode(rows.X[pairs])]
        names = aligner.modality_names_
        display = cls(latents, modality_names=names, components=shown)
        if y is not None:
            display.y, display._classes = np.asarray(y)[pairs], (classes[0][pairs], classes[1])
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, point_kw: dict | None = None, line_kw: dict | None = None
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        point_kw : dict, default=None
            Of ``Axes.scatter``, for all points.
        line_kw : dict, default=None
            Of ``LineCollection``, for the lines.

        Returns
        -------
        self : AlignmentDisplay
        """
        self.figure_, self.ax_ = axes_of(ax, _OWNER)
        from matplotlib.collections import LineCollection

        places = self._places()
        style = merged({"color": INK, "alpha": 0.35, "linewidth": 0.8, "zorder": 1}, line_kw)
        self.lines_ = self.ax_.add_collection(LineCollection(list(np.stack(places, 1)), **style))
        self.points_ = []
        drawn = classes_drawn(self._classes)
        for name, rows, color, _ in drawn:
            for m, Z in enumerate(places):
                dots = {"s": 24, "marker": MARKERS[m % len(MARKERS)], "zorder": 2}
                dots |= {"facecolors": color if m else "none", "edgecolors": color}
                self.points_.append(self.ax_.scatter(*Z[rows].T, **merged(dots, point_kw)))
            if name and len(drawn) <= MOST_NAMED:
                self.ax_.scatter([], [], c=[color], s=24, marker="s", label=name)
        for m, name in enumerate(self.modality_names):
            face = INK if m else "none"
            look = {"s": 24, "marker": MARKERS[m % len(MARKERS)], "edgecolors": INK}
            self.ax_.scatter([], [], facecolors=face, label=name, **look)
        n = numbers_of(len(places[0]), "pair")
        title = f"{n}, encoded: partners are\n{self.gap_:.2f} times as far apart as others are"
        finish(self.ax_, title, *self._labels())
        if len(self.components) == 1:
            self.ax_.set_yticks(range(len(places)), list(map(shortened, self.modality_names)))
            self.ax_.set_ylim(-0.4, len(places) - 0.6)
        else:
            self.ax_.set_aspect("equal", adjustable="datalim")
        self.ax_.autoscale_view()
        legend_below(self.ax_)
        return self

    def _places(self):
        """Points of each modality; of one component on a line each."""
        if len(self.components) == 2:
            return self.latents
        return [np.column_stack([Z[:, 0], np.full(len(Z), m)]) for m, Z in enumerate(self.latents)]

    def _labels(self):
        x, *rest = [f"component {c + 1} (no unit)" for c in self.components]
        return x, rest[0] if rest else "modality"


def relative_gap(latents) -> float:
    """Median distance of partners, over that of rows that are none: each with the next ones."""
    gaps, others = [], []
    for m, Z in enumerate(latents):
        for W in latents[m + 1 :]:
            gaps.append(np.linalg.norm(Z - W, axis=1))
            shifts = range(1, min(len(Z), 20))
            others += [np.linalg.norm(Z - np.roll(W, s, axis=0), axis=1) for s in shifts]
    apart = np.median(others) if others else 0.0
    gap = float(np.median(gaps))
    return gap / float(apart) if apart > 0 else float(gap > 0)
