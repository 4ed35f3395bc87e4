"""The estimator that finds the space in which modalities agree."""

import warnings

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils.validation import check_array, check_is_fitted, check_random_state

from . import _alignment, _dask, _information, _missing, _model, _pairs
from ._array_api import OnDevice, accepted, on_device, together
from ._blocks import NamedList, resolve
from ._coding import Coding
from ._encoder import ModalityEncoder
from ._stacking import presence
from ._validation import (
    FLOATS,
    check_number,
    check_option,
    check_weights,
    column_names,
    keep_state_on_error,
    rounding_of,
    validate_stack,
)

# Below this p-value a dimension counts as shared.
SIGNIFICANCE = 0.01


class NullSpaceAligner(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Find, in closed form, the space in which modalities of the same samples agree.

    Learns one affine map per modality, :math:`z_m = A_m (x_m - \mu_m)`, such that
    :math:`z_1 \approx z_2 \approx \dots \approx z_M` on all pairs, by

    .. math:: \min_v \; v^\top (M D - S) v \quad \text{s.t.} \quad v^\top B v = 1, \qquad
              v = [A_1 | \dots | A_M]^\top ,

    with :math:`S` the second moment of the stacked blocks and :math:`D` its block diagonal.
    The objective is :math:`\sum_{m<l} \lVert A_m x_m - A_l x_l \rVert^2`. ``whiten=True`` is the
    gauge :math:`B = D`: canonical correlation analysis for two modalities, MAXVAR for more.
    ``whiten=False`` is :math:`B = I`: the left null space of the stacked blocks of Kamboj & Do,
    Eq. 3, with the sign of their Eq. 2 corrected.

    Samples are rows of one array in which the blocks of all modalities stand side by side. A
    modality that a sample lacks is a block of NaN; see :func:`skalign.stack_modalities`. Rows
    with every block are *pairs*. What modalities share is learned from them; rows that lack one
    improve what is known of how each varies, by an EM with missing blocks, unless pairs share
    exact directions, which need no help.

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        Dimension of the aligned space. ``"auto"`` keeps the dimensions that the pairs share beyond
        chance: exact ones, and those significant at 1 % by Roy's largest root. ``None`` keeps
        all, as many as the smallest modality has.
    modalities : None, sequence of int or mapping of str to columns, default=None
        The blocks. A sequence gives their widths, in order. A mapping gives names, and columns as
        :class:`~sklearn.compose.ColumnTransformer` takes them: a slice, integers, a boolean mask,
        names, or a callable such as :class:`~sklearn.compose.make_column_selector`. ``None`` cuts
        the features in two halves, the first ``(n_features + 1) // 2`` wide.
    whiten : bool, default=True
        Whether latents have unit variance. If not, the rows of ``[A_1 | ... | A_M]`` are
        orthonormal, and the result depends on the units of the features.
    center : bool, default=True
        Whether to subtract the mean of the pairs from each feature.
    shrinkage : "auto", float in [0, 1] or None, default="auto"
        Shrinkage of the covariance of each block, at unit column variances, towards the identity:
        as if so large a share of each block were independent noise, so that correlations shrink
        with it. ``"auto"`` is the oracle approximating shrinkage of Chen et al. (2010), worth no
        more than ``d + 1`` pairs. Exactly shared directions are never shrunk.
    tol : float, default=None
        Singular values of a block, at unit column variances, below ``tol`` times the largest count
        as zero. ``None`` takes the rounding error of the data.
    solver : {"auto", "covariance", "qr"}, default="auto"
        ``"covariance"`` reads the data once and works on second moments, which loses the square of
        the condition number. ``"qr"`` works on a triangular root and loses the condition number
        only. ``"auto"`` starts with the first; where accuracy asks for it, it reads the data once
        more in white coordinates, and turns to the second where that is not enough.
    random_state : int, RandomState instance or None, default=None
        For three or more modalities: draws of the null distribution behind ``pvalues_``.
    verbose : bool, default=False
        Whether to print how far a long pass over the rows is, once a second.

    Attributes
    ----------
    encoders_ : list of ModalityEncoder
        One map per modality, in order; ``encoders_["name"]`` works too.
    modality_names_ : tuple of str
        Names of the modalities: ``"modality0"``, ``"modality1"``, ... where unnamed.
    singular_values_ : ndarray of shape (n_components,)
        Square root of the minimum, one per component, in ascending order. Two whitened
        modalities: ``sqrt(1 - correlation)``.
    correlations_ : ndarray of shape (n_components,)
        Correlation between the latents of the modalities in the fitted model, a mean over pairs
        of modalities.
    pvalues_ : ndarray of shape (n_components,)
        P-value of "the modalities share no more than j dimensions", for component j.
    loadings_ : ndarray of shape (n_features_in_, n_components)
        Correlation of each feature with the latent of its modality.
    n_components_ : int
        Dimension of the aligned space.
    n_exact_components_ : int
        How many of these are exact: equal in all modalities up to rounding.
    n_pairs_ : int
        Number of pairs.
    ranks_ : ndarray of shape (n_modalities,)
        Numerical rank of each block over the pairs.
    n_features_in_ : int
        Number of features of all modalities together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    CrossModalTransferClassifier : Moves a classifier from one modality to another.
    sklearn.cross_decomposition.CCA : Two modalities, iterative, one of them given as ``y``.

    Notes
    -----
    A float64 residual at rounding level is an alignment in the sense of Kamboj & Do, Theorem 2.1.
    With no more different pairs than the rank of the stacked blocks any two modalities agree
    exactly, by interpolation: such directions do not count as exact, they are shrunk.

    References
    ----------
    .. [1] A. Kamboj and M. N. Do, "Leveraging Perfect Multimodal Alignment and Gaussian
       Assumptions for Cross-modal Transfer".
    .. [2] Å. Björck and G. H. Golub, "Numerical methods for computing angles between linear
       subspaces", Mathematics of Computation 27 (1973).
    .. [3] I. M. Johnstone, "Multivariate analysis and Jacobi ensembles: largest eigenvalue,
       Tracy-Widom limits and rates of convergence", Annals of Statistics 36 (2008).
    .. [4] Y. Chen, A. Wiesel, Y. C. Eldar and A. O. Hero, "Shrinkage algorithms for MMSE
       covariance estimation", IEEE Transactions on Signal Processing 58 (2010).

    Examples
    --------
    >>> from skalign import NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(n_features=(5, 8), noise=0.1, random_state=0)
    >>> aligner = NullSpaceAligner(modalities=data.modalities).fit(data.X)
    >>> aligner.n_components_
    2
    >>> aligner.transform(data.X).shape
    (2000, 2)
    """

    _seen: _pairs.Seen | None

    def __init__(
        self,
        n_components="auto",
        *,
        modalities=None,
        whiten=True,
        center=True,
        shrinkage="auto",
        tol=None,
        solver="auto",
        random_state=None,
        verbose=False,
    ):
        self.n_components = n_components
        self.modalities = modalities
        self.whiten = whiten
        self.center = center
        self.shrinkage = shrinkage
        self.tol = tol
        self.solver = solver
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None):
        """Learn the maps from the pairs, helped by the rows that lack a modality.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN. A Dask array or
            dataframe is summed up chunk by chunk where it is; what maps such rows is lazy.
        y : object
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a weight of two counts a row twice.

        Returns
        -------
        self : NullSpaceAligner

        Raises
        ------
        ValueError
            If a block is partly NaN or holds infinity, if there are fewer than two pairs, if a
            modality is constant, or if ``n_components`` exceeds the rank of a modality.
        """
        self._fit(X, sample_weight)
        if self.n_components == "auto" and self.pvalues_[0] > SIGNIFICANCE:
            count = "" if sample_weight is None else ", counted by sample_weight,"
            warnings.warn(
                f"The modalities share nothing beyond chance on {self.n_pairs_} pairs{count} "
                f"(smallest p-value {self.pvalues_[0]:.2g}). The aligned space keeps one "
                "component, which means nothing. Check that rows are paired, or give more pairs.",
                UserWarning,
                stacklevel=2,
            )
        return self

    @keep_state_on_error
    def _fit(self, X, sample_weight=None):
        # without a word where nothing is shared: the classifier has its own
        self._check_parameters()
        if _dask.is_dask(X):
            return _dask.fit(self, X, sample_weight)
        frame = X
        X = validate_stack(self, X, reset=True, dtype="numeric")
        weights = check_weights(sample_weight, X)
        feature_names = column_names(self, frame)
        blocks = resolve(self.modalities, X.shape[1], frame, feature_names)
        self._fit_blocks(X, weights, blocks, feature_names)
        return self

    @keep_state_on_error
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from some more rows: as `fit` on all rows so far together, up to rounding.

        Keeps sums of the rows, not the rows. With ``solver="auto"`` or ``"qr"`` these are a
        triangular root, as accurate as `fit` and some six times as slow; ``"covariance"`` is
        fast. Until there are more pairs than components, rows are summed up and nothing is fitted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        y : object
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a weight of two counts a row twice.

        Returns
        -------
        self : NullSpaceAligner

        Raises
        ------
        ValueError
            As `fit` does; what was learned before stays as it was.
        """
        self._check_parameters()
        first = not hasattr(self, "_blocks")
        if not first and self._seen is None:
            raise ValueError(
                "this aligner was fitted on no more rows than columns, of which it keeps no sums: "
                "start with partial_fit, or fit on all rows at once."
            )
        if _dask.is_dask(X):
            return _dask.partial_fit(self, X, sample_weight, first)
        frame = X
        X = validate_stack(self, X, reset=first, dtype="numeric", ensure_min_samples=1)
        weights = check_weights(sample_weight, X)
        if first:
            names = column_names(self, frame)
            self._blocks = resolve(self.modalities, X.shape[1], frame, names)
            self._seen = _pairs.Seen.nothing(X.shape[1])
        assert self._seen is not None
        self._seen = self._seen.with_rows(X, weights, self._blocks, self._streamed_kind())
        return self._learn_from_seen()

    @keep_state_on_error
    def merge(self, other):
        """Add what another aligner has seen: as if its rows had been given to `partial_fit`.

        Parameters
        ----------
        other : NullSpaceAligner
            One that has seen rows of the same features, by `fit` or `partial_fit`. Stays as it
            is.

        Returns
        -------
        self : NullSpaceAligner

        Raises
        ------
        ValueError
            If either has seen nothing, or their features or modalities differ.
        """
        for aligner in (self, other):
            if getattr(aligner, "_seen", None) is None:
                raise ValueError("an aligner to merge has seen no rows: call partial_fit before.")
        mine, theirs = self._blocks, other._blocks
        same = mine.names == theirs.names and mine.n_features == theirs.n_features
        if not same or not all(
            np.array_equal(mine.indices(m), theirs.indices(m)) for m in range(len(mine))
        ):
            raise ValueError("aligners to merge must have the same features and modalities.")
        assert self._seen is not None
        self._seen = self._seen.merged(other._seen)
        return self._learn_from_seen()

    def _learn_from_seen(self):
        seen, wanted = self._seen, self.n_components
        wanted = 1 if wanted in ("auto", None) else wanted
        if seen is not None and seen.n_pairs(self._blocks) > wanted:
            names = getattr(self, "feature_names_in_", None)
            self._solve(
                seen.sums,
                self._whitened(seen.sums, self._blocks, seen.eps),
                self._blocks,
                seen.eps,
                seen.more_than,
                names,
            )
        return self

    def transform(self, X):
        """Encode samples: the mean of the encodings of the modalities that each has.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        ValueError
            If a row has no modality at all, or a block that is partly NaN.
        """
        check_is_fitted(self)
        if _dask.is_dask(X):
            return _dask.lazily(self, "transform", X, self.n_components_)
        X = validate_stack(self, X)
        return self._coding.transform(X)

    def inverse_transform(self, X):
        """Map latents back to the features of all modalities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Latents.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Best linear estimates, in the units of the features.
        """
        check_is_fitted(self)
        if _dask.is_dask(X):
            return _dask.lazily(self, "inverse_transform", X, self.n_features_in_)
        Z = check_array(X, dtype=accepted(X, FLOATS), input_name="X")
        if isinstance(on_device(Z), OnDevice):
            blocks = [on_device(encoder.inverse_transform(Z)) for encoder in self.encoders_]
            return together(blocks, list(map(self._blocks.indices, range(len(blocks)))), axis=1)
        out = np.empty((len(Z), self.n_features_in_), dtype=Z.dtype)
        for m, encoder in enumerate(self.encoders_):
            out[:, self._blocks.columns[m]] = encoder.inverse_transform(Z)
        return out

    def impute(self, X):
        """Fill missing blocks with their best linear estimate from the blocks that are present.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A copy without NaN; blocks that are present are as they were.
        """
        check_is_fitted(self)
        if _dask.is_dask(X):
            return _dask.lazily(self, "impute", X, self.n_features_in_)
        X = validate_stack(self, X, copy=True)
        return self._coding.fill(X)

    def score(self, X, y=None, sample_weight=None):
        """Mean pointwise mutual information between the modalities of the pairs, in nats.

        Under the fitted Gaussian model, and on whatever pairs are given: on held-out pairs it
        peaks at the number of components that are really shared. Collapsed latents score 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; rows that lack one are left out.
        y : object
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative.

        Returns
        -------
        float
            Higher is better; below zero the fitted agreement misleads on these pairs.
        """
        check_is_fitted(self)
        if _dask.is_dask(X):
            return _dask.score(self, X, sample_weight)
        X = validate_stack(self, X)
        weights = check_weights(sample_weight, X)
        Z = np.hstack(self._coding.encode(X)).astype(np.float64, copy=False)
        paired = np.isfinite(Z).all(axis=1)
        if not paired.all():
            paired = presence(X, self._blocks).all(axis=1)
        weights = np.ones(len(X)) if weights is None else weights
        weights = np.where(paired, weights, 0.0)
        if not weights.any():
            raise ValueError("X has no pairs: no row with a positive weight has every modality.")
        Z = np.where(weights[:, None] > 0, Z, 0.0) * np.sqrt(weights / weights.sum())[:, None]
        return _information.mutual_information(self._latent_cov, Z.T @ Z, len(self.encoders_))

    # -- steps of fit ----------------------------------------------------------------------------

    def _check_parameters(self):
        if self.n_components not in ("auto", None):
            check_number("n_components", self.n_components, low=1, integer=True)
        if self.shrinkage not in ("auto", None):
            check_number("shrinkage", self.shrinkage, low=0, high=1)
        if self.tol is not None:
            check_number("tol", self.tol, low=0, high=1)
        check_option("solver", self.solver, ("auto", "covariance", "qr"))

    def _fit_blocks(self, X, weights, blocks, feature_names):
        """Learn from an array whose blocks are known."""
        eps = rounding_of(X.dtype)

        sums, pairs = _pairs.gather(
            X,
            weights,
            blocks,
            kind=self._moments_kind(X.shape),
            refine=self.solver == "auto",
            whitened=lambda sums: self._whitened(sums, blocks, eps),
            verbose=self.verbose,
        )

        different = _pairs.Distinct(X.shape[1])

        def more_than(limit):
            return different.add(X, weights, limit)

        self._solve(sums, pairs, blocks, eps, more_than, feature_names)
        self._seen = None
        if len(X) > X.shape[1]:  # what is kept must not hold the rows themselves
            different.add(X, weights)
            self._seen = _pairs.Seen(sums, different, eps)

    def _whitened(self, sums, blocks, eps):
        return _pairs.whiten(sums, blocks, center=self.center, tol=self.tol, eps=eps)

    def _solve(self, sums, pairs, blocks, eps, more_than, feature_names):
        """Learn the maps from moments, and the white pairs they give."""
        _pairs.check_ranks(pairs, blocks.names, self.n_components)
        model = _pairs.fit_model(pairs, more_than, self.shrinkage)
        pvalues = _model.dimension_pvalues(
            pairs,
            model,
            pairs.moments.weight - self.center,
            check_random_state(self.random_state),
        )
        k = self._count_components(pairs, pvalues)
        self.ranks_ = np.array([block.rank for block in pairs.ranges])
        apart = _pairs.incomplete(sums, self.center)
        if apart and model.n_exact == 0:
            pairs, model = _missing.learn_from_all(
                pairs, apart, self.shrinkage, tol=self.tol, eps=eps
            )
        alignment = _alignment.align(pairs, model, k, self.whiten)
        self._store(blocks, pairs, alignment, pvalues[:k], feature_names)
        self.n_exact_components_ = min(model.n_exact, k)

    def _without(self, X, weights, held):
        """Another aligner like this one, fitted on all rows but some."""
        other = clone(self)
        other.n_features_in_ = self.n_features_in_
        kept = np.delete(np.arange(len(X)), held)
        other.verbose = False
        other._fit_blocks(X[kept], weights[kept], self._blocks, None)
        return other

    def _moments_kind(self, shape):
        if self.solver != "auto":
            return self.solver
        # the gauge of the paper is not white: only a root keeps its small end accurate
        return "covariance" if self.whiten and shape[0] > shape[1] else "qr"

    def _streamed_kind(self):
        return "covariance" if self.solver == "covariance" else "qr"

    def _count_components(self, pairs, pvalues):
        if self.n_components is None:
            return _model.max_components(pairs)
        if self.n_components != "auto":
            return self.n_components
        return max(1, int(np.sum(pvalues <= SIGNIFICANCE)))

    def _store(self, blocks, pairs, alignment, pvalues, feature_names):
        self._blocks = blocks
        self._latent_cov = alignment.latent_cov
        encoders = []
        for m, (coef, decoder) in enumerate(zip(alignment.coefs, alignment.decoders, strict=True)):
            columns = blocks.indices(m)
            names = None if feature_names is None else feature_names[columns]
            mean = pairs.moments.mean[columns]
            encoders.append(ModalityEncoder._from_maps(coef, mean, decoder, names))
        self.encoders_ = NamedList(encoders, blocks.names)
        self.modality_names_ = blocks.names
        self.singular_values_ = alignment.singular_values
        self.correlations_ = alignment.correlations
        self.pvalues_ = pvalues
        self.loadings_ = alignment.loadings
        self.n_components_ = len(pvalues)
        self.n_pairs_ = pairs.moments.n_rows

    # -- shared by the other methods -------------------------------------------------------------

    @property
    def _coding(self):
        return Coding(self.encoders_, self._blocks, self._latent_cov)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "encoders_")

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
