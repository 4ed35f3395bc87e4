"""Synthetic paired data with a known latent, for tests, examples and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_random_state

# Entries of every map are uniform between -_MAP_RANGE and _MAP_RANGE, as in the paper.
_MAP_RANGE = 5.0


def make_paired_gaussians(
    n_samples: int = 2000,
    *,
    n_features: Sequence[int] = (2, 2),
    n_latent: int = 2,
    n_classes: int = 2,
    class_means: ArrayLike | None = None,
    class_std: float = 1.0,
    noise: float | Sequence[float] = 0.0,
    n_private: int | Sequence[int] = 0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    r"""Draw one latent from a mixture of Gaussians and view it through several modalities.

    .. math::
        z \sim \sum_c \tfrac{1}{C} \mathcal{N}(\mu_c, \sigma^2 I), \qquad
        x^{(m)} = S^{(m)} z + P^{(m)} w^{(m)} + \tau_m e^{(m)}

    These are Eq. 6 and, without the last two terms, Eq. 7 of A. Kamboj and M. N. Do,
    "Leveraging Perfect Multimodal Alignment and Gaussian Assumptions for Cross-modal
    Transfer"; the defaults are the paper's experiment. A mixture means that each sample
    draws its class, with equal odds, and then its latent from that class. The maps S and
    P have entries Uniform(-5, 5); w and e are standard normal and belong to one modality.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of samples, the rows of `X`.
    n_features : sequence of int, default=(2, 2)
        Width of each modality; at least two of them.
    n_latent : int, default=2
        Width k of the latent. Ignored if `class_means` is given.
    n_classes : int, default=2
        Number C of classes. Ignored if `class_means` is given.
    class_means : array-like of shape (n_classes, n_latent), default=None
        Class means, which decide both sizes. None takes the paper's [0, 1] and [4, 5] for
        two classes in two dimensions, and else draws every coordinate from N(0, 3^2).
    class_std : float, default=1.0
        Standard deviation of the latent about its class mean, along every axis.
    noise : float or sequence of float, default=0.0
        Standard deviation of the noise, in the units of `X`; one value or one per modality.
    n_private : int or sequence of int, default=0
        Width of the latent w that no other modality shares; one value or one per modality.
    random_state : int, RandomState instance or None, default=None
        Source of randomness; an int gives the same data every time.

    Returns
    -------
    Bunch
        With the fields

        - ``X``: ndarray of shape (n_samples, sum(n_features)), the modalities side by side;
        - ``y``: integer ndarray of shape (n_samples,), classes from 0;
        - ``latent``: ndarray of shape (n_samples, n_latent), the z of each sample;
        - ``maps``: list of the S, each an ndarray of shape (n_features[m], n_latent);
        - ``class_means``: ndarray of shape (n_classes, n_latent);
        - ``modalities``: list of int, the widths of the blocks of ``X``.

    Raises
    ------
    ValueError
        If a parameter is out of its range or of the wrong shape; the message names it.

    Notes
    -----
    An int `random_state` fixes every part on its own: data without noise and with it, or
    with and without private latents, have the same latent, labels and maps; more samples
    or modalities extend what fewer give (to rounding).

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(100, n_features=(3, 4), random_state=0)
    >>> data.X.shape, data.modalities, data.latent.shape
    ((100, 7), [3, 4], (100, 2))
    >>> np.allclose(data.X[:, 3:], data.latent @ data.maps[1].T)
    True
    """
    n_samples = _integer("n_samples", n_samples, 1)
    listed = list(n_features) if np.iterable(n_features) else []
    if len(listed) < 2:
        raise ValueError(f"n_features must list at least two widths, got {n_features!r}.")
    widths = [_integer("n_features", width, 1) for width in listed]
    class_std = _deviation("class_std", class_std)
    noises = [_deviation("noise", s) for s in _per_modality("noise", noise, len(widths))]
    privates = [
        _integer("n_private", p, 0) for p in _per_modality("n_private", n_private, len(widths))
    ]

    # A stream for each part, so that no parameter of one part moves another.
    parent = check_random_state(random_state)
    for_means, for_labels, for_latent = _streams(parent)
    means = _class_means(class_means, n_classes, n_latent, for_means)
    labels = for_labels.randint(len(means), size=n_samples, dtype=np.int64)
    latent = means[labels] + class_std * for_latent.normal(size=(n_samples, means.shape[1]))
    maps, blocks = [], []
    for width, deviation, k_private in zip(widths, noises, privates, strict=True):
        for_map, for_private, for_noise = _streams(parent)
        maps.append(for_map.uniform(-_MAP_RANGE, _MAP_RANGE, size=(width, means.shape[1])))
        block = latent @ maps[-1].T
        if k_private:
            private_map = for_private.uniform(-_MAP_RANGE, _MAP_RANGE, size=(width, k_private))
            block += for_private.normal(size=(n_samples, k_private)) @ private_map.T
        if deviation:
            block += deviation * for_noise.normal(size=block.shape)
        blocks.append(block)
    return Bunch(
        X=np.hstack(blocks),
        y=labels,
        latent=latent,
        maps=maps,
        class_means=means,
        modalities=widths,
    )


def _streams(parent: np.random.RandomState) -> list[np.random.RandomState]:
    """Three independent generators, seeded from `parent`."""
    seeds = parent.randint(np.iinfo(np.int32).max, size=3, dtype=np.int64)
    return [np.random.RandomState(seed) for seed in seeds]


def _class_means(
    class_means: ArrayLike | None, n_classes: int, n_latent: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Class means in a new float64 matrix: given, or the paper's where they fit, or random."""
    if class_means is None:
        shape = _integer("n_classes", n_classes, 1), _integer("n_latent", n_latent, 1)
        if shape == (2, 2):
            return np.array([[0.0, 1.0], [4.0, 5.0]])
        return rng.normal(scale=3.0, size=shape)  # classes overlap, but not much
    means = np.array(class_means, dtype=np.float64)
    if means.ndim != 2 or means.size == 0 or not np.isfinite(means).all():
        raise ValueError(
            "class_means must be a finite array of shape (n_classes, n_latent), "
            f"got shape {means.shape}."
        )
    return means


def _integer(name: str, value: Any, minimum: int) -> int:
    """Return `value` as an int no less than `minimum`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
    return int(value)


def _deviation(name: str, value: Any) -> float:
    """Return `value` as a standard deviation: finite and not negative."""
    deviation = float(value) if isinstance(value, Real) else np.nan
    if isinstance(value, bool) or not 0.0 <= deviation < np.inf:
        raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}.")
    return deviation


def _per_modality(name: str, value: Any, n_modalities: int) -> list[Any]:
    """Repeat one value for every modality, or check that there is one for each."""
    values = list(value) if np.iterable(value) else [value] * n_modalities
    if len(values) != n_modalities:
        raise ValueError(
            f"{name} must be one number or one per modality, {n_modalities} here; "
            f"got {len(values)}."
        )
    return values
