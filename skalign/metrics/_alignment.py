"""How well latents agree with each other and with the truth: arrays in, floats out.

A latent is an array of shape (n_samples, n_components): the same samples, encoded by one
modality. "The paper" is A. Kamboj and M. N. Do, "Leveraging Perfect Multimodal Alignment
and Gaussian Assumptions for Cross-modal Transfer". Every function raises ValueError for
an argument that is not 2-D, is empty, or holds NaN or infinity, and names it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import orth, svdvals
from sklearn.utils import check_array

from .._utils._validation import check_weights

Floats = NDArray[np.float64]

# A column that varies by no more than this many units of rounding is constant.
_ROUNDING_UNITS = 10


def alignment_error(*latents: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    r"""Mean distance between the latents of the same sample (Eq. 4 of the paper).

    .. math:: \frac{1}{n} \sum_{i=1}^{n} \lVert z^1_i - z^2_i \rVert_2

    With more than two latents, the mean of this over all pairs of modalities.

    .. warning::
        The error has a scale, and collapse wins it: latents that are all zero score a
        perfect 0. For a comparison use :func:`relative_alignment_error`.

    Parameters
    ----------
    *latents : array-like of shape (n_samples, n_components)
        Two or more latents, one per modality, with their samples in the same order.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; None weighs all samples alike.

    Returns
    -------
    float
        Error in the units of the latents; 0 is best.

    Raises
    ------
    ValueError
        With fewer than two latents, latents that differ in shape, or misfit weights.

    Examples
    --------
    >>> from skalign.metrics import alignment_error
    >>> alignment_error([[0.0, 0.0], [1.0, 1.0]], [[3.0, 4.0], [1.0, 1.0]])
    2.5
    """
    arrays, weight, _ = _check_latents(_numbered(latents), sample_weight)
    pairs = combinations(arrays, 2)
    return float(np.mean([weight @ np.linalg.norm(a - b, axis=1) for a, b in pairs]))


def reconstruction_error(
    latent_true: ArrayLike, latent_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Mean distance from a recovered latent to the true one (Eq. 5 of the paper).

    .. math:: \frac{1}{n} \sum_{i=1}^{n} \lVert z_i - \hat z^m_i \rVert_2

    Alignment fixes the latent only up to an invertible linear map, so until that map is
    known this is large even for a perfect aligner; :func:`latent_r2` ignores the map.

    Parameters
    ----------
    latent_true, latent_pred : array-like of shape (n_samples, n_components)
        The latent that generated the data, and the one recovered from a modality.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; None weighs all samples alike.

    Returns
    -------
    float
        Error in the units of the latents; 0 is best.

    Raises
    ------
    ValueError
        If the shapes of the latents differ, or the weights do not fit them.

    Examples
    --------
    >>> from skalign.metrics import reconstruction_error
    >>> reconstruction_error([[0.0], [2.0]], [[1.0], [2.0]])
    0.5
    """
    named = {"latent_true": latent_true, "latent_pred": latent_pred}
    (true, pred), weight, _ = _check_latents(named, sample_weight)
    return float(weight @ np.linalg.norm(true - pred, axis=1))


