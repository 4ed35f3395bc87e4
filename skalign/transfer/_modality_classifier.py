"""A classifier of one modality, on its own: what a transfer leaves to deploy."""

import warnings
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import Blocks, presence, read_array, select
from .._utils._array_api import accepted, affine, as_numpy, as_rows, from_numpy
from .._utils._rows import row_blocks, take_rows
from .._utils._validation import FLOATS, is_plain, no_overflow, noting_nan
from ..alignment._encoder import ModalityEncoder
from ._components import GaussianComponents
from ._ensemble import Forest, directions, mean_proba, power_of
from ._kernel import DistilledModel
from ._mixture import MixtureModel
from ._source import SURE, posterior_of
from ._task import TargetModel

# Rows that are classified at a time, or more: bounds the memory of densities.
LEAST_ROWS = 8192


@dataclass(frozen=True)
class PriorModel:
    """The same class probabilities for everybody."""

    prior: np.ndarray  # (C,)

    def predict_proba(self, Z) -> np.ndarray:
        """Class probabilities, shape (n, C)."""
        return np.tile(self.prior, (len(Z), 1))


def predict_prior_only(model: TargetModel) -> TargetModel:
    """A target that says nothing but the class prior."""
    prior = model.class_prior
    return TargetModel(PriorModel(prior), None, prior, prior, 0.0, model.agreement, model.pvalue)


