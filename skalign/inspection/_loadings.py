"""Which features carry a component, by name."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._utils._validation import check_number
from ._input import aligner_of
from ._plot import BLUE, VERMILION, axes_of, finish, merged, shortened

_OWNER = "LoadingsDisplay"


class LoadingsDisplay:
    """The features of each modality that carry a component, with signs.

    A loading is the correlation of a feature with the latent of its modality. Features of two
    modalities with loadings of one sign rise and fall together. The sign of a component itself
    means nothing: turned in all modalities at once it is the same component.

    Parameters
    ----------
    loadings : list of array-like of shape (n_features_m,)
        One array a modality: loadings of its features on one component.
    feature_names : list of sequence of str
        Their names, modality by modality.
    modality_names : sequence of str
        Names of the modalities.
    component : int, default=0
        Which component, counted from zero; for the title.
    correlation : float, default=None
        Correlation of the component's latents, for the title.
    top : int, default=10
        How many features of each modality are drawn, those of the largest magnitude.

    Attributes
    ----------
    features_ : list of ndarray of str
        Names of the features that are drawn, modality by modality, largest magnitude first.
    values_ : list of ndarray
        Their loadings.
    axes_ : ndarray of matplotlib Axes
        One a modality, after `plot`.
    figure_ : matplotlib Figure
        After `plot`.
    bars_ : list of BarContainer
        After `plot`.

    Examples
    --------
    >>> from skalign import NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.inspection import LoadingsDisplay
    >>> data = make_paired_gaussians(300, n_features=(5, 8), noise=0.5, random_state=0)
    >>> aligner = NullSpaceAligner(modalities={"a": range(5), "b": range(5, 13)}).fit(data.X)
    >>> display = LoadingsDisplay.from_estimator(aligner, top=3)
    >>> [len(names) for names in display.features_]
    [3, 3]
    """

    def __init__(
        self,
        loadings: Any,
        feature_names: Any,
        modality_names: Any,
        *,
        component: int = 0,
        correlation: float | None = None,
        top: int = 10,
    ) -> None:
        check_number("top", top, low=1, integer=True)
        self.loadings = [np.asarray(own, dtype=float) for own in loadings]
        self.feature_names = [np.asarray(own, dtype=object) for own in feature_names]
        self.modality_names = tuple(modality_names)
        self.component = component
        self.correlation = correlation
        self.top = top
        if not len(self.loadings) == len(self.feature_names) == len(self.modality_names):
            raise ValueError(
                f"loadings has {len(self.loadings)} modalities, feature_names "
                f"{len(self.feature_names)}, modality_names {len(self.modality_names)}: give one "
                "each."
            )
        for modality, own, names in zip(
            self.modality_names, self.loadings, self.feature_names, strict=True
        ):
            if own.shape != names.shape or own.ndim != 1:
                raise ValueError(
                    f"modality {modality!r} has loadings of shape {own.shape}, and {len(names)} "
                    "names: give one name a feature."
                )
        largest = [np.argsort(-np.abs(own), kind="stable")[:top] for own in self.loadings]
        self.features_ = [f[i] for f, i in zip(self.feature_names, largest, strict=True)]
        self.values_ = [v[i] for v, i in zip(self.loadings, largest, strict=True)]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        component: int = 0,
        *,
        top: int = 10,
        feature_names: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what carries a component of a fitted aligner.

        Parameters
        ----------
        estimator : NullSpaceAligner or CrossModalTransferClassifier
            Fitted; may be frozen.
        component : int, default=0
            Which, counted from zero.
        top : int, default=10
            How many features of each modality.
        feature_names : array-like of shape (n_features_in_,), default=None
            Names of the columns of ``X``. None takes those of the dataframe that it was fitted to,
            or says which column of its modality a feature is.
        ax : sequence of matplotlib Axes, default=None
            One a modality; None makes a figure.
        **kwargs : dict
            Of `plot`.

        Returns
        -------
        display : LoadingsDisplay

        Raises
        ------
        TypeError
            If the estimator is neither of the two.
        ValueError
            If there is no such component, or names are not one a column.
        """
        aligner = aligner_of(estimator, _OWNER)
        check_component("component", component, aligner.n_components_)
        names, blocks = names_of(aligner, feature_names), aligner._blocks
        display = cls(
            [blocks.take(aligner.loadings_.T, m)[component] for m in range(len(blocks))],
            names,
            aligner.modality_names_,
            component=component,
            correlation=float(aligner.correlations_[component]),
            top=top,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, bar_kw: dict | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, default=None
            One a modality; None makes a figure.
        bar_kw : dict, default=None
            Of ``Axes.barh``.

        Returns
        -------
        self : LoadingsDisplay
        """
        n, most = len(self.loadings), max(map(len, self.values_))
        size = (4.5 * n, 1.4 + 0.3 * most)
        self.figure_, self.axes_ = axes_of(ax, _OWNER, n, figsize=size, sharex=True)
        self.bars_ = []
        for axes, name, features, values in zip(
            self.axes_, self.modality_names, self.features_, self.values_, strict=True
        ):
            style = merged({"color": np.where(values < 0, VERMILION, BLUE)}, bar_kw)
            place = np.arange(len(values))
            self.bars_.append(axes.barh(place, values, **style))
            axes.axvline(0, color="black", linewidth=0.8)
            axes.set_yticks(place, [shortened(str(f)) for f in features])
            axes.set(xlim=(-1, 1), ylim=(most - 0.4, -0.6))
            finish(axes, shortened(name), "loading (a correlation)", "feature")
        title = f"What carries component {self.component + 1}"
        if self.correlation is not None:
            title += f" (correlation {self.correlation:.2f})"
        if ax is None:
            self.figure_.suptitle(title)
            self.figure_.get_layout_engine().set(wspace=0.08)
        return self


def names_of(aligner, feature_names=None) -> list[np.ndarray]:
    """Names of the features of each modality: given, of a dataframe, or by number."""
    if feature_names is None:
        feature_names = getattr(aligner, "feature_names_in_", None)
    if feature_names is None:
        return [
            np.array([f"column {j}" for j in range(len(c))], dtype=object)
            for c in aligner.modality_columns_
        ]
    names = np.asarray(feature_names, dtype=object)
    if names.shape != (aligner.n_features_in_,):
        raise ValueError(
            f"feature_names has shape {names.shape}, for {aligner.n_features_in_} columns of X: "
            "give one name a column."
        )
    return [names[columns] for columns in aligner.modality_columns_]


def check_component(name: str, component, n_components: int) -> None:
    """Raise unless there is such a component."""
    check_number(name, component, low=0, integer=True)
    if component >= n_components:
        raise ValueError(
            f"{name}={component!r}: the aligner has n_components_={n_components}, counted from 0."
        )
