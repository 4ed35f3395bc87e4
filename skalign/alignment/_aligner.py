"""The estimator that finds the space in which modalities agree."""

import warnings
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import Blocks, resolve_table
from .._utils._containers import in_container
from .._utils._validation import FLOATS, check_switch, column_names, restored_on_error
from ..moments import _dask
from ..moments._rows import Accumulated
from . import _encoder
from ._encoder import Encoders, ModalityEncoder
from ._maps import align, check_options, warn_of_chance

# What an alignment and the attributes of the estimator have in common.
LEARNED = (
    "singular_values", "correlations", "pvalues", "loadings", "latent_covariance",
    "n_components", "n_exact_components", "n_pairs", "ranks",
)  # fmt: skip


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
    exact directions, which need no help. Where few rows or none have all of three modalities or
    more, rows with two are links: a chain of them aligns two that never met.

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
        the features in two halves, the first ``(n_features + 1) // 2`` wide. Columns that no
        modality selects are left aside, whatever they hold: what comes out has the others only.
    whiten : bool, default=True
        Whether latents have unit variance. If not, the rows of ``[A_1 | ... | A_M]`` are
        orthonormal, and the result depends on the units of the features.
    center : bool, default=True
        Whether to subtract the mean of the pairs from each feature.
    shrinkage : "auto", float in [0, 1], None or sequence of these, default="auto"
        Shrinkage of the covariance of each block, at unit column variances, towards the identity:
        as if so large a share of each block were independent noise, so that correlations shrink
        with it. ``"auto"`` is the oracle approximating shrinkage of Chen et al. (2010), worth no
        more than ``d + 1`` pairs. A sequence has one of these for each modality. Exactly shared
        directions are never shrunk.
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
        One map per modality, in order.
    named_encoders_ : Bunch
        The same by name: ``named_encoders_["video"]``, ``named_encoders_.video``.
    modality_names_ : tuple of str
        Names of the modalities: ``"modality0"``, ``"modality1"``, ... where unnamed.
    modality_columns_ : list of ndarray of int
        Columns of each modality in ``X``.
    singular_values_ : ndarray of shape (n_components,)
        Square root of the minimum, one per component, in ascending order. Two whitened
        modalities: ``sqrt(1 - correlation)``.
    correlations_ : ndarray of shape (n_components,)
        Correlation between the latents of the modalities in the fitted model, a mean over pairs
        of modalities.
    pvalues_ : ndarray of shape (n_components,)
        P-value of "the modalities share no more than j dimensions", for component j. Supposes
        rows that are Gaussian and drawn apart: of skewed or rarely lit columns too small, of
        series far too small. :func:`~skalign.model_selection.permutation_test` supposes neither.
    loadings_ : ndarray of shape (n_features, n_components)
        Correlation of each feature with the latent of its modality.
    latent_covariance_ : ndarray of shape (n_modalities * n_components,) * 2
        Covariance of the latents of all modalities in the fitted model, modality by modality.
    imputation_ : dict of "coefs", "decoders", "covariance" and "variances"
        What `impute` goes through: maps to latents and back, one array a modality each, the
        covariance of all these latents, and the variances of the features.
    n_components_ : int
        Dimension of the aligned space.
    n_exact_components_ : int
        How many of these are exact: equal in all modalities up to rounding.
    n_pairs_ : int
        Number of pairs; where few or none link all modalities, of rows that have two or more.
    ranks_ : ndarray of shape (n_modalities,)
        Numerical rank of each block over the pairs; or over all rows, where few are pairs.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    CrossModalTransferClassifier : Moves a classifier from one modality to another.
    sklearn.cross_decomposition.CCA : Two modalities, iterative, one of them given as ``y``.

    Notes
    -----
    A float64 residual at rounding level is an alignment in the sense of Kamboj & Do, Theorem 2.1.
    With no more different pairs than the rank of the stacked blocks modalities agree by
    interpolation. That does not count as exact, nor does a direction that one row alone shows.

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

    def __init__(
        self,
        n_components: int | Literal["auto"] | None = "auto",
        *,
        modalities: Any = None,
        whiten: bool = True,
        center: bool = True,
        shrinkage: Any = "auto",
        tol: float | None = None,
        solver: Literal["auto", "covariance", "qr"] = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.modalities = modalities
        self.whiten = whiten
        self.center = center
        self.shrinkage = shrinkage
        self.tol = tol
        self.solver = solver
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
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
            If a block is partly NaN or holds infinity, if there are fewer than two pairs, if no
            chain of rows with two modalities leads to one of them, if a modality is constant, or
            if ``n_components`` exceeds the rank of a modality.
        """
        with restored_on_error(self.__dict__):
            self._check_parameters()
            rows, names = self._read(X, sample_weight, reset=True)
            self._learn(rows, names)
        if self.n_components == "auto":
            warn_of_chance(self.n_pairs_, self.pvalues_[0], weighted=sample_weight is not None)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some more rows: as `fit` on all rows so far together, up to rounding.

        Keeps sums of the rows, not the rows, for more of them and for `merge`. With
        ``solver="auto"`` or ``"qr"`` these are a triangular root, as accurate as `fit` and some
        six times as slow; ``"covariance"`` is fast. Until there are more pairs than components,
        rows are summed up and nothing is fitted.

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
        first = not hasattr(self, "_sums")
        if first and hasattr(self, "encoders_"):
            message = (
                "this aligner was fitted in one go and keeps no sums: partial_fit starts anew"
            )
            warnings.warn(f"{message}, without the rows that fit has seen.", stacklevel=2)
        with restored_on_error(self.__dict__):
            self._check_parameters()
            rows, names = self._read(X, sample_weight, reset=first, least=1)
            if first:  # nothing is left of what fit has learned
                for name in ("encoders_", "imputation_", *(f"{name}_" for name in LEARNED)):
                    self.__dict__.pop(name, None)
            # a root, as exact as can be, unless speed is asked for
            seen = Accumulated.of(rows, "covariance" if self.solver == "covariance" else "qr")
            return self._learn_from_sums(seen, names)

    def merge(self, other: "NullSpaceAligner") -> Self:
        """Add what another aligner has seen: as if its rows had been given to `partial_fit`.

        Parameters
        ----------
        other : NullSpaceAligner
            One that has seen rows of the same features, by `partial_fit`. Stays as it is.

        Returns
        -------
        self : NullSpaceAligner

        Raises
        ------
        ValueError
            If either keeps no sums, since it was fitted in one go, or if their features or
            modalities differ.
        """
        if not (hasattr(self, "_sums") and hasattr(other, "_sums")):
            raise ValueError(
                "an aligner to merge keeps no sums of rows: learn by partial_fit, not by fit."
            )
        if not self._blocks.same_as(other._blocks):
            raise ValueError("aligners to merge must have the same features and modalities.")
        with restored_on_error(self.__dict__):
            names = getattr(self, "feature_names_in_", None)
            seen = Accumulated.from_arrays(other._sums, self._blocks)
            return self._learn_from_sums(seen, names)

    def transform(self, X: Any) -> Any:
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
        return self._mapped(_encoder.encoded_rows, X, self.n_components_)

    def inverse_transform(self, X: Any) -> Any:
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
        template = _dask.template_of(X)
        Z = _encoder.check_latents(template, self.n_components_, int(template is X))
        function = partial(_encoder.decoded_rows, encoders=self._encoders)
        return _dask.map_rows(function, X, Z, len(self.loadings_))

    def impute(self, X: Any, return_std: bool = False) -> Any:
        """Fill missing blocks with their best linear estimate from the blocks that are present.

        By default by reduced-rank ridge regression, its ridge and rank by generalised
        cross-validation; with a given ``shrinkage`` (or ``n_components``, of two), or where rows
        link some of three modalities, the mean under the fitted model of what they share.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        return_std : bool, default=False
            Whether to tell standard deviations, too.

        Returns
        -------
        filled : ndarray of shape (n_samples, n_features)
            A copy without NaN; blocks that are present are as they were.
        std : ndarray of shape (n_samples, n_features)
            Of the values that were filled in, zero elsewhere; only if ``return_std``.
        """
        check_is_fitted(self)
        columns = np.sort(np.concatenate(self.modality_columns_))
        filled = self._mapped(_encoder.imputed_rows, X, len(columns))
        filled = in_container(filled, self.__dict__, X, columns)
        if not return_std:
            return filled
        std = self._mapped(_encoder.deviation_of_rows, X, len(columns), n_pairs=self.n_pairs_)
        return filled, in_container(std, self.__dict__, X, columns)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean pointwise mutual information between the modalities of the pairs, in nats.

        Under the fitted Gaussian model, and on whatever pairs are given: on held-out pairs it
        peaks at the number of components that are really shared. Collapsed latents score 0. An
        exact component counts as if it were equal up to noise of 1e-10 of its variance, which is
        11.67 nats between two modalities: more than that no score can tell.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side. A row counts with the modalities that it has;
            those with fewer than two are left out.
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
        rows, _ = self._read(X, sample_weight, dtype=FLOATS)
        moments = rows.fold(_encoder.latent_moments, _encoder.merged, self._encoders)
        if not moments:
            raise ValueError("X has no pairs: no row with a positive weight has two modalities.")
        return self._encoders.mean_information(moments)

    def score_samples(self, X: Any) -> Any:
        """Pointwise mutual information between the modalities of each pair, in nats.

        The logarithm of how much likelier the blocks of a row are together than apart, under the
        fitted model. A pair far below the others may be none: rows mixed up, clocks adrift.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side, two of them present at least. A row is judged
            by those it has.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self._mapped(_encoder.information_of_rows, X, None)

    # -- steps -----------------------------------------------------------------------------------

    def _check_parameters(self):
        check_options(**self._options())
        check_switch("verbose", self.verbose)

    def _read(self, X, sample_weight=None, *, reset=False, dtype="numeric", least=2):
        """Validate rows; their source, and the names of the selected columns."""
        options = {"ensure_min_features": 2, "ensure_min_samples": least} if reset else {}
        template, options = _dask.table_of(X, dtype, **options)
        table = validate_data(self, template, reset=reset, **options)
        blocks = resolve_table(self.modalities, table) if reset else self._blocks
        rows = _dask.as_rows(X, table, sample_weight, blocks, dtype=dtype, verbose=self.verbose)
        return rows, column_names(table)

    def _options(self):
        """Hyperparameters of `align`."""
        own = self.get_params(deep=False)
        return {name: own[name] for name in own if name not in ("modalities", "verbose")}

    def _learn(self, rows, names, validated=()):
        """Learn the maps from a row source, which is not kept.

        ``validated`` are attributes of who has validated the rows, if that is somebody else.
        """
        self.__dict__.pop("_sums", None)
        own = {"n_features_in_", "feature_names_in_"}.intersection(validated)
        self.__dict__.update({name: validated[name] for name in own})
        self._store_blocks(rows.blocks)
        self._store(align(rows, **self._options()), names)

    def _expected(self, X, rows=None, held=None):
        """Rows whose missing blocks are filled, or would be, had some other rows not been seen."""
        encoders = self._encoders
        if rows is not None:
            alignment = align(rows.without(held), **self._options())
            encoders = Encoders.of(alignment, rows.blocks)
        return encoders.impute(X)

    def _learn_from_sums(self, seen, names):
        """Add sums to those kept, and learn the maps from them if there are pairs enough."""
        kept = getattr(self, "_sums", None)
        if kept is not None:
            seen = Accumulated.from_arrays(kept, self._blocks).merged(seen)
        self._sums = seen.as_arrays()
        self._store_blocks(seen.blocks)
        wanted = 1 if self.n_components in ("auto", None) else self.n_components
        if seen.n_pairs > wanted:
            self._store(align(seen, **self._options()), names)
        return self

    def _store_blocks(self, blocks):
        self.modality_names_ = blocks.names
        self.modality_columns_ = [blocks.of_table(m) for m in range(len(blocks))]

    def _store(self, alignment, names):
        maps = [alignment.coefs, alignment.means, alignment.decoders]
        shown = [None if names is None else names[c] for c in self.modality_columns_]
        self.encoders_ = list(map(ModalityEncoder._from_maps, *maps, shown, self.modality_names_))
        self.__dict__.update({f"{name}_": getattr(alignment, name) for name in LEARNED})
        self.imputation_ = dict(vars(alignment.shared))

    # -- shared by the other methods -------------------------------------------------------------

    @property
    def _blocks(self):
        return Blocks.of(self.modality_names_, self.modality_columns_, self.n_features_in_)

    @property
    def _encoders(self):
        learned = self.latent_covariance_, self.imputation_
        return Encoders.of_parts(self.encoders_, self._blocks, *learned)

    @property
    def named_encoders_(self) -> Bunch:
        """Encoders by the name of their modality."""
        check_is_fitted(self)
        return Bunch(**dict(zip(self.modality_names_, self.encoders_, strict=True)))

    def _mapped(self, function, X, n_columns, **options):
        """A function of encoders and rows, of rows in memory or of chunks when asked for."""
        template, how = _dask.table_of(X)
        table = validate_data(self, template, reset=False, **how)
        apply = partial(function, encoders=self._encoders, **options)
        return _dask.map_rows(apply, X, table, n_columns)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "encoders_")

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
