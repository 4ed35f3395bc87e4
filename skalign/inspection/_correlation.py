"""How many components are shared: correlations, beside those of pairs that are none."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from .._utils._validation import check_number
from ..alignment._significance import SIGNIFICANCE
from ._input import aligner_of, read_rows, refitted
from ._plot import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    axes_of,
    finish,
    legend_below,
    merged,
    numbers_of,
)

_OWNER = "CorrelationDisplay"


class CorrelationDisplay:
    r"""Canonical correlations, component by component, beside those of shuffled pairs.

    Bars are correlations of the latents in the fitted model: exact components, those shared beyond
    chance (p-value of 1 % or less), and the others. The band is what the same fit finds where the
    rows of modalities are shuffled: nothing is shared there, and yet the largest correlation of
    many is above zero. Of a component that counts as shared the band is that of the largest
    shuffled one, and the components after the last of these are set beside the largest, the second
    and so on. P-values suppose Gaussian rows and shuffles do not: where bars that count as shared
    stay within the band, columns are rarely lit or have heavy tails, and fewer may be shared. Both
    take rows as drawn apart from each other: smooth sequences share more by chance.

    Parameters
    ----------
    correlations : array-like of shape (n_components,)
        Largest first.
    pvalues : array-like of shape (n_components,), default=None
        P-values of "no more than j dimensions are shared"; None draws all bars alike.
    n_exact : int, default=0
        How many, from the first, are exact.
    null_correlations : array-like of shape (n_permutations, n_components), default=None
        Correlations of shuffled pairs, one fit a row; None draws no band.
    n_pairs : int, default=None
        Number of pairs, for the title.
    quantile : float, default=0.95
        Upper end of the band, a quantile over the shuffles; 1 is the largest of them.

    Attributes
    ----------
    band_ : ndarray of shape (n_components,) or None
        Upper end of the band.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    bars_ : BarContainer
        After `plot`.
    band_artist_ : PolyCollection or None
        After `plot`.

    See Also
    --------
    skalign.NullSpaceAligner : What is looked at.

    Examples
    --------
    >>> from skalign import NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.inspection import CorrelationDisplay
    >>> data = make_paired_gaussians(300, n_features=(5, 8), noise=0.5, random_state=0)
    >>> aligner = NullSpaceAligner(modalities=[5, 8]).fit(data.X)
    >>> display = CorrelationDisplay.from_estimator(aligner, data.X, random_state=0)
    >>> int((display.correlations > display.band_).sum()) == aligner.n_components_
    True
    """

    def __init__(
        self,
        correlations: Any,
        *,
        pvalues: Any = None,
        n_exact: int = 0,
        null_correlations: Any = None,
        n_pairs: int | None = None,
        quantile: float = 0.95,
    ) -> None:
        self.correlations = np.asarray(correlations, dtype=float)
        self.pvalues = None if pvalues is None else np.asarray(pvalues, dtype=float)
        self.n_exact = n_exact
        self.null_correlations = (
            None if null_correlations is None else np.asarray(null_correlations, dtype=float)
        )
        self.n_pairs = n_pairs
        self.quantile = quantile
        self._check()
        self.band_ = self._band()

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        n_permutations: int = 50,
        quantile: float = 0.95,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Measure, and draw, the correlations of a fitted aligner.

        Parameters
        ----------
        estimator : NullSpaceAligner or CrossModalTransferClassifier
            Fitted; may be frozen.
        X : array-like of shape (n_samples, n_features), default=None
            The rows that it was fitted to. It is fitted anew to them, with all components, and
            again to every shuffle; rows count alike, also where it was fitted with weights. None
            draws the components that it has, without a band.
        n_permutations : int, default=50
            Number of shuffles, a fit each.
        quantile : float, default=0.95
            Upper end of the band, over the shuffles.
        random_state : int, RandomState instance or None, default=None
            Draws the shuffles.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Of `plot`.

        Returns
        -------
        display : CorrelationDisplay

        Raises
        ------
        TypeError
            If the estimator is neither of the two.
        ValueError
            If `X` cannot be fitted to, or parameters are out of range.
        """
        aligner = aligner_of(estimator, _OWNER)
        check_number("n_permutations", n_permutations, low=1, integer=True)
        null = None
        if X is not None:
            rows, given = read_rows(estimator, aligner, X, _OWNER), aligner
            aligner = refitted(given, rows.X, rows.blocks, n_components=None)
            rng = check_random_state(random_state)
            k = aligner.n_components_
            null = shuffled_correlations(given, rows, n_permutations, k, rng)
        display = cls(
            aligner.correlations_,
            pvalues=aligner.pvalues_,
            n_exact=aligner.n_exact_components_,
            null_correlations=null,
            n_pairs=aligner.n_pairs_,
            quantile=quantile,
        )
        return display.plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        bar_kw: dict | None = None,
        band_kw: dict | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        bar_kw : dict, default=None
            Of ``Axes.bar``, for all bars.
        band_kw : dict, default=None
            Of ``Axes.fill_between``, for the band.

        Returns
        -------
        self : CorrelationDisplay
        """
        self.figure_, self.ax_ = axes_of(ax, _OWNER)
        place, k = np.arange(1, len(self.correlations) + 1), len(self.correlations)
        kind = self.kinds()
        names = ("exact", f"shared beyond chance (p ≤ {SIGNIFICANCE:g})", "not told from chance")
        colors = np.array([INK, BLUE, GREY])
        bars = merged({"color": colors[kind], "width": 0.8}, bar_kw)
        self.bars_ = self.ax_.bar(place, self.correlations, **bars)
        if self.pvalues is not None:
            for c, name in enumerate(names):
                if np.any(kind == c):
                    label = f"{name}: {np.sum(kind == c)}"
                    self.ax_.bar([np.nan], [np.nan], color=colors[c], label=label)
        self.band_artist_ = None
        if self.band_ is not None:
            label = f"shuffled pairs, up to {100 * self.quantile:.0f} % of them"
            style = {"color": VERMILION, "alpha": 0.3, "step": "mid", "label": label}
            edges = np.r_[0.5, place, k + 0.5]  # the first and last step are as wide as others
            band = self.band_[np.r_[0, :k, k - 1]]
            self.band_artist_ = self.ax_.fill_between(edges, 0, band, **merged(style, band_kw))
        title = "What the modalities share"
        if self.n_pairs is not None:
            title += f", over {numbers_of(self.n_pairs, 'pair')}"
        finish(self.ax_, title, "component", "correlation of the latents (no unit)")
        self.ax_.set(xlim=(0.3, k + 0.7), ylim=(0, 1.03))
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        legend_below(self.ax_)
        return self

    def kinds(self) -> np.ndarray:
        """Kind of each component: 0 exact, 1 shared beyond chance, 2 neither.

        Returns
        -------
        ndarray of int, shape (n_components,)
        """
        kind = np.ones(len(self.correlations), dtype=int)
        if self.pvalues is not None:
            kind[self.pvalues > SIGNIFICANCE] = 2
        kind[: self.n_exact] = 0
        return kind

    def _band(self):
        """Upper end of the band: of shared components the largest, of others one after another."""
        if self.null_correlations is None:
            return None
        ends = np.quantile(self.null_correlations, self.quantile, axis=0)
        shared = np.sum(self.kinds() < 2) if self.pvalues is not None else 0
        return ends[np.maximum(np.arange(len(ends)) - shared, 0)]

    def _check(self):
        """Raise unless arrays belong together."""
        check_number("quantile", self.quantile, low=0, high=1)
        k = len(self.correlations)
        if self.correlations.ndim != 1 or k == 0:
            raise ValueError("correlations must be 1-D, one a component, of at least one.")
        for name, values in (
            ("pvalues", self.pvalues), ("null_correlations", self.null_correlations)
        ):  # fmt: skip
            if values is not None and values.shape[-1:] != (k,):
                raise ValueError(f"{name} has shape {np.shape(values)}, for {k} components.")


def shuffled_correlations(aligner, rows, n_permutations: int, k: int, rng) -> np.ndarray:
    """Correlations (n_permutations, k) of fits to rows whose modalities are shuffled."""
    found = np.zeros((n_permutations, k))
    for own in found:
        fitted = refitted(aligner, rows.shuffled(rng), rows.blocks, n_components=None)
        several = min(k, fitted.n_components_)
        own[:several] = fitted.correlations_[:several]
    return found
