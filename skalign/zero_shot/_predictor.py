"""Class probabilities of rows, by the directions of the classes."""

import warnings
from dataclasses import dataclass

import numpy as np

from .._blocks import Blocks, presence, read_array
from .._utils._array_api import affine, as_numpy, from_numpy
from .._utils._validation import no_overflow
from ._von_mises_fisher import Sphere, log_posterior


@dataclass(frozen=True)
class ZeroShotPredictor:
    """All that predictions from rows take."""

    blocks: Blocks
    target: int
    coef: np.ndarray
    mean: np.ndarray
    sphere: Sphere
    directions: np.ndarray
    concentration: float
    class_prior: np.ndarray
    classes: np.ndarray

    def log_proba(self, X) -> np.ndarray:
        """Logarithms of class probabilities (n, C); those of the prior for rows without target."""
        has = presence(X, self.blocks)[:, self.target]
        with np.errstate(divide="ignore"):
            out = np.tile(np.log(self.class_prior), (len(has), 1))
        missing = int((~has).sum())
        if missing < len(has):
            with no_overflow():
                Z = as_numpy(affine(self.blocks.take(X, self.target), self.coef.T, self.mean))
                U = self.sphere.of_targets(Z[has].astype(np.float64, copy=False))
            out[has] = log_posterior(U, self.directions, self.concentration, self.class_prior)
        if missing:
            warnings.warn(
                f"{missing} of {len(has)} rows lack the target {self.blocks.names[self.target]!r},"
                f" the first is row {np.flatnonzero(~has)[0]}: they get the class prior. To "
                "cross-validate, let TransferSplit split the rows.",
                UserWarning,
                stacklevel=6,
            )
        return out


def predicted_log_proba(table, predictor: ZeroShotPredictor):
    """Logarithms of the class probabilities of the rows of a table."""
    X = read_array(table, predictor.blocks)
    return from_numpy(predictor.log_proba(X), X, X.dtype)


def predicted_proba(table, predictor: ZeroShotPredictor):
    """Class probabilities of the rows of a table."""
    X = read_array(table, predictor.blocks)
    return from_numpy(np.exp(predictor.log_proba(X)), X, X.dtype)


def predicted_labels(table, predictor: ZeroShotPredictor):
    """Most probable classes of the rows of a table."""
    X = read_array(table, predictor.blocks)
    return from_numpy(predictor.classes[np.argmax(predictor.log_proba(X), axis=1)], X)