def relative_alignment_error(*latents: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    r"""Alignment error in units of the latents' own variance, which collapse cannot win.

    A form of the paper's Eq. 4 without scale. For component j of modalities m and l,

    .. math:: r_j^{ml} = \frac{E\,(z_{mj} - z_{lj})^2}
                              {\mathrm{Var}\,z_{mj} + \mathrm{Var}\,z_{lj}};

    the score is the square root of the mean of r over pairs of modalities and components.
    A component that is constant in both modalities, to rounding, counts as 1 if the two
    constants agree (0/0) and as infinity if not; one that is constant in a single
    modality has r of at least 1 as it is. So with one of k components collapsed, two
    latents score ``sqrt(1 / k)`` or worse. For standardised latents r is one minus the
    correlation. Rescaling or shifting a component alike in all modalities changes nothing.

    Parameters
    ----------
    *latents : array-like of shape (n_samples, n_components)
        Two or more latents, one per modality, with their samples in the same order.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; None weighs all samples alike.

    Returns
    -------
    float
        Error without units: 0 for perfect agreement, 1 for independent latents of equal
        means. Unequal means and negative correlation can take it above 1.

    Raises
    ------
    ValueError
        With fewer than two latents, latents that differ in shape, or misfit weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import relative_alignment_error
    >>> z = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    >>> relative_alignment_error(z, z), relative_alignment_error(0 * z, 0 * z)
    (0.0, 1.0)
    """
    arrays, weight, eps = _check_latents(_numbered(latents), sample_weight)
    # In units of the largest entry squares cannot overflow, and rounding is eps.
    scale = np.max([np.abs(z).max(axis=0) for z in arrays], axis=0)
    arrays = [z / np.where(scale > 0, scale, 1.0) for z in arrays]
    variances = [weight @ _centred(z, weight, eps) ** 2 for z in arrays]
    ratios = []
    for (a, var_a), (b, var_b) in combinations(zip(arrays, variances, strict=True), 2):
        gap, total = weight @ (a - b) ** 2, var_a + var_b
        collapsed = np.where(gap <= (_ROUNDING_UNITS * eps) ** 2, 1.0, np.inf)
        ratios.append(np.divide(gap, total, out=collapsed, where=total > 0))
    return float(np.sqrt(np.mean(ratios)))


def latent_r2(
    latent_true: ArrayLike, latent_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Fraction of the true latent's variance that the best affine map of another explains.

    .. math:: 1 - \min_{G, b} \frac{\sum_i w_i \lVert z_i - G \hat z_i - b \rVert^2}
                                   {\sum_i w_i \lVert z_i - \bar z \rVert^2}

    This is the paper's Eq. 5 in squares, minimised over the freedom that its Eq. 1 leaves:
    any invertible affine map of `latent_pred` scores the same. Columns of `latent_true`
    count in proportion to their variance.

    Parameters
    ----------
    latent_true, latent_pred : array-like of shape (n_samples, n_components)
        The latent that generated the data, and a recovered one; widths may differ.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; None weighs all samples alike.

    Returns
    -------
    float
        Without units, from 0 to 1 (best). The map is fitted to these very samples: with
        no more of them than columns in `latent_pred` plus one, any latent can score 1.

    Raises
    ------
    ValueError
        If numbers of samples differ, weights misfit, or `latent_true` is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import latent_r2
    >>> z = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0], [4.0, 4.0]])
    >>> round(latent_r2(z, z @ [[2.0, 1.0], [0.0, 5.0]] + 7.0), 12)
    1.0
    """
    named = {"latent_true": latent_true, "latent_pred": latent_pred}
    (true, pred), weight, eps = _check_latents(named, sample_weight, same_width=False)
    root = np.sqrt(weight)[:, np.newaxis]
    target, design = root * _centred(true, weight, eps), root * _centred(pred, weight, eps)
    total = np.sum(target**2)
    if total == 0.0:
        raise ValueError("latent_true is constant: there is no variance to explain.")
    # Unit columns: what lstsq takes for rank must not depend on the units of latent_pred.
    norms = np.linalg.norm(design, axis=0)
    design /= np.where(norms > 0, norms, 1.0)
    # From residuals: a difference of two sums of squares would lose digits near 1.
    residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    return max(0.0, float(1.0 - np.sum(residual**2) / total))


def principal_angles(A: ArrayLike, B: ArrayLike) -> Floats:
    """Principal angles between the row spaces of two matrices.

    The paper's solution (Eq. 3, transposed) is any basis of a subspace, so two solutions
    differ by the angles between subspaces. Method: Björck and Golub, "Numerical methods
    for computing angles between linear subspaces", Math. Comp. 27 (1973); every angle is
    accurate to rounding, also the tiny ones.

    Parameters
    ----------
    A, B : array-like of shape (k, d)
        Rows that span each subspace; k may differ.

    Returns
    -------
    ndarray of shape (min(rank(A), rank(B)),)
        Angles in radians from 0 to pi / 2, ascending; all 0 if one space holds the other.

    Raises
    ------
    ValueError
        If a matrix is all zero, or their numbers of columns differ.

    Examples
    --------
    >>> from skalign.metrics import principal_angles
    >>> principal_angles([[1, 0, 0], [0, 1, 0]], [[5, 0, 0], [0, 2, 2]]).round(4) + 0.0
    array([0.    , 0.7854])
    """
    a, b = (check_matrix(M, name).astype(np.float64) for M, name in ((A, "A"), (B, "B")))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"A has {a.shape[1]} columns but B has {b.shape[1]}.")
    for name, matrix in (("A", a), ("B", b)):
        if not matrix.any():
            raise ValueError(f"{name} is all zero: its rows span no subspace.")
    small, large = sorted((orth(a.T), orth(b.T)), key=lambda basis: basis.shape[1])
    overlap = large.T @ small
    cosines, sines = svdvals(overlap), svdvals(small - large @ overlap)
    # A cosine is blind near 0 and a sine near pi / 2: only together are they always sharp.
    return np.asarray(np.arctan2(sines[::-1], cosines))


def _centred(z: Floats, weight: Floats, eps: float) -> Floats:
    """Subtract the mean; columns that only rounding keeps from constancy become 0."""
    centred: Floats = z - weight @ z
    floor = _ROUNDING_UNITS * eps * np.abs(z).max(axis=0)
    centred[:, np.sqrt(weight @ centred**2) <= floor] = 0.0
    return centred


def _numbered(latents: tuple[ArrayLike, ...]) -> dict[str, ArrayLike]:
    """Name positional latents for error messages."""
    if len(latents) < 2:
        raise ValueError(f"At least two latents are needed, got {len(latents)}: use *list.")
    return {f"latents[{m}]": z for m, z in enumerate(latents)}


def _check_latents(
    named: dict[str, ArrayLike], sample_weight: ArrayLike | None, same_width: bool = True
) -> tuple[list[Floats], Floats, float]:
    """Return float64 latents, weights of sum 1, and the coarsest rounding of the input."""
    arrays = {name: check_matrix(z, name) for name, z in named.items()}
    (first, reference), *others = arrays.items()
    for axis, what in enumerate(("samples", "components")[: 1 + same_width]):
        for name, z in others:
            if (n := z.shape[axis]) != (expected := reference.shape[axis]):
                raise ValueError(f"{name} has {n} {what} but {first} has {expected}.")
    weight = weights_of(sample_weight, len(reference))
    weight = weight / weight.max()
    # Rows of weight zero are absent, also from the maxima that judge what is constant.
    keep = weight > 0
    eps = max(float(np.finfo(z.dtype).eps) for z in arrays.values())
    kept = [z[keep].astype(np.float64) for z in arrays.values()]
    return kept, weight[keep] / weight.sum(), eps


def weights_of(sample_weight: ArrayLike | None, n: int) -> Floats:
    """Return a weight for each row, one if there are none; a number for all of them is refused."""
    return np.ones(n) if sample_weight is None else check_weights(np.asarray(sample_weight), n)


def check_matrix(values: ArrayLike, name: str) -> NDArray[np.floating]:
    """Return a finite, non-empty matrix, of float32 if it was and else float64."""
    if np.ndim(values) != 2:
        raise ValueError(f"{name} must be 2-D, got {np.ndim(values)} dimension(s).")
    if 0 in np.shape(values):
        raise ValueError(f"{name} is empty: its shape is {np.shape(values)}.")
    floats = [np.float64, np.float32]
    array: NDArray[np.floating] = check_array(values, dtype=floats, input_name=name)
    return array
