r"""Mean pointwise mutual information of Gaussian latents.

For latents :math:`z = [z_1; \dots; z_M]` with joint covariance :math:`\Sigma` the information
that the modalities of a sample carry about each other is

.. math:: \log \frac{p(z)}{\prod_m p(z_m)} = \tfrac12 \Bigl( \sum_m \log |\Sigma_{mm}|
          - \log |\Sigma| - z^\top K z \Bigr), \qquad
          K = \Sigma^{-1} - \mathrm{blockdiag}(\Sigma_{11}^{-1}, \dots, \Sigma_{MM}^{-1}).

It is quadratic in :math:`z`: its mean over samples needs their second moment and nothing else.
"""

import numpy as np

# Latents are compared through independent noise of this relative variance, so that an exact
# alignment carries much information, but not infinitely much.
RESOLUTION = 1e-10


def mutual_information(latent_cov: np.ndarray, second_moment: np.ndarray, n_modalities: int):
    """Mean pointwise mutual information in nats.

    Parameters
    ----------
    latent_cov : ndarray of shape (M k, M k)
        Covariance of the latents in the fitted model.
    second_moment : ndarray of shape (M k, M k)
        Second moment of the latents that are scored, about the model's mean.
    n_modalities : int
    """
    scale = np.sqrt(np.diagonal(latent_cov))
    scale = np.where(scale > 0, scale, 1.0)
    cov = latent_cov / np.outer(scale, scale)
    moment = second_moment / np.outer(scale, scale)
    noisy = cov + np.diag(np.where(np.diagonal(cov) > 0, RESOLUTION, 1.0))
    difference, log_ratio = np.linalg.inv(noisy), -np.linalg.slogdet(noisy)[1]
    k = len(cov) // n_modalities
    for m in range(n_modalities):
        own = slice(m * k, (m + 1) * k)
        difference[own, own] -= np.linalg.inv(noisy[own, own])
        log_ratio += np.linalg.slogdet(noisy[own, own])[1]
    return 0.5 * float(log_ratio - np.sum(difference * moment))


def expected_latents(latent_cov: np.ndarray, given: list[int], wanted: int, n_modalities: int):
    """Matrix of the conditional mean of one modality's latents given those of others.

    Returns
    -------
    ndarray of shape (len(given) * k, k)
        ``E[z_wanted | z_given] = concatenate(z_given) @ matrix``.
    """
    k = len(latent_cov) // n_modalities
    rows = np.concatenate([np.arange(m * k, (m + 1) * k) for m in given])
    own = latent_cov[np.ix_(rows, rows)]
    shared = latent_cov[np.ix_(rows, np.arange(wanted * k, (wanted + 1) * k))]
    return np.linalg.pinv(own, rcond=RESOLUTION, hermitian=True) @ shared
