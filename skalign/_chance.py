r"""Agreement of decisions with a posterior, beyond what shuffled pairs would give. Arrays only.

Pair :math:`i` has the source's posterior :math:`p_i`, a weight :math:`w_i` and the decision
:math:`v_i` of the target, a unit vector; bars are weighted means. The agreement is

.. math:: \frac{\sum_i w_i\,(p_i - \bar p) \cdot v_i}
               {\sum_i w_i\,(\max_c p_{ic} - \bar p \cdot \bar v)} ,

where :math:`\bar p \cdot \bar v` is what pairs of rows drawn apart from each other give. The
numerator is a sum of :math:`a_i \cdot v_i` with :math:`\sum_i a_i = 0`, so that its mean over all
shuffles of the decisions is exactly 0; its variance is that of Hoeffding's combinatorial central
limit theorem, :math:`\sum_{cd} A_{cd} V_{cd} / (n - 1)`, with :math:`A` and :math:`V` the
scatter matrices of :math:`a` and :math:`v`. Without weights, the mean of the agreement itself over
all shuffles is 0, too.
"""

import numpy as np
from scipy.stats import norm

# What a mean over rows may owe to rounding.
NEGLIGIBLE = 1e-12


def beyond_chance(posterior, chosen, weights):
    """Agreement of decisions with a posterior beyond chance, and its p-value.

    Parameters
    ----------
    posterior : ndarray of shape (n, C)
    chosen : ndarray of int, shape (n,)
        Class that each pair is given.
    weights : ndarray of shape (n,)

    Returns
    -------
    agreement : float
        0 is what shuffled pairs give, 1 the most that the posterior allows; 0 where shuffling
        changes nothing.
    pvalue : float
        Of an agreement as high, were the pairs shuffled.
    """
    n = len(posterior)
    share = weights / weights.sum()
    votes = np.eye(posterior.shape[1])[chosen]
    mean, decided = share @ posterior, share @ votes
    excess = share[:, None] * (posterior - mean)
    scatters = excess.T @ excess, (votes - votes.mean(axis=0)).T @ (votes - votes.mean(axis=0))
    spread = np.sqrt(max(np.sum(scatters[0] * scatters[1]) / max(n - 1, 1), 0.0))
    room = share @ posterior.max(axis=1) - mean @ decided
    if min(spread, room) <= NEGLIGIBLE:
        return 0.0, 1.0
    observed = np.sum(excess * votes)
    return float(observed / room), float(norm.sf(observed / spread))
