"""A regressor of one modality, on its own: what a transfer leaves to deploy."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import Blocks, presence, read_array
from .._utils._array_api import accepted, as_numpy, as_rows, from_numpy
from .._utils._rows import row_blocks, take_rows
from .._utils._validation import FLOATS, check_switch, held_by, no_overflow, noting_nan
from ._target import Leverage, TargetModel, leverage_of

# Rows that are predicted at a time, or more.
LEAST_ROWS = 1024


class ModalityRegressor(RegressorMixin, BaseEstimator):
    r"""Predict numbers from samples of one modality, with their uncertainty.

    Regressors come fitted, out of :attr:`CrossModalTransferRegressor.target_regressor_`, and stay
    as they are: like :class:`sklearn.frozen.FrozenEstimator`, `fit` does nothing and
    :func:`sklearn.base.clone` returns the regressor itself. One takes the columns of its modality
    alone, and can be pickled and shipped without anything else.

    The variance of a prediction is

    .. math:: \sigma_e^2 + \sigma_n^2 \, \bigl(1 + s \, (1 + (|u|^2 - |W u|^2) / a)\bigr),
              \qquad u = d \circ (x - \mu),

    which grows with the distance from the pairs, measured by the precision of a ridge regression.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_outputs, n_features)
        Coefficients, in the units of the features.
    intercept_ : float or ndarray of shape (n_outputs,)
        Prediction at ``mean_``.
    mean_ : ndarray of shape (n_features,)
        :math:`\mu`, subtracted from the features.
    limits_ : ndarray of shape (2, n_outputs)
        Lowest and highest prediction: the range of what is known of the outputs, and of what the
        source says of the pairs, a quarter of its width aside.
    error_variance_ : ndarray of shape (n_outputs,)
        :math:`\sigma_e^2`, the same everywhere: that of the source regressor's own errors, and of
        outputs that the target says nothing about.
    noise_variance_ : ndarray of shape (n_outputs,)
        :math:`\sigma_n^2`, of what the target leaves of the source's word.
    feature_weights_ : ndarray of shape (n_features,)
        :math:`d`; zero for features that are constant.
    components_ : ndarray of shape (n_components, n_features)
        :math:`W`.
    penalty_, row_share_ : float
        :math:`a` and :math:`s`.
    n_features_in_ : int
        Number of features of the modality.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only where they have any.

    See Also
    --------
    CrossModalTransferRegressor : Learns it without a label in this modality.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing: the regressor comes fitted.

        Parameters
        ----------
        X : object
            Ignored.
        y : object
            Ignored.

        Returns
        -------
        self : ModalityRegressor
        """
        check_is_fitted(self)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict from this modality alone.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of this modality alone, all of them present.
        return_std : bool, default=False
            Whether to return standard deviations, too.

        Returns
        -------
        y_mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        y_std : ndarray of the same shape
            Standard deviations of the errors of new samples. Only if ``return_std``.
        """
        check_is_fitted(self)
        check_switch("return_std", return_std)
        with noting_nan():
            X = as_rows(validate_data(self, X, reset=False, dtype=accepted(X, FLOATS)))
        mean, std = self._predict(X, return_std)
        flat = np.ndim(self.intercept_) == 0
        mean, std = (part[:, 0] if flat else part for part in (mean, std))
        with held_by(X.dtype):
            mean, std = (from_numpy(part.astype(X.dtype), X, X.dtype) for part in (mean, std))
        return (mean, std) if return_std else mean

    @classmethod
    def _from_model(cls, model: TargetModel, noise, error, limits, flat: bool, names=None):
        regressor = cls()
        regressor.coef_ = model.coef[0] if flat else model.coef
        regressor.intercept_ = float(model.intercept[0]) if flat else model.intercept
        regressor.mean_, regressor.limits_ = model.mean, limits
        regressor.noise_variance_, regressor.error_variance_ = noise, error
        regressor.feature_weights_ = model.leverage.unit
        regressor.components_ = model.leverage.components
        regressor.penalty_, regressor.row_share_ = model.leverage.penalty, model.leverage.share
        regressor.n_features_in_ = len(model.mean)
        if names is not None:
            regressor.feature_names_in_ = names
        return regressor

    @no_overflow()
    def _predict(self, X, with_std: bool):
        """Means and deviations, float64 (n, q), of rows; zeros where no deviation is wanted."""
        leverage = Leverage(
            self.row_share_, self.feature_weights_, self.components_, self.penalty_
        )
        coef = np.atleast_2d(self.coef_)
        mean, variance = np.empty((len(X), len(coef))), np.zeros((len(X), len(coef)))
        for rows in row_blocks(len(X), X.shape[1], LEAST_ROWS):
            points = as_numpy(X[rows]).astype(np.float64) - self.mean_
            mean[rows] = np.clip(points @ coef.T + self.intercept_, *self.limits_)
            if with_std:
                beyond = 1 + leverage_of(points, leverage)[:, None]
                variance[rows] = self.error_variance_ + self.noise_variance_ * beyond
        return mean, np.sqrt(variance)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coef_")

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@dataclass(frozen=True)
class Predictor:
    """All that predictions from rows of several modalities take."""

    blocks: Blocks
    target: int
    regressor: ModalityRegressor
    prior_mean: np.ndarray  # (q,): answer for rows without the target
    prior_std: np.ndarray  # (q,)
    flat: bool
    with_std: bool


def predicted(table, predictor: Predictor):
    """Predictions of the rows of a table, and beside them the deviations, if these are wanted."""
    blocks, m = predictor.blocks, predictor.target
    X = read_array(table, blocks)
    rows = np.flatnonzero(presence(X, blocks)[:, m])
    mean, std = (np.tile(v, (len(X), 1)) for v in (predictor.prior_mean, predictor.prior_std))
    if len(rows):
        block = take_rows(blocks.take(X, m), rows)
        mean[rows], std[rows] = predictor.regressor._predict(block, predictor.with_std)
    if len(rows) < len(X):
        first = np.setdiff1d(np.arange(len(X)), rows)[0]
        warnings.warn(
            f"{len(X) - len(rows)} of {len(X)} rows lack the target {blocks.names[m]!r}, the "
            f"first is row {first}: they get the mean of the pairs.",
            UserWarning,
            stacklevel=5,
        )
    out = np.hstack([mean, std]) if predictor.with_std else mean
    with held_by(X.dtype):
        out = out.astype(X.dtype)
    return from_numpy(out[:, 0] if out.shape[1] == 1 and predictor.flat else out, X, X.dtype)
