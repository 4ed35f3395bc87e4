r"""The gauge: which of the latents that are aligned equally well are the true ones.

Pairs tell a latent up to an invertible affine map, :math:`w = F z + f`, the question that A.
Kamboj and M. N. Do, "Leveraging Perfect Multimodal Alignment and Gaussian Assumptions for
Cross-modal Transfer", leave open below their Fig. 4. Three things that may be known answer it:

- The true latents of some rows, the anchors: linear least squares, for each coordinate,

  .. math:: \min_{A, b} \sum_i \lVert z_i - A w_i - b \rVert^2 .

- Class means :math:`\mu_c` of the true latents, and labels. The means :math:`\bar w_c` of the
  :math:`n_c` rows of a class have the noise, so that maximum likelihood with one covariance within
  classes regresses these on the others, and inverts the map:

  .. math:: \min_{F, f} \sum_c n_c \lVert \bar w_c - F \mu_c - f \rVert^2 , \qquad
            A = F^{-1}, \; b = -F^{-1} f .

- A mixture of Gaussians that the true latents follow, and nothing of any row: see
  ``_registration``.
"""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from .._utils._array_api import accepted, affine, as_numpy, as_rows, vector_as_numpy
from .._utils._labels import known_classes, known_labels
from .._utils._linalg import reciprocal
from .._utils._validation import (
    FLOATS,
    check_number,
    check_switch,
    held_by,
    is_frame,
    naming_row,
    no_overflow,
    restored_on_error,
    rounding_of,
)
from ..alignment._encoder import check_latents
from ..moments import _dask
from ._registration import known_mixture, register

# What only some ways to fit leave behind.
OPTIONAL = (
    "classes_", "log_likelihood_", "alternative_coef_", "alternative_intercept_",
    "n_free_rotations_",
)  # fmt: skip


