"""What a transfer says of the target, in the two dimensions that tell its classes apart."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils import check_array, check_consistent_length, check_random_state

from .._utils._validation import check_number
from ._input import class_codes, read_rows, transfer_of, unnamed
from ._loadings import names_of
from ._plot import (
    MOST_NAMED,
    axes_of,
    class_colors,
    classes_drawn,
    finish,
    legend_below,
    merged,
    shortened,
)

_OWNER = "TransferDisplay"
# Rows whose probabilities are averaged at a point of the plane; rows of a class to look for
# directions by.
NEIGHBORS, LEAST = 15, 3


class TransferDisplay:
    """Class regions of the target, and rows over them.

    The plane is that of the two leading linear discriminants of what the target's classifier says
    of the rows; of two features it is these. The region of a point has the class that the
    classifier finds likeliest, on average, for the rows nearest to it in the plane; of two
    features, for the point itself. Where classes need more than two dimensions regions are not the
    classifier: `fidelity_` tells for how many rows they say what it says.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (r, s)
        Grid of the plane.
    response : ndarray of int, shape (r, s)
        Number of the class of each point.
    points : ndarray of shape (n, 2)
        Rows in the plane.
    predicted : ndarray of int, shape (n,)
        Number of the class that the classifier finds for each.
    classes : array-like of shape (n_classes,)
        Labels of the classes.
    y : array-like of shape (n,), default=None
        True classes, for colours; -1, None or NaN where a row has none. Where none of them has
        one rows are coloured by what is predicted.
    target_name : str, default="target"
        Name of the modality, for the title.
    axis_names : pair of str
        Labels of the axes.
    fidelity : float, default=None
        Share of the rows, of all that were looked at, whose region is of their predicted class.
        None counts those that are drawn.

    Attributes
    ----------
    fidelity_ : float
        Share of the rows whose region is of their predicted class.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    surface_ : QuadMesh
        After `plot`.
    points_ : list of PathCollection
        After `plot`, class by class.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CrossModalTransferClassifier, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.inspection import TransferDisplay
    >>> data = make_paired_gaussians(400, n_features=(5, 8), noise=0.5, random_state=0)
    >>> y = np.where(np.arange(400) < 200, data.y, -1)
    >>> model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8]))
    >>> display = TransferDisplay.from_estimator(model.fit(data.X, y), data.X, data.y)
    >>> display.fidelity_ > 0.9
    True
    """

    def __init__(
        self,
        xx0: Any,
        xx1: Any,
        response: Any,
        points: Any,
        predicted: Any,
        classes: Any,
        *,
        y: Any = None,
        target_name: str = "target",
        axis_names: tuple[str, str] = ("discriminant 1", "discriminant 2"),
        fidelity: float | None = None,
    ) -> None:
        self.xx0, self.xx1, self.response = map(np.asarray, (xx0, xx1, response))
        self.points, self.predicted = np.asarray(points, dtype=float), np.asarray(predicted)
        self.classes, self.y = np.asarray(classes), y
        self.target_name, self.axis_names = target_name, tuple(axis_names)
        if self.xx0.shape != self.response.shape or self.xx1.shape != self.response.shape:
            raise ValueError("xx0, xx1 and response must have one shape, that of the grid.")
        if self.points.shape != (len(self.predicted), 2):
            raise ValueError(
                f"points have shape {self.points.shape}, for {len(self.predicted)} predictions: "
                "two coordinates a row."
            )
        self._true = class_codes(y, len(self.points), _OWNER, self.classes)
        if y is not None and not np.any(self._true[0] >= 0):
            self.y = None
        here = self._region_of(self.points) == self.predicted
        self.fidelity_ = float(np.mean(here)) if fidelity is None else fidelity

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        grid_resolution: int = 200,
        max_rows: int = 500,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what a fitted transfer says of some rows.

        Parameters
        ----------
        estimator : CrossModalTransferClassifier
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side. Rows that lack the target are left out; of the
            others the target alone is looked at.
        y : array-like of shape (n_samples,), default=None
            True classes, for colours; -1, None or NaN where a row has none. Where none of those
            that are drawn has one they are coloured by what is predicted.
        grid_resolution : int, default=200
            Points of the grid along each axis.
        max_rows : int, default=500
            Of more rows so many are drawn, at random; regions are found by all.
        random_state : int, RandomState instance or None, default=None
            Chooses these.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Of `plot`.

        Returns
        -------
        display : TransferDisplay

        Raises
        ------
        TypeError
            If the estimator is not a CrossModalTransferClassifier.
        ValueError
            If fewer than two rows have the target.
        """
        model = transfer_of(estimator, _OWNER)
        check_number("grid_resolution", grid_resolution, low=2, integer=True)
        check_number("max_rows", max_rows, low=1, integer=True)
        rows = read_rows(estimator, model.aligner_, X, _OWNER)
        codes, classes = class_codes(y, len(rows.X), _OWNER, model.classes_)
        has = np.flatnonzero(rows.present[:, model.target_])
        if len(has) < 2:
            raise ValueError(f"{_OWNER} needs rows with the target: X has {len(has)}, give two.")
        block = rows.blocks.take(rows.X, model.target_)[has]
        proba_of = unnamed(model.target_classifier_)
        names = names_of(model.aligner_)[model.target_]
        plane = plane_of(block, proba_of(block), names, grid_resolution, proba_of)
        told = None if y is None else (np.asarray(y)[has], codes[has], classes)
        name = model.aligner_.modality_names_[model.target_]
        rng = check_random_state(random_state)
        display = cls._of_plane(plane, model.classes_, told, name, max_rows, rng)
        return display.plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_proba: Any,
        y: Any = None,
        *,
        classes: Any = None,
        target_name: str = "target",
        feature_names: Any = None,
        grid_resolution: int = 200,
        max_rows: int = 500,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what was predicted of some rows, by whatever classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the target alone.
        y_proba : array-like of shape (n_samples, n_classes)
            Class probabilities that were predicted of them.
        y : array-like of shape (n_samples,), default=None
            True classes, for colours; -1, None or NaN where a row has none.
        classes : array-like of shape (n_classes,), default=None
            Labels of the classes, in the order of the columns of `y_proba`; None counts them.
        target_name : str, default="target"
            Name of the modality, for the title.
        feature_names : sequence of str, default=None
            Names of the columns, for axes of two features or one.
        grid_resolution : int, default=200
            Points of the grid along each axis.
        max_rows : int, default=500
            Of more rows so many are drawn, at random; regions are found by all.
        random_state : int, RandomState instance or None, default=None
            Chooses these.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Of `plot`.

        Returns
        -------
        display : TransferDisplay

        Raises
        ------
        ValueError
            If arrays do not belong together, or there are fewer than two rows.
        """
        check_number("grid_resolution", grid_resolution, low=2, integer=True)
        check_number("max_rows", max_rows, low=1, integer=True)
        block = check_array(X, dtype=np.float64, ensure_min_samples=2, input_name="X")
        proba = check_array(y_proba, dtype=np.float64, input_name="y_proba")
        check_consistent_length(block, proba)
        classes = np.arange(proba.shape[1]) if classes is None else np.asarray(classes)
        names = feature_names
        if names is None:
            names = [f"column {j}" for j in range(block.shape[1])]
        for name, values, n in (
            ("classes", classes, proba.shape[1]), ("feature_names", names, block.shape[1])
        ):  # fmt: skip
            if len(values) != n:
                raise ValueError(f"{name} has {len(values)} entries, for {n} columns.")
        plane = plane_of(block, proba, names, grid_resolution)
        told = None if y is None else (np.asarray(y), *class_codes(y, len(block), _OWNER, classes))
        rng = check_random_state(random_state)
        display = cls._of_plane(plane, classes, told, target_name, max_rows, rng)
        return display.plot(ax, **kwargs)

    @classmethod
    def _of_plane(cls, plane, classes, told, target_name, max_rows, rng) -> Self:
        """Some rows of a plane; their labels, codes of these and their classes, where told."""
        n = len(plane.points)
        drawn = np.sort(rng.choice(n, min(max_rows, n), replace=False))
        xx0, xx1 = plane.grid
        display = cls(
            xx0,
            xx1,
            plane.response,
            plane.points[drawn],
            plane.predicted[drawn],
            classes,
            target_name=target_name,
            axis_names=plane.axis_names,
            fidelity=plane.fidelity,
        )
        if told is not None and np.any(told[1][drawn] >= 0):
            display.y, display._true = told[0][drawn], (told[1][drawn], told[2])
        return display

    def plot(
        self, ax: Any = None, *, surface_kw: dict | None = None, point_kw: dict | None = None
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        surface_kw : dict, default=None
            Of ``Axes.pcolormesh``, for the regions.
        point_kw : dict, default=None
            Of ``Axes.scatter``, for the rows.

        Returns
        -------
        self : TransferDisplay
        """
        self.figure_, self.ax_ = axes_of(ax, _OWNER)
        from matplotlib.colors import ListedColormap

        told = self._true if self.y is not None else (self.predicted, self.classes)
        n = len(told[1])
        style = {"cmap": ListedColormap(class_colors(n)), "alpha": 0.25, "rasterized": True}
        style |= {"vmin": -0.5, "vmax": n - 0.5, "shading": "auto"}
        grid = self.xx0, self.xx1, self.response
        self.surface_ = self.ax_.pcolormesh(*grid, **merged(style, surface_kw))
        self.points_, drawn = [], classes_drawn(told)
        for name, rows, color, marker in drawn:
            dots = {"s": 26, "c": [color], "marker": marker, "linewidths": 0.4}
            dots |= {"edgecolors": "white" if marker != "." else "none"}
            dots |= {"label": name} if len(drawn) <= MOST_NAMED + 1 else {}
            self.points_.append(self.ax_.scatter(*self.points[rows].T, **merged(dots, point_kw)))
        what = "true class" if self.y is not None else "predicted"
        title = (
            f"Classes predicted from {shortened(self.target_name)}\n"
            f"areas hold for {100 * self.fidelity_:.0f} % of the rows"
        )
        finish(self.ax_, title, *self.axis_names)
        self.ax_.set(xlim=_ends(self.xx0), ylim=_ends(self.xx1))
        legend_below(self.ax_, title=what)
        return self

    def _region_of(self, points):
        """Class of the point of the grid that is nearest to each of some points."""
        column = np.abs(points[:, :1] - self.xx0[0]).argmin(axis=1)
        row = np.abs(points[:, 1:] - self.xx1[:, 0]).argmin(axis=1)
        return self.response[row, column]


