"""A classifier of one modality, on its own: what a transfer leaves to deploy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ._array_api import accepted, host, like, on_device
from ._encoder import ModalityEncoder
from ._student_law import StudentLaw
from ._validation import FLOATS

# Rows that are classified at a time: bounds the memory of the densities.
BATCH = 8192


@dataclass(frozen=True)
class EncodedLaw:
    """A law of scores, asked about features."""

    encoder: ModalityEncoder
    law: Any

    def class_proba(self, X) -> np.ndarray:
        """Class probabilities of features, shape (n, C)."""
        Z = self.encoder._encode(X).astype(np.float64, copy=False)
        return self.law.class_proba(Z)


def law_of_features(encoder: ModalityEncoder, law):
    """Give a law that takes features, from one of their scores."""
    direct = None
    if isinstance(law, StudentLaw):
        direct = law.of_features(encoder.coef_, encoder.mean_)
    return EncodedLaw(encoder, law) if direct is None else direct


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
    encoder_ : ModalityEncoder
        From features to the scores on which the law of the classes stands.
    n_features_in_ : int
        Number of features of the modality.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only where they have any.

    See Also
    --------
    CrossModalTransferClassifier : Learns it without a label in this modality.
    """

    @classmethod
    def _from_law(cls, encoder, law, classes, class_prior):
        classifier = cls()
        classifier._law = law_of_features(encoder, law)
        classifier.encoder_ = encoder
        classifier.classes_ = classes
        classifier.class_prior_ = class_prior
        classifier.n_features_in_ = encoder.n_features_in_
        if hasattr(encoder, "feature_names_in_"):
            classifier.feature_names_in_ = encoder.feature_names_in_
        return classifier

    def fit(self, X, y=None):
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

    def predict_proba(self, X):
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
        return like(self._predict_proba(X), X, X.dtype)

    def predict(self, X):
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
        return like(self.classes_[np.argmax(self._predict_proba(X), axis=1)], X)

    def _validated(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=accepted(X, FLOATS))
        return on_device(X)

    def _predict_proba(self, X):
        # without validation: CrossModalTransferClassifier has done it
        out = np.empty((len(X), len(self.classes_)))
        for start in range(0, len(X), BATCH):
            rows = slice(start, start + BATCH)
            out[rows] = self._law.class_proba(host(X[rows]))
        return out

    def __sklearn_is_fitted__(self):
        return hasattr(self, "encoder_")

    def __sklearn_clone__(self):
        return self
