"""The estimator that finds partners across modalities."""

import copy
from collections.abc import Iterable
from functools import partial
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import position_of
from .._utils._validation import (
    check_number,
    check_option,
    column_names,
    noting_width,
    restored_on_error,
)
from ..alignment import NullSpaceAligner
from ..alignment._given import blocks_of, given_aligner
from ..alignment._maps import warn_of_chance
from ..moments import _dask as collections
from ._held_out import best_of, complete_rows, even_splits, thinned
from ._neighbors import check_index, fitted_index
from ._points import (
    METRICS,
    Encoding,
    Variates,
    neighbors_of_rows,
    partner_ranks,
    similarity_of_rows,
)

# Shrinkages of the blocks that are tried where it is left open, as of NullSpaceAligner.
SHRINKAGES = ("auto", 0.2, 0.5, 0.8)
# Pairs, evenly spread, by which correlations are measured and choices are made.
MOST_PAIRS = 10_000


class CrossModalRetriever(BaseEstimator):
    r"""Which row of another modality belongs to this one.

    `fit` learns an aligned space from the pairs, and takes its rows that have the gallery's
    modality as the gallery. `kneighbors` finds, for a row of the query's modality, those that are
    likeliest its partner: of largest pointwise mutual information under the Gaussian model, or of
    largest cosine between latents that are weighted by their correlations.

    .. math:: \log \frac{p(a, b)}{p(a)\,p(b)} = \tfrac12 \sum_j \Bigl( a_j^2 - \log(1 - r_j^2)
              - \frac{(a_j - r_j b_j)^2}{1 - r_j^2} \Bigr)

    with canonical variates a of the query and b of the gallery, of correlations r. These, and the
    variances, are measured on pairs held out: what was learned from the pairs agrees better on
    them than on others, and the more so the wider the blocks. So any number of components may
    take part, each by what it is worth.

    Parameters
    ----------
    aligner : NullSpaceAligner, default=None
        Learns the aligned space, and names the modalities. ``None`` is ``NullSpaceAligner()``.
        Where its ``n_components`` is ``"auto"``, all components take part; where its
        ``shrinkage`` is ``"auto"``, the best of that and of .2, .5 and .8, for each of the two
        modalities, on pairs held out is taken. May be frozen by
        :class:`~sklearn.frozen.FrozenEstimator`; then it is used as it is, and so are its own
        correlations.
    query : int or str, default=0
        Modality to search by, by position or name.
    gallery : int or str, default=1
        Modality to search in, by position or name.
    metric : {"auto", "likelihood", "cosine"}, default="auto"
        ``"auto"`` takes the one that finds partners of pairs held out better, and the likelihood
        where none are held out. Cosines do not look at the length of rows, and often are better
        for counts of words.
    cv : int, cross-validation splitter, iterable of (train, test) or None, default=5
        Folds of rows. A number puts equal rows in one fold. For people that are not seen before:
        ``list(GroupKFold(5).split(X, groups=subject))``. ``None``, or fewer than twice as many
        different pairs as folds, holds nothing out: correlations are the aligner's, which with
        wide blocks and few pairs are too high.
    neighbors : estimator, default=None
        Index over points of the gallery, by Euclidean distance: anything with ``fit`` and
        ``kneighbors``, or, as :class:`~sklearn.neighbors.KNeighborsTransformer`, with ``fit`` and
        ``transform`` to a sparse graph of neighbours. ``None`` is
        :class:`~sklearn.neighbors.NearestNeighbors` by brute force, which is exact, and plain
        arrays in a file; in few dimensions a tree is faster.

    Attributes
    ----------
    aligner_ : NullSpaceAligner
        The fitted aligner, with what was chosen for it.
    metric_ : str
        ``"likelihood"`` or ``"cosine"``.
    query_, gallery_ : int
        Positions of the modalities.
    correlations_ : ndarray of shape (n_components,)
        Correlations of partners that were not learned from, descending; components without any
        are left out. Where nothing was held out, those of the aligner.
    query_coef_ : ndarray of shape (n_components, n_query_features)
        Maps features of a query, less their mean, to its point; for cosines its length is then
        set to one.
    gallery_coef_ : ndarray of shape (n_components, n_gallery_features)
        The same for the gallery.
    gallery_points_ : ndarray of shape (n_gallery, n_dimensions)
        Points of the gallery: the nearer, the better. Those of cosines have two more dimensions,
        for rows of length zero.
    gallery_rows_ : ndarray of int, shape (n_gallery,)
        Which rows of the ``X`` that the gallery came from they are.
    neighbors_ : estimator
        The fitted index over ``gallery_points_``.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    NullSpaceAligner : The aligned space.
    skalign.metrics.recall_at_k : Judges what `similarity` returns.
    sklearn.neighbors.NearestNeighbors : The same within one modality.

    References
    ----------
    .. [1] P. Li, S. P. Chinchali and U. Topcu, "CSA: data-efficient mapping of unimodal features
       to multimodal features", ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CrossModalRetriever, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(
    ...     600, n_features=(8, 9), n_latent=6, noise=0.1, random_state=0
    ... )
    >>> retriever = CrossModalRetriever(NullSpaceAligner(modalities=[8, 9])).fit(data.X[:400])
    >>> new = data.X[400:].copy()
    >>> searched = retriever.with_gallery(new)
    >>> new[:, 8:] = np.nan  # to search by: first modality only
    >>> distances, rows = searched.kneighbors(new, n_neighbors=3)
    >>> bool(np.mean(rows[:, 0] == np.arange(200)) > 0.8)
    True
    """

    def __init__(
        self,
        aligner: Any = None,
        *,
        query: int | str = 0,
        gallery: int | str = 1,
        metric: Literal["auto", "likelihood", "cosine"] = "auto",
        cv: Any = 5,
        neighbors: Any = None,
    ) -> None:
        self.aligner = aligner
        self.query = query
        self.gallery = gallery
        self.metric = metric
        self.cv = cv
        self.neighbors = neighbors

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the aligned space from the pairs, and take the rows as the gallery.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN. Rows that have the
            gallery's modality are the gallery. Of a Dask array or dataframe, every row takes part;
            points of the gallery are brought into memory, some numbers a row.
        y : object
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a weight of two counts a row twice. Rows of weight zero are in the
            gallery, too.

        Returns
        -------
        self : CrossModalRetriever

        Raises
        ------
        ValueError
            If there are fewer than two pairs, if no row has the gallery's modality, or if query
            and gallery are one modality.
        """
        self._check_parameters()
        with restored_on_error(self.__dict__):
            default = NullSpaceAligner() if self.aligner is None else self.aligner
            aligner, is_frozen = given_aligner(default)
            if not is_frozen:
                aligner._check_parameters()
            template, options = collections.table_of(X, least=1 if is_frozen else 2)
            table = validate_data(self, template, reset=True, **options)
            blocks = blocks_of(aligner, is_frozen, table, self.n_features_in_)
            self.query_ = position_of(self.query, blocks.names, "query")
            self.gallery_ = position_of(self.gallery, blocks.names, "gallery")
            if self.query_ == self.gallery_:
                raise ValueError(
                    f"query={self.query!r} and gallery={self.gallery!r} are one modality: "
                    "sklearn.neighbors.NearestNeighbors searches within one."
                )
            rows = collections.as_rows(X, table, sample_weight, blocks)
            worth = None if is_frozen else self._learn(aligner, rows, column_names(template))
            self._store(aligner, worth)
            self._take_gallery(X, table)
        if not is_frozen:
            n_pairs, weighted = aligner.n_pairs_, sample_weight is not None
            warn_of_chance(n_pairs, aligner.pvalues_[0], weighted=weighted)
        return self

    def with_gallery(self, X: Any) -> Self:
        """A retriever that searches in other rows, by the space that was learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `fit`. Rows that have the gallery's modality are the gallery.

        Returns
        -------
        CrossModalRetriever
            Another one, fitted; this one stays as it is.

        Raises
        ------
        ValueError
            If no row has the gallery's modality.
        """
        check_is_fitted(self)
        other = copy.copy(self)
        other._take_gallery(X, self._validated(X))
        return other

    def kneighbors(self, X: Any, n_neighbors: int = 5, return_distance: bool = True) -> Any:
        r"""Likeliest partners of each row, best first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            Blocks of all modalities side by side. The query's is looked at, others may be NaN.
        n_neighbors : int, default=5
            How many, at most as many as the gallery has.
        return_distance : bool, default=True
            Whether to return distances, too.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            For the likelihood, Mahalanobis distance of the query's variates from what the gallery
            row leads to expect; :math:`1 - \cos` for cosines. Only if ``return_distance``.
        indices : ndarray of shape (n_queries, n_neighbors)
            Rows of the ``X`` that `fit`, or `with_gallery`, was given: ``X[indices]`` are the
            neighbours. All its rows count, those without the gallery's modality, too.

        Raises
        ------
        ValueError
            If ``n_neighbors`` is larger than the gallery, or a row lacks the query's modality.
        """
        check_is_fitted(self)
        check_number("n_neighbors", n_neighbors, low=1, integer=True)
        n_gallery = len(self.gallery_rows_)
        if n_neighbors > n_gallery:
            raise ValueError(
                f"n_neighbors={n_neighbors} is larger than the gallery, which has {n_gallery} "
                f"row(s) of modality {self.aligner_.modality_names_[self.gallery_]!r}."
            )
        find = partial(
            neighbors_of_rows,
            encoding=self._encoding(0),
            index=self.neighbors_,
            n_neighbors=int(n_neighbors),
            numbers=self.gallery_rows_,
        )
        both = collections.map_rows(find, X, self._validated(X), 2 * int(n_neighbors), np.float64)
        distances, indices = both[:, :n_neighbors], both[:, n_neighbors:].astype(np.intp)
        return (distances, indices) if return_distance else indices

    def similarity(self, X: Any) -> Any:
        """How well each row fits each row of the gallery; exact, whatever the index is.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            As in `kneighbors`.

        Returns
        -------
        ndarray of shape (n_queries, n_gallery)
            Pointwise mutual information in nats, above zero where a pair is likelier than two rows
            apart; or cosines. Column j is of row ``gallery_rows_[j]``.

        Raises
        ------
        ValueError
            If a row lacks the query's modality.
        """
        check_is_fitted(self)
        compare = partial(
            similarity_of_rows,
            encoding=self._encoding(0),
            gallery=self.gallery_points_,
            gap=1 - self.correlations_,
        )
        width = len(self.gallery_rows_)
        return collections.map_rows(compare, X, self._validated(X), width, np.float64)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean reciprocal rank of the partners of the pairs in ``X``, searched for in ``X``.

        Every row that has both modalities is a query, its own gallery block the one true partner;
        all rows that have the gallery's modality are searched. The gallery of `fit` plays no part.
        Of ties, the expected value over their orders; distances are exact, whatever the index.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        y : object
            Ignored.

        Returns
        -------
        float
            Above 0, at most 1. Chance is about ``(log(n) + 0.58) / n`` of n rows.

        Raises
        ------
        ValueError
            If no row has both modalities.
        """
        check_is_fitted(self)
        table = self._validated(X)
        queries, gallery = (self._points(X, table, role) for role in (0, 1))
        has = np.isfinite(gallery).all(axis=1)
        pairs = np.flatnonzero(has & np.isfinite(queries).all(axis=1))
        if not len(pairs):
            names = [self.aligner_.modality_names_[m] for m in (self.query_, self.gallery_)]
            raise ValueError(f"X has no pairs: no row has both {names[0]!r} and {names[1]!r}.")
        columns = (np.cumsum(has) - 1)[pairs]
        return float(np.mean(partner_ranks(queries[pairs], gallery[has], columns)))

    # -- steps -----------------------------------------------------------------------------------

    def _check_parameters(self):
        check_option("metric", self.metric, ("auto", *METRICS))
        check_index(self.neighbors)
        if isinstance(self.cv, Integral):
            check_number("cv", self.cv, low=2, integer=True)
        elif not (self.cv is None or hasattr(self.cv, "split") or isinstance(self.cv, Iterable)):
            raise ValueError(
                f"cv={self.cv!r} must be a number of folds, a splitter, an iterable of (train, "
                "test) or None."
            )

    def _learn(self, aligner, rows, names):
        """Fit the aligner, with what pairs held out choose; what these say of its components."""
        is_auto = isinstance(aligner.shrinkage, str)
        shrinkages = SHRINKAGES if is_auto else (aligner.shrinkage,)
        if aligner.n_components == "auto":
            aligner.set_params(n_components=None)
        worth = None
        if self.cv is not None:
            X, weights, splits = self._splits(rows)
            roles, metrics = (self.query_, self.gallery_), self._metrics()
            tried = aligner._options(), shrinkages, metrics
            worth = best_of(X, weights, rows.blocks, splits, roles, *tried)
        if worth is not None:
            aligner.set_params(shrinkage=worth.shrinkage)
        aligner._learn(rows, names, self.__dict__)
        return worth

    def _metrics(self):
        return METRICS if self.metric == "auto" else (self.metric,)

    def _splits(self, rows):
        """Pairs in memory, their weights, and folds of them, none if they are too few."""
        in_memory, merged = rows.in_memory, partial(thinned, most=MOST_PAIRS)
        pairs = (rows.on_host() if in_memory else rows).fold(complete_rows, merged, MOST_PAIRS)
        X, weights, numbers, _ = pairs
        if not isinstance(self.cv, Integral):
            if not in_memory:
                raise ValueError("cv must be a number of folds, or None: X is a Dask collection.")
            n = rows.shape[0]
            place = np.full(n, -1)
            place[numbers] = np.arange(len(numbers))
            every = check_cv(self.cv).split(np.zeros((n, 1)))
            cut = [tuple(place[part][place[part] >= 0] for part in split) for split in every]
            return X, weights, [split for split in cut if min(map(len, split)) > 1]
        return X, weights, even_splits(X, int(self.cv))

    def _store(self, aligner, worth):
        """What maps rows to points, from the maps of the aligner and what they are worth."""
        encoders, roles = aligner.encoders_, (self.query_, self.gallery_)
        variates = Variates.of([e.coef_ for e in encoders], aligner.latent_covariance_, roles)
        if worth is not None:
            variates = variates.weighed(worth.deviations, worth.gap)
        self.aligner_ = aligner
        self.metric_ = self._metrics()[0] if worth is None else worth.metric
        self.correlations_ = 1 - variates.gap
        scales = variates.scales(self.metric_)
        both = [s[:, None] * c for s, c in zip(scales, variates.coefs, strict=True)]
        self.query_coef_, self.gallery_coef_ = both

    def _take_gallery(self, X, table):
        """Make rows the gallery, and an index of it."""
        points = self._points(X, table, 1)
        rows = np.flatnonzero(np.isfinite(points).all(axis=1))
        if not len(rows):
            name = self.aligner_.modality_names_[self.gallery_]
            raise ValueError(f"the gallery is empty: no row of X has modality {name!r}.")
        self.gallery_rows_, self.gallery_points_ = rows, points[rows]
        self.neighbors_ = fitted_index(self.neighbors, self.gallery_points_)

    # -- rows to points --------------------------------------------------------------------------

    def _encoding(self, role):
        """What places rows as queries, 0, or as the gallery, 1."""
        m = (self.query_, self.gallery_)[role]
        maps = (self.query_coef_, self.gallery_coef_)[role], self.aligner_.encoders_[m].mean_
        return Encoding(*maps, self.aligner_._blocks, m, role, self.metric_)

    def _points(self, X, table, role):
        """Points of all rows in memory, NaN where one lacks the modality."""
        encoding = self._encoding(role)
        return np.asarray(
            collections.map_rows(encoding.points, X, table, encoding.n_dimensions, np.float64)
        )

    def _validated(self, X):
        """Rows whose columns are those of the fit; of a collection a table without rows."""
        template, options = collections.table_of(X)
        with noting_width(template, {e.n_features_in_ for e in self.aligner_.encoders_}):
            return validate_data(self, template, reset=False, **options)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "neighbors_")