class Plane(NamedTuple):
    """Rows of the target in two dimensions, and the classes of a grid there."""

    grid: tuple[np.ndarray, np.ndarray]
    response: np.ndarray
    points: np.ndarray
    predicted: np.ndarray
    axis_names: tuple[str, str]
    fidelity: float


def plane_of(block, proba, names, resolution: int, proba_of: Any = None) -> Plane:
    """The plane that tells predicted classes apart.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        Rows of the target.
    proba : ndarray of shape (n, C)
        What is predicted of them.
    names : sequence of str
        Names of the features.
    resolution : int
        Points of the grid along each axis.
    proba_of : callable, optional
        What is predicted of other rows. Where these are no plane, or it is not known, points are
        like the rows near to them.
    """
    predicted, d = np.argmax(proba, axis=1), block.shape[1]
    labels: tuple[str, str]
    if d == 1:
        points = np.column_stack([block[:, 0], proba.max(axis=1)])
        labels = str(names[0]), "probability of the predicted class"
    elif d == 2:
        points, labels = block, (str(names[0]), str(names[1]))
    else:
        points, labels = discriminants(block, predicted)
    grid = _grid(points, resolution)
    places, told = np.stack(grid, axis=-1).reshape(-1, 2), 1.0
    if d <= 2 and proba_of is not None:
        said = proba_of(places[:, :d])
    else:
        near = KNeighborsRegressor(min(NEIGHBORS, len(points))).fit(points, proba)
        told = float(np.mean(near.predict(points).argmax(axis=1) == predicted))
        said = near.predict(places)
    response = said.argmax(axis=1).reshape(grid[0].shape)
    return Plane(grid, response, points, predicted, labels, told)


