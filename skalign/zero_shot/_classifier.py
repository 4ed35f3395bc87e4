"""The estimator that tells classes by prototypes of another modality, also by later ones."""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from .._blocks import presence
from .._utils._array_api import affine, as_numpy, as_rows
from .._utils._labels import known_classes, known_labels, plain_labels
from .._utils._validation import column_names, requesting, restored_on_error, routing
from ..alignment import NullSpaceAligner
from ..alignment._given import blocks_of, given_aligner
from ..alignment._significance import SIGNIFICANCE
from ..moments import _dask as collections
from ..transfer._dask import drawn
from ..transfer._source import labelled_accuracy
from . import _predictor
from ._classes import joined, shares
from ._predictor import ZeroShotPredictor
from ._von_mises_fisher import Sphere, alike, concentration, mean_directions


class ZeroShotClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    r"""Classify one modality by prototypes of the classes in another.

    The aligner learns from the pairs, which need no label, what the modalities share. A class is
    what its prototypes say: labelled rows of the source, one or more each. `add_classes` adds
    classes after `fit`, of which neither the pairs nor any target row have shown anything, and
    the aligned space stays as it is.

    With the unit vectors :math:`u` of a target row and :math:`v` of a prototype, where the model
    of the pairs has the same noise in every direction, a class has the mean direction
    :math:`d_c` of its prototypes, and

    .. math:: p(c \mid x_t) \propto \pi_c \exp(\kappa \, d_c^\top u) .

    How sure this is, :math:`\kappa`, is told by classes of several prototypes: by how well each
    is found in its class by the others. With one prototype a class it is a guess.

    Parameters
    ----------
    aligner : NullSpaceAligner, default=None
        Learns the aligned space, and names the modalities. ``None`` is
        ``NullSpaceAligner(n_components=None)``: dimensions that are weakly shared count weakly.
        May be frozen, by :class:`~sklearn.frozen.FrozenEstimator`; then no pairs are needed.
    source : int or str, default=0
        Modality of the prototypes, by position or name.
    target : int or str, default=1
        Modality to predict from, by position or name.
    class_prior : mapping of label to float, default=None
        Shares of the classes where predictions are made, in any unit. It must have every class,
        and may have some that are added later. ``None`` takes all as equally likely.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the prototypes.
    aligner_ : NullSpaceAligner
        The fitted aligner.
    prototypes_ : ndarray of shape (n_prototypes, n_components)
        Source latents of the prototypes, in the order in which they were given.
    prototype_classes_ : ndarray of shape (n_prototypes,)
        Their labels.
    prototype_weights_ : ndarray of shape (n_prototypes,)
        Their weights.
    directions_ : ndarray of shape (n_classes, n_components + 1)
        Mean directions of the classes.
    concentration_ : float
        Concentration of rows about them; zero where pairs share nothing beyond chance, by
        ``aligner_.pvalues_`` at 1 %, which suppose Gaussian rows drawn apart.
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes, and the answer for rows without their target.
    source_, target_ : int
        Positions of the source and the target.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    CrossModalTransferClassifier : All classes are among the pairs; more accurate there.
    NullSpaceAligner : The aligned space.
    sklearn.neighbors.NearestCentroid : Prototypes of the same modality.

    Notes
    -----
    A labelled row that has the source is a prototype. Every row helps the aligner, so that a
    labelled pair is both, a pair and a prototype. Labels of other rows are not used, and a
    warning counts them: zero-shot stays zero-shot in a cross-validation, too.

    ``-1`` in ``y`` marks an unlabelled sample, as in :mod:`sklearn.semi_supervised`; ``None`` and
    NaN do, too. Where ``y`` holds just -1 and 1, both are labels.

    References
    ----------
    .. [1] Y. Shigeto, I. Suzuki, K. Hara, M. Shimbo and Y. Matsumoto, "Ridge regression, hubness,
       and zero-shot learning", ECML PKDD (2015).
    .. [2] A. Banerjee, I. S. Dhillon, J. Ghosh and S. Sra, "Clustering on the unit hypersphere
       using von Mises-Fisher distributions", JMLR 6 (2005).

    Examples
    --------
    Classes 0 to 3 are among the pairs, classes 4 to 7 are not. One row of the source each is
    enough to tell these, too.

    >>> import numpy as np
    >>> from skalign import NullSpaceAligner, ZeroShotClassifier
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(
    ...     900, n_features=(8, 9), n_latent=5, n_classes=8, noise=0.3, random_state=0
    ... )
    >>> X, y, seen = data.X.copy(), data.y, data.y < 4
    >>> pairs, queries = X[:300][seen[:300]], X[600:].copy()
    >>> queries[:, :8] = np.nan   # target only
    >>> X[:, 8:] = np.nan         # source only
    >>> rows = 300 + np.array([np.flatnonzero(y[300:] == c)[0] for c in range(8)])
    >>> model = ZeroShotClassifier(NullSpaceAligner(None, modalities=[8, 9]))
    >>> labels = np.r_[np.full(len(pairs), -1), y[rows[:4]]]
    >>> model = model.fit(np.vstack([pairs, X[rows[:4]]]), labels)
    >>> model.add_classes(X[rows[4:]], y[rows[4:]]).classes_
    array([0, 1, 2, 3, 4, 5, 6, 7])
    >>> model.score(queries, y[600:]) > 0.8
    True
    """

    def __init__(
        self,
        aligner: Any = None,
        *,
        source: int | str = 0,
        target: int | str = 1,
        class_prior: Mapping[Any, float] | None = None,
    ) -> None:
        self.aligner = aligner
        self.source = source
        self.target = target
        self.class_prior = class_prior

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the aligned space from the pairs, and classes from their prototypes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN. Of a Dask array or
            dataframe the aligner sees every row; at most 100,000 rows, drawn evenly, are
            prototypes.
        y : array-like of shape (n_samples,)
            Labels; -1 where a sample has none.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a weight of two counts a row twice.

        Returns
        -------
        self : ZeroShotClassifier

        Raises
        ------
        ValueError
            If there are no pairs, if no labelled row has the source, or if prototypes of two
            classes are alike.
        """
        with restored_on_error(self.__dict__):
            self._learn(X, y, sample_weight)
        return self

    def add_classes(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Add prototypes, of new classes or of those known; the aligned space stays as it is.

        Changes the classifier in place, as ``partial_fit`` does: :func:`copy.deepcopy` keeps one
        without them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side, of which the source alone is looked at.
        y : array-like of shape (n_samples,)
            Labels, one for every row.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a weight of two counts a row twice.

        Returns
        -------
        self : ZeroShotClassifier

        Raises
        ------
        ValueError
            If a row lacks the source or a label, or if prototypes of two classes are alike; what
            was known before stays.
        """
        check_is_fitted(self)
        with restored_on_error(self.__dict__):
            template, options = collections.table_of(X)
            table = validate_data(self, template, reset=False, **options)
            blocks = self.aligner_._blocks
            every = collections.as_rows(X, table, sample_weight, blocks)
            rows, labels, known = self._drawn(every, table, y)
            has = presence(rows.X, blocks)[:, self.source_]
            if not known.all():
                raise ValueError(
                    f"y has no label for row {np.flatnonzero(~known)[0]}: a prototype has one."
                )
            if not has.all():
                raise ValueError(
                    f"row {np.flatnonzero(~has)[0]} lacks the source "
                    f"{blocks.names[self.source_]!r}: a prototype is a row of it."
                )
            weights = np.ones(len(labels)) if rows.weights is None else rows.weights
            self._add(rows.X, labels, weights, np.flatnonzero(weights > 0))
        return self

    def predict_proba(self, X: Any) -> Any:
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``. Rows that lack the target get the class prior, and a
            warning counts them.
        """
        check_is_fitted(self)
        return self._mapped(_predictor.predicted_proba, X, len(self.classes_), np.float64)

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; minus infinity for probability zero.
        """
        check_is_fitted(self)
        return self._mapped(_predictor.predicted_log_proba, X, len(self.classes_), np.float64)

    def predict(self, X: Any) -> Any:
        """Most probable classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of ``classes_``.
        """
        check_is_fitted(self)
        return self._mapped(_predictor.predicted_labels, X, None, self.classes_.dtype)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        y : array-like of shape (n_samples,)
            Labels, one for every row.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If a row has no label.
        """
        return labelled_accuracy(self.predict(X), y, self.classes_, sample_weight)

    def get_metadata_routing(self) -> MetadataRouter:
        """Tell which metadata goes where; see scikit-learn's user guide on metadata routing.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        router, mapping = MetadataRouter(owner=self).add_self_request(self), MethodMapping()
        mapping = mapping.add(caller="fit", callee="fit")
        return router.add(method_mapping=mapping, aligner=self._aligner())

    # -- steps -----------------------------------------------------------------------------------

    def _aligner(self):
        if self.aligner is not None:
            return self.aligner
        return requesting(NullSpaceAligner(n_components=None))

    def _aligner_is_weighted(self, sample_weight):
        if sample_weight is None or not routing():
            return True
        routed = process_routing(self, "fit", sample_weight=sample_weight)
        return "sample_weight" in routed.aligner.fit

    def _learn(self, X, y, sample_weight):
        """The aligned space, and the classes."""
        aligner, is_frozen = given_aligner(self._aligner())
        template, options = collections.table_of(X, least=2)
        table = validate_data(self, template, reset=True, **options)
        blocks = blocks_of(aligner, is_frozen, table, self.n_features_in_)
        roles = blocks.two_positions(self.source, self.target)
        self.source_, self.target_ = roles[0], roles[1]
        aligner._check_parameters()
        if y is None:
            known_labels(None, type(self).__name__)  # raises, before rows are read
        every = collections.as_rows(X, table, sample_weight, blocks)
        rows, labels, known = self._drawn(every, table, y)
        weights = np.ones(len(labels)) if rows.weights is None else rows.weights
        counted = weights > 0
        present = presence(rows.X, blocks) & counted[:, None]
        self._check_rows(present, known & counted, blocks, is_frozen)
        if not is_frozen:
            seen = every if self._aligner_is_weighted(sample_weight) else every.unweighted()
            aligner._learn(seen, column_names(template), self.__dict__)
        self.aligner_ = aligner
        self.__dict__.pop("prototypes_", None)  # of an earlier fit
        self._add(rows.X, labels, weights, np.flatnonzero(known & present[:, self.source_]))
        if aligner.pvalues_[0] > SIGNIFICANCE:
            warnings.warn(
                f"Pairs share nothing beyond chance ({aligner.n_pairs_} pairs, p-value "
                f"{aligner.pvalues_[0]:.2g}): predictions are the class prior. Check that rows "
                "are paired, or give more pairs.",
                UserWarning,
                stacklevel=3,
            )

    def _drawn(self, every, table, y):
        """Rows in memory, their labels, and which have one."""
        table, y, rows = drawn(every, table, y, (self.source_,), type(self).__name__)
        labels, known = known_labels(y, type(self).__name__)
        check_consistent_length(table, labels)
        return rows, labels, known

    def _check_rows(self, present, known, blocks, is_frozen):
        """Whether there are pairs and prototypes, and which labels nobody looks at."""
        source, both = blocks.names[self.source_], ((self.source_,), (self.target_,))
        if not is_frozen:
            blocks.check_chains(present, *both, hint=" Pairs need no label.")
        has = present[:, self.source_]
        if not (known & has).any():
            raise ValueError(
                f"X has no prototypes: no labelled row has the source {source!r}. Give at least "
                "one labelled row of it."
            )
        unused = np.flatnonzero(known & ~has)
        if len(unused):
            warnings.warn(
                f"labels of {len(unused)} rows that lack the source {source!r} are not used, the "
                f"first is row {unused[0]}: prototypes are labelled rows of the source. Labels of "
                "the target are what skalign.CrossModalTransferClassifier predicts.",
                UserWarning,
                stacklevel=4,
            )

    def _add(self, X, labels, weights, chosen):
        """Add some rows to the prototypes, and learn the classes anew from all of these."""
        labels, encoder = plain_labels(labels[chosen]), self.aligner_.encoders_[self.source_]
        block = self.aligner_._blocks.take(X, self.source_)[chosen].astype(np.float64)
        added = {
            "prototypes_": as_numpy(affine(as_rows(block), encoder.coef_.T, encoder.mean_)),
            "prototype_classes_": labels,
            "prototype_weights_": weights[chosen],
        }
        if hasattr(self, "prototypes_"):
            kept = {name: getattr(self, name) for name in added}
            added = {name: joined(kept[name], more) for name, more in added.items()}
        for name, value in added.items():
            setattr(self, name, value)
        self.classes_ = known_classes(self.prototype_classes_)
        self.class_prior_ = shares(self.class_prior, self.classes_)
        self._learn_directions()

    def _learn_directions(self):
        """Directions of the classes, and how closely rows keep to them."""
        sphere = self._sphere()
        codes = np.asarray(np.searchsorted(self.classes_, self.prototype_classes_))
        V, weights = sphere.of_sources(self.prototypes_), self.prototype_weights_
        self.directions_ = mean_directions(V, codes, weights, len(self.classes_))
        if self.aligner_.pvalues_[0] > SIGNIFICANCE:
            self.concentration_ = 0.0  # `fit` has said so
            return
        twins = alike(self.directions_)
        if twins is not None:
            first = [int(np.flatnonzero(codes == c)[0]) for c in twins]
            named = [repr(c) for c in self.classes_[list(twins)].tolist()]
            raise ValueError(
                f"prototypes of the classes {named[0]} and {named[1]} are alike in the aligned "
                f"space (prototypes {first[0]} and {first[1]}, counted in the order in which "
                "prototypes were given): nothing tells these classes apart. Give other "
                "prototypes, or one label to both."
            )
        self.concentration_ = concentration(V, codes, weights, len(self.classes_), sphere.chance)

    def _sphere(self):
        aligner = self.aligner_
        both = self.source_, self.target_
        return Sphere.of(aligner.latent_covariance_, *both, len(aligner.encoders_))

    def _mapped(self, function, X, n_columns, dtype):
        """A function of rows, which are in memory, or of chunks when asked for."""
        template, options = collections.table_of(X)
        table = validate_data(self, template, reset=False, **options)
        encoder = self.aligner_.encoders_[self.target_]
        predictor = ZeroShotPredictor(
            self.aligner_._blocks, self.target_, encoder.coef_, encoder.mean_, self._sphere(),
            self.directions_, self.concentration_, self.class_prior_, self.classes_,
        )  # fmt: skip
        return collections.map_rows(
            partial(function, predictor=predictor), X, table, n_columns, dtype
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # scikit-learn's checks hold the information in both halves of the features
        tags.classifier_tags.poor_score = True
        return tags
