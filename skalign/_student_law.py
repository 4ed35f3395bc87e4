r"""Class probabilities by a linear law and a law in a Gaussian kernel's lift. Arrays only.

With :math:`u = (x - \mu) \circ s`, landmarks :math:`l_j` and coefficients :math:`A, B, b`,

.. math:: \log p(c \mid x) = A_c^\top u + \sum_j B_{jc} \exp(-\gamma |u - l_j|^2) + b_c
          + \text{const}.

All that is linear in :math:`(u, |u|^2, 1)`, the exponents and the first and last term, is one
product. Scores are turned and scaled features; a turn leaves distances as they are, so that a law
of scores is one of features, too, and the product with the axes is saved.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._lift import exponents, powers
from ._tied import row_blocks

# Rows that are classified at a time, or more.
LEAST_ROWS = 512
# Axes are a turn if they are orthonormal up to this.
ORTHONORMAL = 1e-10


@dataclass(frozen=True)
class StudentLaw:
    """Class probabilities of scores, or of features."""

    linear: np.ndarray  # (d, C): A
    landmarks: np.ndarray  # (L, d)
    gamma: float
    lifted: np.ndarray  # (L, C): B
    intercept: np.ndarray  # (C,)
    mean: np.ndarray | float = 0.0  # (d,)
    unit: np.ndarray | float = 1.0  # (d,): s

    def widened(self, classes, n_classes) -> "StudentLaw":
        """Give the same law over more classes, which are impossible."""
        linear = np.zeros((len(self.linear), n_classes))
        lifted = np.zeros((len(self.lifted), n_classes))
        intercept = np.full(n_classes, -np.inf)
        linear[:, classes], lifted[:, classes] = self.linear, self.lifted
        intercept[classes] = self.intercept
        return replace(self, linear=linear, lifted=lifted, intercept=intercept)

    def of_features(self, coef, mean) -> "StudentLaw | None":
        """Give the same law of features, where this is one of scores ``(x - mean) @ coef.T``.

        None where it takes the scores, since these leave something of the features out.
        """
        if len(self.landmarks) == 0:
            none = np.zeros((0, len(mean)))
            return replace(self, linear=coef.T @ self.linear, landmarks=none, mean=mean)
        unit = np.linalg.norm(coef, axis=0)
        used = unit > 0
        axes = np.divide(coef, unit, out=np.zeros_like(coef), where=used)
        tilt = np.abs(axes @ axes.T - np.eye(len(axes))).max()
        if len(axes) < used.sum() or tilt > ORTHONORMAL:
            return None
        return replace(
            self,
            linear=axes.T @ self.linear,
            landmarks=self.landmarks @ axes,
            mean=mean,
            unit=unit,
        )

    def class_proba(self, X) -> np.ndarray:
        """Class probabilities, shape (n, C)."""
        n_landmarks, d = self.landmarks.shape
        possible = np.flatnonzero(np.isfinite(self.intercept))
        maps = self._maps(possible)
        lifted = np.ascontiguousarray(self.lifted[:, possible].T)
        out = np.zeros((len(X), len(self.intercept)))
        for s in row_blocks(len(X), max(n_landmarks, d), LEAST_ROWS):
            both = maps @ powers(X[s], self.mean, self.unit).T  # softmax likes a long row a class
            kernel, scores = both[:n_landmarks], both[n_landmarks:]
            if n_landmarks:
                # rounding may leave distances below zero, but by far too little to matter
                scores += lifted @ np.exp(kernel, out=kernel)
            scores -= scores.max(axis=0)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=0)
            out[s, possible] = scores.T
        return out

    def _maps(self, classes):
        """Exponents of the kernel, and linear scores, as maps (L + C, d + 2) of the powers."""
        linear = np.zeros((len(classes), len(self.linear) + 2))
        linear[:, :-2] = self.linear[:, classes].T
        linear[:, -1] = self.intercept[classes]
        return np.vstack([exponents(self.landmarks, self.gamma), linear])