def discriminants(block, predicted):
    """Two coordinates of rows (n, d), and their names.

    Discriminants as far as there are any, then the principal components of what they leave.
    """
    scale = block.std(axis=0)
    Z = (block - block.mean(axis=0))[:, scale > 0] / scale[scale > 0]
    counts = np.bincount(predicted)
    usual = np.flatnonzero(counts >= LEAST)
    points, labels = np.zeros((len(Z), 0)), []
    if len(usual) > 1 and Z.shape[1]:
        some = np.isin(predicted, usual)
        lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
        points = lda.fit(Z[some], predicted[some]).transform(Z)[:, :2]
        labels = [f"discriminant {j + 1} (no unit)" for j in range(points.shape[1])]
    if points.shape[1] < 2:
        basis = np.column_stack([np.ones(len(Z)), points])
        rest = Z - basis @ np.linalg.lstsq(basis, Z, rcond=None)[0]
        left = PCA(random_state=0).fit_transform(rest) if Z.shape[1] else np.zeros((len(Z), 0))
        left = np.pad(left, ((0, 0), (0, 2)))[:, : 2 - points.shape[1]]
        labels += [f"component {j + 1} of the rest (no unit)" for j in range(left.shape[1])]
        points = np.hstack([points, left])
    return points, tuple(labels)


def _grid(points, resolution):
    """Points all over the place where rows are, and a little beyond."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, 0.06 * (high - low), 1.0)
    lines = [np.linspace(*ends, resolution) for ends in zip(low - margin, high + margin)]  # noqa: B905
    return tuple(np.meshgrid(*lines))


def _ends(values):
    return float(values.min()), float(values.max())
