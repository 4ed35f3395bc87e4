"""Whether the clocks of two modalities agree: what they share over shifts of one of them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils import check_consistent_length

from .._blocks import position_of
from .._utils._array_api import vector_as_numpy
from .._utils._labels import is_blank
from .._utils._rows import numbered
from .._utils._validation import check_number
from ._input import aligner_of, read_rows
from ._lag_curve import lag_curve, stretches
from ._plot import BLUE, VERMILION, axes_of, finish, legend_below, merged, shortened

_OWNER = "LagDisplay"


class LagDisplay:
    r"""What two modalities share where one is shifted against the other; for rows in order.

    Rows t of the reference and t + lag of the other modality are paired, maps are learned anew
    for every lag, and judged on stretches of rows that were held out: the information of Gaussian
    pairs with the correlations found there, :math:`-\tfrac12 \sum_j \operatorname{sgn}(c_j)
    \log(1 - c_j^2)` nats. Rows that are paired as they should be have their peak at lag 0. Where
    it is elsewhere a clock is off by so many rows: shift the modality back by `best_lag_`.

    Parameters
    ----------
    lags : array-like of int, shape (n_lags,)
        Shifts, in rows.
    information : array-like of shape (n_lags, n_folds)
        What is shared at each lag on each fold, in nats; NaN where a fold has no pairs.
    n_pairs : array-like of shape (n_lags, n_folds)
        Numbers of pairs.
    modality_names : pair of str, default=("modality0", "modality1")
        Names of the reference and of the modality that is shifted.

    Attributes
    ----------
    means_ : ndarray of shape (n_lags,)
        Information at each lag, a mean over folds by their pairs.
    errors_ : ndarray of shape (n_lags,)
        Standard errors over folds.
    best_lag_ : int
        The lag of most information; of equals the one nearest to 0.
    margin_ : float
        By how many standard errors, over folds, the best lag is ahead of the next best. Below
        two it is a guess.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    line_, band_, mark_ : artists
        The curve, its standard errors and the best lag, after `plot`.

    Notes
    -----
    Rows should tell moments apart. Raw signals of two sensors may be related through a derivative,
    as acceleration and rotation are, and then share most at a shift of a fraction of a period;
    features of short windows do not have this. Rows that follow each other like one another, such
    as those of one activity, tell a lag no finer than that they last.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import NullSpaceAligner
    >>> from skalign.inspection import LagDisplay
    >>> rng = np.random.default_rng(0)
    >>> world = rng.normal(size=(600, 2))
    >>> first = world @ rng.normal(size=(2, 4)) + 0.5 * rng.normal(size=(600, 4))
    >>> second = world @ rng.normal(size=(2, 5)) + 0.5 * rng.normal(size=(600, 5))
    >>> late = np.roll(second, 3, axis=0)  # by three rows
    >>> X = np.hstack([first, late])
    >>> aligner = NullSpaceAligner(2, modalities=[4, 5]).fit(X)
    >>> LagDisplay.from_estimator(aligner, X, lags=6).best_lag_
    3
    """

    def __init__(
        self,
        lags: Any,
        information: Any,
        n_pairs: Any,
        *,
        modality_names: tuple[str, str] = ("modality0", "modality1"),
    ) -> None:
        self.lags = np.asarray(lags)
        self.information = np.asarray(information, dtype=float)
        self.n_pairs = np.asarray(n_pairs)
        self.modality_names = tuple(modality_names)
        shape = self.information.shape
        if len(shape) != 2 or self.n_pairs.shape != shape or self.lags.shape != shape[:1]:
            raise ValueError(
                f"lags, information and n_pairs have shapes {self.lags.shape}, {shape} and "
                f"{self.n_pairs.shape}: give (n_lags,), and twice (n_lags, n_folds)."
            )
        if not np.isfinite(self.information).any():
            raise ValueError("information is NaN everywhere: no fold has pairs at any lag.")
        self.means_, self.errors_ = self._moments(self.information)
        reached = np.where(np.isfinite(self.means_), self.means_, -np.inf)
        nearest = np.argsort(np.abs(self.lags), kind="stable")
        best = nearest[np.argmax(reached[nearest])]
        self.best_lag_ = int(self.lags[best])
        self.margin_ = self._margin(best, reached)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        lags: Any = 10,
        groups: Any = None,
        reference: int | str = 0,
        shifted: int | str = 1,
        n_folds: int = 5,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Measure, and draw, what a fitted aligner's modalities share at each lag.

        Parameters
        ----------
        estimator : NullSpaceAligner or CrossModalTransferClassifier
            Fitted; may be frozen. Its settings are those of the fits; all components take part,
            unless ``n_components`` is a number.
        X : array-like of shape (n_samples, n_features)
            Rows in order. A row that lacks one of the two modalities holds its place in time.
        lags : int or array-like of int, default=10
            Shifts to try, in rows; a number is all from minus to plus that.
        groups : array-like of shape (n_samples,), default=None
            Sequences, such as recordings. Nothing is shifted from one into another, and one is
            held out as a whole. None: all rows are one sequence.
        reference, shifted : int or str, default=0 and 1
            Modality that stays and modality that is shifted, by position or name.
        n_folds : int, default=5
            Number of folds.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Of `plot`.

        Returns
        -------
        display : LagDisplay

        Raises
        ------
        TypeError
            If the estimator is neither of the two.
        ValueError
            If there are too few rows to hold some out, or parameters are out of range.
        """
        aligner = aligner_of(estimator, _OWNER)
        lags = checked_lags(lags)
        check_number("n_folds", n_folds, low=2, integer=True)
        names = aligner.modality_names_
        first = position_of(reference, names, "reference")
        second = position_of(shifted, names, "shifted")
        if first == second:
            raise ValueError(f"reference={reference!r} and shifted={shifted!r} are one modality.")
        rows = read_rows(estimator, aligner, X, _OWNER)
        groups = checked_groups(groups, len(rows.X))
        longest = int(np.abs(lags).max())
        if len(rows.X) < n_folds * 2:
            raise ValueError(
                f"{_OWNER} has {len(rows.X)} rows for {n_folds} folds: give more rows, or ask for "
                "fewer folds."
            )
        X1, X2 = (rows.blocks.take(rows.X, m) for m in (first, second))
        stretch = stretches(groups, n_folds, longest)
        curve = lag_curve(X1, X2, stretch, lags, n_folds, fit_options(aligner, first, second))
        if not np.isfinite(curve.information).any():
            raise ValueError(
                f"{_OWNER} has too few pairs: at no lag do two folds have two pairs each, and no "
                "modality that is constant. Give more rows, or fewer folds."
            )
        display = cls(lags, *curve, modality_names=(names[first], names[second]))
        return display.plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: dict | None = None,
        band_kw: dict | None = None,
        mark_kw: dict | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw : dict, default=None
            Of ``Axes.plot``, for the curve.
        band_kw : dict, default=None
            Of ``Axes.fill_between``, for its standard errors.
        mark_kw : dict, default=None
            Of ``Axes.axvline``, for the best lag.

        Returns
        -------
        self : LagDisplay
        """
        self.figure_, self.ax_ = axes_of(ax, _OWNER)
        order = np.argsort(self.lags)
        lags, mean, error = self.lags[order], self.means_[order], self.errors_[order]
        mark = {"color": VERMILION, "linestyle": "--", "label": f"best lag: {self.best_lag_}"}
        self.mark_ = self.ax_.axvline(self.best_lag_, **merged(mark, mark_kw))
        line = {"color": BLUE, "marker": "o", "markersize": 4, "label": "rows held out"}
        (self.line_,) = self.ax_.plot(lags, mean, **merged(line, line_kw))
        band = {"color": BLUE, "alpha": 0.2, "linewidth": 0, "label": "± standard error"}
        ends = mean - error, mean + error
        self.band_ = self.ax_.fill_between(lags, *ends, **merged(band, band_kw))
        first, second = map(shortened, self.modality_names)
        title = f"What {first} and {second} share,\n{second} taken some rows later"
        finish(self.ax_, title, "lag (rows)", "information (nats a pair)")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.set_ylim(bottom=min(0.0, float(np.nanmin(ends[0]))))
        legend_below(self.ax_)
        return self

    def _moments(self, values):
        """Means over folds by their pairs, and standard errors of these."""
        share = np.where(np.isfinite(values), self.n_pairs, 0).astype(float)
        total = share.sum(axis=1, keepdims=True)
        share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
        mean = np.sum(share * np.nan_to_num(values), axis=1)
        spread = np.sum(share**2 * np.nan_to_num(values - mean[:, None]) ** 2, axis=1)
        folds = np.sum(share > 0, axis=1)
        error = np.sqrt(spread * folds / np.maximum(folds - 1, 1))
        none = total[:, 0] == 0
        return np.where(none, np.nan, mean), np.where(none, np.nan, error)

    def _margin(self, best, reached):
        """Standard errors by which the best lag is ahead of the next best, fold by fold."""
        others = np.where(np.arange(len(reached)) == best, -np.inf, reached)
        if not np.isfinite(others).any():
            return 0.0
        ahead = (self.information[best] - self.information[np.argmax(others)])[None, :]
        pairs, self.n_pairs = self.n_pairs, self.n_pairs[[best]]
        (gain,), (error,) = self._moments(ahead)
        self.n_pairs = pairs
        return float(gain / error) if error > 0 else float(np.inf if gain > 0 else 0.0)


def fit_options(aligner, first: int, second: int) -> dict:
    """Settings of the fits of two of an aligner's modalities."""
    options = aligner._options()
    if options["n_components"] == "auto":
        options["n_components"] = None
    shrinkage = options["shrinkage"]
    if not isinstance(shrinkage, str) and np.ndim(shrinkage) == 1:
        options["shrinkage"] = [shrinkage[first], shrinkage[second]]
    return options


def checked_lags(lags: Any) -> np.ndarray:
    """Different lags in ascending order."""
    if np.ndim(lags) == 0:
        check_number("lags", lags, low=1, integer=True)
        return np.arange(-int(lags), int(lags) + 1)
    given = np.asarray(lags)
    if given.ndim != 1 or len(given) == 0 or given.dtype.kind not in "iu":
        raise ValueError(f"lags={lags!r} must be a number, or whole numbers of rows.")
    return np.unique(given).astype(int)


def checked_groups(groups: Any, n: int) -> np.ndarray:
    """Number of the sequence of each row, in the order of first rows."""
    if groups is None:
        return np.zeros(n, dtype=int)
    values = np.asarray(vector_as_numpy(groups))
    check_consistent_length(np.empty(n), values)
    if values.ndim != 1:
        raise ValueError(f"groups must be 1-D, one for each row of X; got shape {values.shape}.")
    blank = np.flatnonzero([is_blank(group) for group in values.tolist()])
    if len(blank):
        raise ValueError(f"groups has none for row {blank[0]}: every row is of some sequence.")
    return numbered(values)