class ModalityClassifier(ClassifierMixin, BaseEstimator):
    """Classify samples of one modality.

    Classifiers come fitted, out of :attr:`CrossModalTransferClassifier.target_classifier_`, and
    stay as they are: like :class:`sklearn.frozen.FrozenEstimator`, `fit` does nothing and
    :func:`sklearn.base.clone` returns the classifier itself. One takes the columns of its
    modality alone, and can be pickled and shipped without anything else.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    class_prior_ : ndarray of shape (n_classes,)
        Class probabilities before anything is seen.
    assumed_prior_ : ndarray of shape (n_classes,)
        Class probabilities that discriminants start from: classes with half of an even share of
        the pairs, or more, start alike.
    inverse_temperature_ : float
        Power to which its probabilities are raised where they are joined with the source's; zero
        where it knows nothing but the prior.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients of the linear discriminant. This and the following six where classes were
        distilled from the source; those of a mixture have a row for each component.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts; minus infinity for classes that the pairs lack.
    mean_ : ndarray of shape (n_features,)
        Subtracted from the features.
    feature_weights_ : ndarray of shape (n_features,)
        Multiplied with the centred features; only where there are landmarks.
    landmarks_ : ndarray of shape (n_landmarks, n_features)
        Centres of Gaussian kernels, only where these take part: rows of the pairs, centred and
        weighted.
    dual_coef_ : ndarray of shape (n_classes, n_landmarks)
        Coefficients of the kernels.
    gamma_ : float
        Of the kernels ``exp(-gamma_ * |u - landmark|^2)``.
    weights_, means_, covariances_ : ndarray
        Gaussian components of the latents; only where a mixture was given and
        ``target_space="aligned"``.
    component_class_proba_ : ndarray of shape (n_mixture_components, n_classes)
        Class probabilities of each component; only where a mixture was given.
    direction_classifier_ : ModalityClassifier
        The same discriminants of directions: standardized features less their mean over the row,
        brought to length one. Only where classes were distilled on the whole of three features or
        more, and these do not plainly harm, or help, of 4000 pairs or more.
    tree_roots_, tree_features_, tree_thresholds_, tree_children_, tree_values_ : ndarray
        A forest of class probabilities, over the nodes of all of its trees: where trees
        start; the feature that a node looks at, its threshold, and the nodes that follow at most
        there and beyond, of shape (2, n_nodes), leaves themselves; class probabilities of shape
        (n_nodes, n_classes). Only where classes were distilled from 30 pairs or more, on the whole
        of the features, and it does not plainly harm, or helps, of 4000 pairs or more.
    view_mean_, view_weights_ : ndarray of shape (n_features,)
        Subtracted from the features and multiplied with them, for directions and trees.
    calibration_exponent_ : float
        Power of the mean of what the discriminants, those of directions and the forest say;
        only where there are several.
    encoder_ : ModalityEncoder
        From features to what classes are told by, in place of the features: latents of a
        mixture, or scores within the aligned span. Only where it takes part.
    n_features_in_ : int
        Number of features of the modality.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only where they have any.

    See Also
    --------
    CrossModalTransferClassifier : Learns it without a label in this modality.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing: the classifier comes fitted.

        Parameters
        ----------
        X : object
            Ignored.
        y : object
            Ignored.

        Returns
        -------
        self : ModalityClassifier
        """
        check_is_fitted(self)
        return self

    def predict_proba(self, X: Any) -> Any:
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of this modality alone, all of them present.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        X = self._validated(X)
        return from_numpy(self._predict_proba(X), X, X.dtype)

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of this modality alone, all of them present.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; minus infinity for probability zero.
        """
        X = self._validated(X)
        return from_numpy(log_proba(self._predict_proba(X)), X, X.dtype)

    def predict(self, X: Any) -> Any:
        """Most probable classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of this modality alone, all of them present.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of ``classes_``.
        """
        X = self._validated(X)
        return from_numpy(self.classes_[np.argmax(self._predict_proba(X), axis=1)], X)

    @classmethod
    def _from_model(cls, model: TargetModel, m: int, classes, blocks: Blocks, feature_names=None):
        classifier, predictor = cls(), model.predictor
        if feature_names is not None:
            feature_names = feature_names[blocks.of_table(m)]
        classifier.classes_, classifier.class_prior_ = classes, model.class_prior
        classifier.assumed_prior_ = model.assumed_prior
        classifier.inverse_temperature_ = model.inverse_temperature
        classifier.n_features_in_ = len(blocks.indices(m))
        if feature_names is not None:
            classifier.feature_names_in_ = feature_names
        if model.encoder is not None:
            coef, mean, decoder = model.encoder
            name = blocks.names[m]
            encoder = ModalityEncoder._from_maps(coef, mean, decoder, feature_names, name)
            classifier.encoder_ = encoder
        views = model.views
        if views is not None:
            classifier.calibration_exponent_ = views.exponent
            classifier.view_mean_, classifier.view_weights_ = views.mean, views.unit
            if views.directions is not None:
                own = cls._from_model(views.directions, m, classes, blocks)
                classifier.direction_classifier_ = own
            for name, value in vars(views.forest).items() if views.forest else ():
                setattr(classifier, f"tree_{name}_", value)
        if isinstance(predictor, MixtureModel):
            classifier.component_class_proba_ = predictor.component_class_proba
            predictor = predictor.components
        if isinstance(predictor, GaussianComponents):
            classifier.weights_, classifier.means_ = predictor.weights, predictor.means
            classifier.covariances_ = predictor.covariances
        elif isinstance(predictor, DistilledModel):
            classifier.coef_, classifier.intercept_ = predictor.coef, predictor.intercept
            if model.encoder is None:
                classifier.mean_ = predictor.mean
            if len(predictor.landmarks):
                classifier.landmarks_, classifier.gamma_ = predictor.landmarks, predictor.gamma
                classifier.dual_coef_ = predictor.dual_coef
                if model.encoder is None:
                    classifier.feature_weights_ = predictor.feature_weights
        return classifier

    def _predictor(self):
        """What the attributes say, as a function of features or of what `encoder_` makes."""
        if hasattr(self, "component_class_proba_"):
            return MixtureModel(self._components(), self.component_class_proba_)
        return self._components()

    def _components(self):
        """The same of components, where there are any."""
        if hasattr(self, "means_"):
            return GaussianComponents(self.weights_, self.means_, self.covariances_)
        if not hasattr(self, "coef_"):
            return PriorModel(self.class_prior_)
        return DistilledModel(
            self.coef_,
            self.intercept_,
            getattr(self, "landmarks_", np.zeros((0, self.coef_.shape[1]))),
            getattr(self, "dual_coef_", np.zeros((len(self.coef_), 0))),
            getattr(self, "gamma_", 0.0),
            getattr(self, "mean_", 0.0),
            getattr(self, "feature_weights_", 1.0),
        )

    def _validated(self, X):
        check_is_fitted(self)
        if is_plain(X, self.n_features_in_) and not hasattr(self, "feature_names_in_"):
            return X
        with noting_nan():
            return as_rows(validate_data(self, X, reset=False, dtype=accepted(X, FLOATS)))

    def _predict_proba(self, X):
        # without validation: CrossModalTransferClassifier has done it
        predictor, encoder = self._predictor(), getattr(self, "encoder_", None)
        out = np.empty((len(X), len(self.classes_)))
        for rows in row_blocks(len(X), X.shape[1], LEAST_ROWS):
            Z = X[rows]
            if encoder is not None:
                with no_overflow():
                    Z = affine(Z, encoder.coef_.T, encoder.mean_)
                Z = as_numpy(Z).astype(np.float64, copy=False)
            out[rows] = predictor.predict_proba(as_numpy(Z))
            if hasattr(self, "calibration_exponent_"):
                said = [out[rows], *self._other_views(as_numpy(X[rows]))]
                out[rows] = power_of(mean_proba(said), self.calibration_exponent_)
        return out

    def _other_views(self, X):
        """Class probabilities by directions of rows and by a forest, where there are these."""
        points = (X - self.view_mean_) * self.view_weights_
        if hasattr(self, "direction_classifier_"):
            along = directions(points, self.view_weights_ > 0)
            yield self.direction_classifier_._predict_proba(along)
        if hasattr(self, "tree_roots_"):
            parts = [getattr(self, f"tree_{field.name}_") for field in fields(Forest)]
            yield Forest(*parts).predict_proba(points)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "class_prior_")

    def __sklearn_clone__(self):
        return self


# -- several modalities --------------------------------------------------------------------------


@dataclass(frozen=True)
class Predictor:
    """All that predictions from rows of several modalities take."""

    blocks: Blocks
    targets: tuple[int, ...]
    estimators: dict[int, Any]  # of the sources
    classifiers: dict[int, ModalityClassifier]  # of the other modalities
    classes: np.ndarray
    class_prior: np.ndarray
    source_power: float
    fused: bool  # whether all modalities speak, or the targets alone

    def predict_proba(self, table, X):
        """Class probabilities of the rows of a table; of those that lack all of it, the prior."""
        present = presence(X, self.blocks)
        modalities = [*self.estimators, *self.classifiers] if self.fused else self.targets
        said = list(self.what_each_says(table, X, present, modalities))
        powers = [
            self.source_power if m in self.estimators else self.classifiers[m].inverse_temperature_
            for m in modalities
        ]
        start = self.classifiers[self.targets[0]].assumed_prior_
        proba, usable = fuse(said, powers, start, self.class_prior)
        missing = len(X) - int(usable.sum())
        if missing:
            name = self.blocks.named(self.targets)
            lacking = "every modality" if self.fused else f"the target {name}"
            warnings.warn(
                f"{missing} of {len(X)} rows lack {lacking}, the first is row "
                f"{np.flatnonzero(~usable)[0]}: they get the class prior. To cross-validate, let "
                "TransferSplit split the rows.",
                UserWarning,
                stacklevel=6,
            )
        return proba

    def both_say(self, table):
        """Rows that are pairs, and their class probabilities by source and target, the first."""
        X = read_array(table, self.blocks)
        present, both = presence(X, self.blocks), [next(iter(self.estimators)), self.targets[0]]
        pairs = np.flatnonzero(present[:, both].all(axis=1))
        table = select(table, slice(None), pairs)
        return pairs, *self.what_each_says(table, X[pairs], present[pairs], both)

    def what_each_says(self, table, X, present, modalities):
        """Class probabilities (n, C) by each modality; NaN in rows that lack it."""
        for m in modalities:
            proba = np.full((len(X), len(self.classes)), np.nan)
            rows = np.flatnonzero(present[:, m])
            if len(rows) and m in self.estimators:
                seen = self.blocks.select(table), self.blocks, m, rows
                proba[rows] = posterior_of(self.estimators[m], *seen, self.classes)
            elif len(rows):
                block = take_rows(self.blocks.take(X, m), rows)
                proba[rows] = self.classifiers[m]._predict_proba(block)
            yield proba


def predicted_proba(table, predictor: Predictor):
    """Class probabilities of the rows of a table."""
    X = read_array(table, predictor.blocks)
    return from_numpy(predictor.predict_proba(table, X), X, X.dtype)


def predicted_log_proba(table, predictor: Predictor):
    """Logarithms of the class probabilities of the rows of a table."""
    X = read_array(table, predictor.blocks)
    return from_numpy(log_proba(predictor.predict_proba(table, X)), X, X.dtype)


def predicted_labels(table, predictor: Predictor):
    """Most probable classes of the rows of a table."""
    X = read_array(table, predictor.blocks)
    proba = predictor.predict_proba(table, X)
    return from_numpy(predictor.classes[np.argmax(proba, axis=1)], X)


def log_proba(proba):
    """Logarithms of probabilities, minus infinity for zero."""
    with np.errstate(divide="ignore"):
        return np.log(proba)


def fuse(probas, powers, prior, otherwise):
    r"""Fuse what modalities say of the same samples, as independent given the class.

    .. math:: p(c \mid x) \propto p(c) \prod_m (p(c \mid x_m) / p(c))^{\kappa_m}

    A sample of which one modality says something gets just that.

    Parameters
    ----------
    probas : list of ndarray of shape (n, C)
        Class probabilities by each modality; NaN in rows that lack it.
    powers : list of float
        :math:`\kappa_m`.
    prior : ndarray of shape (C,)
        Class probabilities that each of them started from.
    otherwise : ndarray of shape (C,)
        Answer for rows of which nothing is said.

    Returns
    -------
    proba : ndarray of shape (n, C)
    usable : ndarray of bool, shape (n,)
        Whether anything was said.
    """
    said = np.array([np.isfinite(proba[:, 0]) for proba in probas])
    log_prior = np.log(np.maximum(prior, SURE))
    total = np.tile(log_prior, (said.shape[1], 1))
    out = np.tile(otherwise, (said.shape[1], 1))
    for rows, proba, power in zip(said, probas, powers, strict=True):
        out[rows] = proba[rows]
        log_proba = np.log(np.maximum(proba[rows], SURE))
        total[rows] += power * (log_proba - log_prior)
    several = said.sum(axis=0) > 1
    out[several] = softmax(total[several], axis=1)
    return out, said.any(axis=0)
