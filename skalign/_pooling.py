r"""Discriminants pooled, and sharpened, by likelihood. Arrays in, arrays out.

Discriminants :math:`d^{(j)}` of several laws are pooled with the weights :math:`a_j \ge 0` that
bring :math:`p(c \mid x_2) \propto \exp \sum_j a_j d^{(j)}_c(x_2)` closest to the classes of the
pairs, by cross-entropy; that calibrates them, too.

A law that is calibrated to the source carries the source's doubt. Beside the source itself that
doubt would count twice, so that the law is raised to the power :math:`\kappa` of maximum
likelihood of the modality given the source,

.. math:: \sum_i \log \frac{\sum_c p(c \mid x_{1i}) \, p(c \mid x_{2i})^\kappa}
          {\sum_c p(c) \, p(c \mid x_{2i})^\kappa} .
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

MOST_SHARP = 20.0
TINY = 1e-12
# Differences of mean log likelihoods that are rounding.
NEGLIGIBLE = 1e-12


def pool_weights(scores, resp, weights):
    """Non-negative weights of discriminants that predict ``resp`` best, by cross-entropy."""
    share = weights / weights.sum()
    scores = [s - s.max(axis=1, keepdims=True) for s in scores]

    def loss(pool):
        log_proba = log_softmax(sum(w * s for w, s in zip(pool, scores, strict=True)), axis=1)
        error = (np.exp(log_proba) - resp) * share[:, None]
        gradient = np.array([np.sum(error * s) for s in scores])
        return -np.sum(share[:, None] * resp * log_proba), gradient

    start = np.full(len(scores), 0.3 / len(scores))
    bounds = [(0, None)] * len(scores)
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x


def sharpness(scores, posterior, weights) -> float:
    """Power of a modality's law that goes with the source's posterior."""
    share, given = weights / weights.sum(), posterior + TINY
    prior = share @ posterior + TINY
    scores = scores - scores.max(axis=1, keepdims=True)

    def loss(power):
        law = np.exp(power * scores)
        return -share @ np.log(np.einsum("ic,ic->i", law, given) / (law @ prior))

    powers = np.geomspace(1.0, MOST_SHARP, 40)
    losses = np.array([loss(power) for power in powers])
    return float(powers[losses <= losses.min() + NEGLIGIBLE][0])
