"""Steps of a pipeline that fill what is missing: values inside blocks, or whole blocks."""

from typing import Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    clone,
)
from sklearn.impute import SimpleImputer
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import resolve_table
from .._utils._validation import FLOATS, is_frame, requesting, restored_on_error, routing
from ..alignment import NullSpaceAligner
from ..alignment._given import given_aligner
from ..moments._dask import check_in_memory, table_of


class BlockImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill scattered missing values of each modality, and leave missing modalities alone.

    An imputer in front of a :class:`NullSpaceAligner` fills whole blocks that rows lack, too: then
    every row counts as a pair, and most of them are made up. This one fits an imputer to each
    modality, on the rows that have any of it, and asks it about these rows only.

    Parameters
    ----------
    imputer : transformer, default=None
        Such as :class:`~sklearn.impute.KNNImputer`. ``None`` is
        :class:`~sklearn.impute.SimpleImputer`. It must keep the columns of a block.
    modalities : None, sequence of int or mapping of str to columns, default=None
        The blocks, as in :class:`NullSpaceAligner`. Columns of none are left as they are, but
        must be numbers, too.

    Attributes
    ----------
    imputers_ : list of transformer
        The fitted imputers, one per modality.
    modality_names_ : tuple of str
        Names of the modalities.
    modality_columns_ : list of ndarray of int
        Columns of each modality in ``X``.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    CrossModalImputer : Fills missing modalities, from the others.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import BlockImputer
    >>> X = [[1.0, 2.0, 5.0], [3.0, np.nan, 7.0], [np.nan, np.nan, 6.0]]
    >>> BlockImputer(modalities=[2, 1]).fit_transform(X)
    array([[ 1.,  2.,  5.],
           [ 3.,  2.,  7.],
           [nan, nan,  6.]])
    """

    def __init__(self, imputer: Any = None, *, modalities: Any = None) -> None:
        self.imputer = imputer
        self.modalities = modalities

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit an imputer to each modality.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; NaN where a value, or a block, is missing.
        y : object
            Ignored.

        Returns
        -------
        self : BlockImputer

        Raises
        ------
        ValueError
            If a column of a modality has no value.
        """
        with restored_on_error(self.__dict__):
            self._learn(X)
        return self

    def transform(self, X: Any) -> Any:
        """Fill what is missing in the blocks that rows have.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            NaN is left where a row lacks a modality.

        Raises
        ------
        ValueError
            If an imputer gives another number of columns.
        """
        check_is_fitted(self)
        table = self._validated(X, reset=False, copy=True)
        for name, columns, imputer in zip(
            self.modality_names_, self.modality_columns_, self.imputers_, strict=True
        ):
            block = table[:, columns]
            rows = np.flatnonzero(~np.isnan(block).all(axis=1))
            if len(rows):
                filled = np.asarray(imputer.transform(block[rows]))
                if filled.shape != (len(rows), len(columns)):
                    raise ValueError(
                        f"imputer gives {filled.shape[1]} columns for the {len(columns)} of "
                        f"modality {name!r}: choose one that keeps them."
                    )
                table[np.ix_(rows, columns)] = filled
        return table

    def _learn(self, X):
        """One imputer for each modality."""
        table = self._validated(X, reset=True, ensure_min_features=2)
        blocks = resolve_table(self.modalities, X if is_frame(X) else table)
        self.modality_names_ = blocks.names
        self.modality_columns_ = [blocks.of_table(m) for m in range(len(blocks))]
        self.imputers_ = []
        for name, columns in zip(blocks.names, self.modality_columns_, strict=True):
            block = table[:, columns]
            rows = ~np.isnan(block).all(axis=1)
            empty = columns[np.isnan(block).all(axis=0)]
            if len(empty):
                raise ValueError(
                    f"modality {name!r} has no value in column {empty[0]} of X: leave it out."
                )
            imputer = SimpleImputer() if self.imputer is None else clone(self.imputer)
            self.imputers_.append(imputer.fit(block[rows]))

    def _validated(self, X, *, reset, **options):
        check_in_memory("BlockImputer", X=X)
        try:
            return validate_data(
                self, X, reset=reset, dtype=FLOATS, ensure_all_finite="allow-nan", **options
            )
        except (TypeError, ValueError) as error:
            if not is_frame(X) or "float" not in str(error).lower():
                raise
            raise type(error)(
                f"BlockImputer takes numbers only, and X has a column of something else: {error}. "
                "Give it the columns of the modalities, without words and dates: X[names]."
            ) from error

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class CrossModalImputer(OneToOneFeatureMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    """Fill modalities that rows lack by their best linear estimate from those that they have.

    Learns from the pairs, and passes rows on without NaN. What :meth:`NullSpaceAligner.impute`
    does, as a transformer: the next step may be any estimator of complete rows.

    Parameters
    ----------
    aligner : NullSpaceAligner, default=None
        Learns how modalities go together, and names them. ``None`` is ``NullSpaceAligner()``. May
        be frozen by :class:`~sklearn.frozen.FrozenEstimator`.

    Attributes
    ----------
    aligner_ : NullSpaceAligner
        The fitted aligner.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    NullSpaceAligner.impute : Also tells standard deviations.
    BlockImputer : Fills scattered values inside blocks; missing modalities stay missing.
    sklearn.impute.IterativeImputer : Column by column, many steps.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CrossModalImputer, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(300, n_features=(3, 4), noise=0.1, random_state=0)
    >>> X = data.X.copy()
    >>> X[200:, 3:] = np.nan
    >>> imputer = CrossModalImputer(NullSpaceAligner(modalities=[3, 4])).fit(X)
    >>> filled = imputer.transform(X)[200:, 3:]
    >>> bool(np.abs(filled - data.X[200:, 3:]).mean() < 0.05 * data.X[:, 3:].std())
    True
    """

    def __init__(self, aligner: Any = None) -> None:
        self.aligner = aligner

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from the pairs.

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
        self : CrossModalImputer

        Raises
        ------
        ValueError
            As :meth:`NullSpaceAligner.fit`.
        """
        aligner, is_frozen = given_aligner(self._aligner())
        params = {} if sample_weight is None else {"sample_weight": sample_weight}
        params = process_routing(self, "fit", **params).aligner.fit if routing() else params
        with restored_on_error(self.__dict__):
            template, options = table_of(X, least=2)
            validate_data(self, template, reset=True, **options)
            self.aligner_ = aligner if is_frozen else aligner.fit(X, **params)
        return self

    def transform(self, X: Any) -> Any:
        """Fill missing modalities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Without NaN; columns that no modality selects are left out.
        """
        check_is_fitted(self)
        return self.aligner_.impute(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features that modalities select.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names to use where the features had none.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names = super().get_feature_names_out(input_features)
        return names[np.sort(np.concatenate(self.aligner_.modality_columns_))]

    def get_metadata_routing(self) -> MetadataRouter:
        """Tell which metadata goes where; see scikit-learn's user guide on metadata routing.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return router.add(method_mapping=mapping, aligner=self._aligner())

    def _aligner(self):
        if self.aligner is not None:
            return self.aligner
        return requesting(NullSpaceAligner())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
