"""One modality's affine map into the aligned space, on its own."""

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ._array_api import OnDevice, accepted, on_device
from ._validation import FLOATS


class ModalityEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Encode one modality into the aligned space, and back.

    .. math:: z = A_m (x_m - \mu_m)

    Encoders come fitted, out of :attr:`NullSpaceAligner.encoders_`, and stay as they are: like
    :class:`sklearn.frozen.FrozenEstimator`, `fit` does nothing and :func:`sklearn.base.clone`
    returns the encoder itself. One can be put into a pipeline, pickled and shipped without the
    aligner.

    Attributes
    ----------
    coef_ : ndarray of shape (n_components, n_features)
        Latent change per unit of each feature.
    intercept_ : ndarray of shape (n_components,)
        Latent at the origin of the features.
    mean_ : ndarray of shape (n_features,)
        Mean of the features over the pairs; zeros where the aligner does not centre.
    decoder_coef_ : ndarray of shape (n_features, n_components)
        Feature change per unit of each latent.
    n_features_in_ : int
        Number of features of the modality.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features; only where they have any.

    See Also
    --------
    NullSpaceAligner : Learns the encoders.

    Examples
    --------
    >>> from skalign import NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(n_features=(3, 4), random_state=0)
    >>> aligner = NullSpaceAligner(modalities=data.modalities).fit(data.X)
    >>> encoder = aligner.encoders_[1]
    >>> encoder.transform(data.X[:5, 3:]).shape
    (5, 2)
    """

    @classmethod
    def _from_maps(cls, coef, mean, decoder, feature_names=None):
        encoder = cls()
        encoder.coef_ = coef
        encoder.intercept_ = -coef @ mean
        encoder.mean_ = mean
        encoder.decoder_coef_ = decoder
        encoder.n_features_in_ = coef.shape[1]
        if feature_names is not None:
            encoder.feature_names_in_ = np.asarray(feature_names, dtype=object)
        return encoder

    def fit(self, X, y=None):
        """Do nothing: an encoder comes fitted.

        Parameters
        ----------
        X : object
            Ignored.
        y : object
            Ignored.

        Returns
        -------
        self : ModalityEncoder
        """
        check_is_fitted(self)
        return self

    def transform(self, X):
        """Encode samples of this modality.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of this modality alone, all of them present.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Latents, in the floating type of ``X``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=accepted(X, FLOATS))
        return self._encode(on_device(X))

    def inverse_transform(self, Z):
        """Map latents back to this modality: the best linear estimate of the features.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Latents.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the features.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=accepted(Z, FLOATS), input_name="Z")
        if Z.shape[1] != len(self.coef_):
            raise ValueError(f"Z has {Z.shape[1]} columns, expected {len(self.coef_)} components.")
        return self._decode(on_device(Z))

    def _encode(self, X):
        # without validation: missing rows are NaN here, and stay NaN
        if isinstance(X, OnDevice):
            return X.affine(self.coef_.T, self.mean_)
        with np.errstate(invalid="ignore"):
            return (X @ self.coef_.T + self.intercept_).astype(X.dtype, copy=False)

    def _decode(self, Z):
        if isinstance(Z, OnDevice):
            return Z.affine(self.decoder_coef_.T, np.zeros(len(self.coef_)), self.mean_)
        return (Z @ self.decoder_coef_.T + self.mean_).astype(Z.dtype, copy=False)

    @property
    def _n_features_out(self):
        return len(self.coef_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coef_")

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