class LatentGauge(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Map aligned latents to the true ones, of which something is known.

    .. math:: z = A w + b

    Alignment tells latents up to an invertible affine map. The true latents of a few rows fix it,
    or known class means, or a known mixture of Gaussians. Put it behind an aligner in a pipeline.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether to estimate :math:`b`. Without it the map is linear, :math:`b = 0`, which needs
        one anchor less: right where latents are not centred, as those of
        ``NullSpaceAligner(center=False)`` without noise.
    class_means : array-like of shape (n_classes, n_features) or mapping, default=None
        Known means of the true latents. Then ``y`` has labels. Rows are those of the sorted
        classes of ``y``; a mapping, or a dataframe by its index, tells the mean of each label.
    mixture : mixture of scikit-learn or mapping of str to arrays, default=None
        Known mixture that the true latents follow. Then ``y`` is ignored, so that labels may pass
        through a pipeline. A fitted :class:`~sklearn.mixture.GaussianMixture`, inside
        :class:`~sklearn.frozen.FrozenEstimator` wherever the gauge is cloned; or arrays
        ``"means"`` (n_components, n_features), ``"covariances"`` (n_components, n_features,
        n_features) or one for all, (n_features, n_features), and ``"weights"`` (n_components,),
        equal if not given.
    n_init : int, default=10
        For a mixture: starts of the search for its components, and maps that are refined.
    random_state : int, RandomState instance or None, default=None
        For a mixture: the starts.

    Attributes
    ----------
    coef_ : ndarray of shape (n_latent, n_features)
        The map :math:`A`.
    intercept_ : ndarray of shape (n_latent,)
        The offset :math:`b`; zeros without ``fit_intercept``.
    mean_ : ndarray of shape (n_features,)
        Mean of the aligned latents that the gauge was fitted to, or zeros without
        ``fit_intercept``: where `inverse_transform` puts what the true latents do not tell.
    classes_ : ndarray of shape (n_classes,)
        Labels; only with ``class_means``.
    log_likelihood_ : float
        Mean over rows of the log density of the aligned latents; only with a mixture.
    alternative_coef_ : ndarray of shape (n_alternatives, n_features, n_features)
        Other maps that were found to be as likely, up to a factor of 100 over all rows, the
        likeliest first; only with a mixture. Empty where the data tell which map it is.
    alternative_intercept_ : ndarray of shape (n_alternatives, n_features)
        Their offsets.
    n_free_rotations_ : int
        Number of directions in which the latents may be rotated, with a standard error of the
        angle above half a radian; only with a mixture. Alternatives are examples, if it is not 0.
    n_features_in_ : int
        Number of aligned latents.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the aligned latents; only for dataframes whose column names are strings.

    See Also
    --------
    NullSpaceAligner : Finds the aligned latents.
    skalign.metrics.reconstruction_error : Distance from the true latents.
    skalign.metrics.latent_r2 : What the best gauge could explain.

    Notes
    -----
    A mixture that some rotation, reflection or exchange of components maps onto itself leaves it
    open which of the maps is meant: a warning says so, and the attributes what else it may be.
    The paper's two components are told apart by a linear map; under an affine one, both may be
    exchanged, and the plane be reflected about the line through their means. An anchor more, or
    labels, decide.

    Noise in the aligned latents is part of what they are: a mixture is matched to latents with
    their noise. From anchors comes the best linear prediction of the true latents.

    References
    ----------
    .. [1] A. Kamboj and M. N. Do, "Leveraging Perfect Multimodal Alignment and Gaussian
       Assumptions for Cross-modal Transfer".
    .. [2] M. J. F. Gales, "Maximum likelihood linear transformations for HMM-based speech
       recognition", Computer Speech & Language 12 (1998).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skalign import LatentGauge, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.metrics import reconstruction_error
    >>> data = make_paired_gaussians(n_features=(3, 4), random_state=0)
    >>> anchors = np.full((2000, 2), np.nan)
    >>> anchors[:3] = data.latent[:3]
    >>> model = make_pipeline(NullSpaceAligner(2, modalities=[3, 4]), LatentGauge())
    >>> Z = model.fit(data.X, anchors).transform(data.X)
    >>> bool(reconstruction_error(data.latent, Z) < 1e-12)
    True
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        class_means: Any = None,
        mixture: Any = None,
        n_init: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.class_means = class_means
        self.mixture = mixture
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the map from what is known of the true latents.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Aligned latents. A Dask collection is read into memory.
        y : array-like of shape (n_samples,) or (n_samples, n_latent)
            True latents, NaN where one is unknown, also in part of a row. With ``class_means``
            labels, -1 (``None`` or NaN for strings) where unknown. Ignored with a ``mixture``.

        Returns
        -------
        self : LatentGauge

        Raises
        ------
        ValueError
            If there are fewer anchors, or class means, than the map has dimensions; if they leave
            a direction of ``X`` out; if means or mixture do not fit ``X`` and ``y``.
        """
        with restored_on_error(self.__dict__):
            self._check_parameters()
            Z, y, eps = self._read(X, y)
            for name in OPTIONAL:
                self.__dict__.pop(name, None)
            if self.mixture is not None:
                self._fit_mixture(Z, eps)
            elif self.class_means is not None:
                self._fit_class_means(Z, y, eps)
            else:
                self._fit_anchors(Z, y, eps)
        if self.mixture is not None:
            self._warn_of_ambiguity()
        return self

    def transform(self, X: Any) -> Any:
        """Map aligned latents to true ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Aligned latents. Of a Dask collection what comes out is lazy.

        Returns
        -------
        ndarray of shape (n_samples, n_latent)
            In the floating type of ``X``.
        """
        check_is_fitted(self)
        template = _dask.template_of(X)
        options = {"dtype": accepted(template, FLOATS), "ensure_min_samples": int(template is X)}
        with naming_row(template):
            Z = validate_data(self, template, reset=False, **options)
        function = partial(_mapped_rows, coef=self.coef_, intercept=self.intercept_)
        return _dask.map_rows(function, X, Z, len(self.coef_))

    def inverse_transform(self, X: Any) -> Any:
        """Map true latents back to aligned ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_latent)
            True latents.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Aligned latents; where true ones are fewer, those closest to ``mean_``.
        """
        check_is_fitted(self)
        template = _dask.template_of(X)
        Z = check_latents(template, len(self.coef_), int(template is X))
        back = np.linalg.pinv(self.coef_)
        offset = self.mean_ - back @ (self.coef_ @ self.mean_ + self.intercept_)
        function = partial(_mapped_rows, coef=back, intercept=offset)
        return _dask.map_rows(function, X, Z, len(back))

    # -- steps -----------------------------------------------------------------------------------

    def _check_parameters(self):
        check_switch("fit_intercept", self.fit_intercept)
        check_number("n_init", self.n_init, low=1, integer=True)
        if self.class_means is not None and self.mixture is not None:
            raise ValueError(
                "class_means and mixture are both given: without labels pass mixture alone, with "
                "labels class_means alone."
            )

    def _read(self, X, y):
        """Latents as float64 on the host, labels or anchors, and the rounding of latents."""
        if y is None and self.mixture is None:
            raise ValueError(
                "LatentGauge requires y to be passed, but the target y is None. Pass true latents "
                "of some rows, NaN elsewhere; labels beside class_means; or a known mixture."
            )
        _dask.template_of(X)  # refuses what is no table
        X, y = _dask.computed(X), _dask.computed(y)
        options = {"dtype": accepted(X, FLOATS), "ensure_min_samples": 2}
        with naming_row(X):
            Z = as_numpy(validate_data(self, X, **options))
        if self.mixture is None:
            y = vector_as_numpy(y)
            check_consistent_length(Z, y)
        eps, Z = rounding_of(Z.dtype), Z.astype(np.float64)
        with no_overflow():
            np.sum(Z**2)
        return Z, y, eps

    def _fit_anchors(self, Z, y, eps):
        Y, center = _true_latents(y), self.fit_intercept
        patterns, which = np.unique(~np.isnan(Y), axis=1, return_inverse=True)
        coef, intercept = np.empty((Y.shape[1], Z.shape[1])), np.empty(Y.shape[1])
        rank = _rank(Z, center, eps)
        for p, rows in enumerate(patterns.T):
            columns = np.flatnonzero(which.ravel() == p)
            place = f" for column {columns[0]}" if patterns.shape[1] > 1 else ""
            _check_enough(int(rows.sum()), Z.shape[1], center, f"y has {{}}{place}", "anchor")
            _check_rank(Z[rows], rank, center, eps, f"the anchors{place}")
            coef[columns], intercept[columns] = _least_squares(
                Z[rows], Y[rows][:, columns], np.ones(rows.sum()), center, eps
            )
        self._store(coef, intercept, Z[patterns.any(axis=1)])

    def _fit_class_means(self, Z, y, eps):
        k, center = Z.shape[1], self.fit_intercept
        labels, known = known_labels(y, type(self).__name__)
        Z, labels = Z[known], labels[known]
        self.classes_ = known_classes(labels)
        means = _means_of(self.class_means, self.classes_, k)
        of_class = np.searchsorted(self.classes_, labels) == np.arange(len(means))[:, None]
        counts = of_class.sum(axis=1)
        seen = of_class @ Z / counts[:, None]
        _check_enough(len(means), k, center, "class_means has {} with labelled rows", "mean")
        _check_rank(means, k, center, eps, "class_means")
        _check_rank(seen, k, center, eps, "mean latents of classes in X")
        forward, offset = _least_squares(means, seen, counts, center, eps)
        coef = np.linalg.inv(forward)
        self._store(coef, -coef @ offset, Z)

    def _fit_mixture(self, Z, eps):
        known = known_mixture(self.mixture, Z.shape[1])
        _check_rank(Z, Z.shape[1], self.fit_intercept, eps, "the rows of X")
        rng = check_random_state(self.random_state)
        options = {"center": bool(self.fit_intercept), "n_init": self.n_init, "random_state": rng}
        with no_overflow():
            found = register(Z, known, **options)
        self._store(found.matrices[0], found.offsets[0], Z)
        self.log_likelihood_ = found.log_likelihood
        self.alternative_coef_, self.alternative_intercept_ = found.matrices[1:], found.offsets[1:]
        self.n_free_rotations_ = found.n_open_angles

    def _store(self, coef, intercept, Z):
        self.coef_, self.intercept_ = coef, intercept
        self.mean_ = Z.mean(axis=0) * bool(self.fit_intercept)

    def _warn_of_ambiguity(self):
        n, free = len(self.alternative_coef_), self.n_free_rotations_
        if not (n or free):
            return
        said = [f"{free} rotation(s) are free (n_free_rotations_)"] * bool(free)
        said += [f"{n} other map(s) are about as likely (alternative_coef_)"] * bool(n)
        remedy = ", or set fit_intercept=False if latents are not centred" * self.fit_intercept
        warnings.warn(
            f"The known mixture leaves the gauge open: {' and '.join(said)}. Latents are true up "
            f"to these. Pass anchors, or class_means and labels{remedy}.",
            UserWarning,
            stacklevel=3,
        )

    @property
    def _n_features_out(self):
        return len(self.coef_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.mixture is None
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# -- what is known -------------------------------------------------------------------------------


def _true_latents(y):
    """Anchors (n, q), NaN where unknown."""
    try:
        Y = check_array(
            y, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y"
        )
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(
            f"y must be true latents, which are numbers, unless class_means is given: {error}"
        ) from error
    return Y.reshape(len(Y), -1)


def _means_of(class_means, classes, k: int):
    """Known means (C, k) of some classes."""
    if is_frame(class_means) and hasattr(class_means, "index"):
        rows = zip(class_means.index, np.asarray(class_means), strict=True)
        class_means = dict(rows)
    if isinstance(class_means, Mapping):
        absent = [label for label in classes.tolist() if label not in class_means]
        if absent:
            raise ValueError(f"class_means has no mean for class {absent[0]!r} of y.")
        class_means = [class_means[label] for label in classes.tolist()]
    means = check_array(class_means, dtype=np.float64, input_name="class_means")
    if len(means) != len(classes):
        raise ValueError(
            f"class_means has {len(means)} rows but y has {len(classes)} classes: pass a mapping "
            "of labels to means."
        )
    if means.shape[1] != k:
        raise ValueError(f"class_means has {means.shape[1]} columns but X has {k}.")
    return means


# -- least squares -------------------------------------------------------------------------------


def _check_enough(n: int, k: int, fit_intercept: bool, where: str, what: str) -> None:
    """Raise where there are fewer knowns than a map of so many dimensions has unknowns."""
    needed = k + int(fit_intercept)
    if n < needed:
        kind = "an affine" if fit_intercept else "a linear"
        less = f", or {k} with fit_intercept=False" * fit_intercept
        found = f"{n} {what}{'s' * (n != 1)}"
        raise ValueError(
            f"{where.format(found)}: {kind} map of {k} dimensions needs {needed} of them{less}."
        )


def _unit_columns(design, mean, eps: float):
    """Rows less a mean, at unit column norms, and these norms; zero where constant by rounding."""
    centred = design - mean
    scale = np.linalg.norm(centred, axis=0)
    scale[scale <= 10 * eps * np.linalg.norm(design, axis=0)] = 0.0
    return centred * reciprocal(scale), scale


def _rank(design, fit_intercept: bool, eps: float) -> int:
    """Number of dimensions that rows span, up to rounding."""
    unit = _unit_columns(design, design.mean(axis=0) * bool(fit_intercept), eps)[0]
    values = np.linalg.svd(unit, compute_uv=False)
    return int(np.sum(values > eps * max(unit.shape) * values[0]))


def _check_rank(design, wanted: int, fit_intercept: bool, eps: float, name: str) -> None:
    """Raise where rows span fewer dimensions than others do."""
    rank = _rank(design, fit_intercept, eps)
    if rank < wanted:
        raise ValueError(
            f"{name} span {rank} of {wanted} dimensions: the map is not known in the others. Give "
            "some that differ there, or fewer components."
        )


def _least_squares(design, target, weights, fit_intercept: bool, eps: float):
    """Map (q, k) and offset (q,) from rows to others, each with a weight."""
    share = weights / weights.sum()
    means = [share @ values * bool(fit_intercept) for values in (design, target)]
    root = np.sqrt(share)[:, None]
    unit, scale = _unit_columns(root * design, root * means[0], eps)
    response = root * (target - means[1])
    solution = np.linalg.lstsq(unit, response, rcond=eps * max(unit.shape))[0]
    coef = (solution * reciprocal(scale)[:, None]).T
    return coef, means[1] - coef @ means[0]


# -- functions of rows, in memory or in chunks ----------------------------------------------------


def _mapped_rows(table, coef, intercept):
    """Latents of a table under an affine map."""
    table = np.asarray(table) if is_frame(table) else table
    Z = as_rows(check_array(table, dtype=accepted(table, FLOATS)))
    with held_by(Z.dtype):
        return affine(Z, coef.T, np.zeros(coef.shape[1]), intercept)
