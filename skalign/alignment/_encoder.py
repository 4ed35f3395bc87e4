"""Affine maps into the aligned space: one modality's on its own, and those of all together."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._blocks import Blocks, presence, read_array
from .._utils._array_api import (
    accepted,
    affine,
    as_numpy,
    as_rows,
    concat,
    filled,
    from_numpy,
    is_finite,
    is_on_device,
)
from .._utils._validation import FLOATS, is_frame, no_overflow, noting_nan
from ._gaussian import Information, conditional_latents, squared_length
from ._imputation import Shared
from ._maps import Alignment


class ModalityEncoder(TransformerMixin, BaseEstimator):
    r"""Encode one modality into the aligned space, and back.

    .. math:: z = A_m (x_m - \mu_m)

    Encoders come fitted, out of :attr:`NullSpaceAligner.encoders_`, and stay as they are: like
    :class:`sklearn.frozen.FrozenEstimator`, `fit` does nothing and :func:`sklearn.base.clone`
    returns the encoder itself. One can be put into a pipeline, pickled and shipped without the
    aligner.

    Attributes
    ----------
    coef_ : ndarray of shape (n_components, n_features)
        Latent change per unit of each feature.
    intercept_ : ndarray of shape (n_components,)
        Latent at the origin of the features.
    mean_ : ndarray of shape (n_features,)
        Mean of the features over the pairs; zeros where the aligner does not centre.
    decoder_coef_ : ndarray of shape (n_features, n_components)
        Feature change per unit of each latent.
    modality_ : str
        Name of the modality, with which the names of its latents begin.
    n_features_in_ : int
        Number of features of the modality.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features; only where they have any.

    See Also
    --------
    NullSpaceAligner : Learns the encoders.

    Examples
    --------
    >>> from skalign import NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(n_features=(3, 4), random_state=0)
    >>> aligner = NullSpaceAligner(modalities=data.modalities).fit(data.X)
    >>> encoder = aligner.encoders_[1]
    >>> encoder.transform(data.X[:5, 3:]).shape
    (5, 2)
    """

    @classmethod
    def _from_maps(cls, coef, mean, decoder, feature_names=None, modality="modality"):
        encoder = cls()
        encoder.modality_ = modality
        encoder.coef_ = coef
        encoder.intercept_ = -coef @ mean
        encoder.mean_ = mean
        encoder.decoder_coef_ = decoder
        encoder.n_features_in_ = coef.shape[1]
        if feature_names is not None:
            encoder.feature_names_in_ = np.asarray(feature_names, dtype=object)
        return encoder

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing: an encoder comes fitted.

        Parameters
        ----------
        X : object
            Ignored.
        y : object
            Ignored.

        Returns
        -------
        self : ModalityEncoder
        """
        check_is_fitted(self)
        return self

    def transform(self, X: Any) -> Any:
        """Encode samples of this modality.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of this modality alone, all of them present.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Latents, in the floating type of ``X``.
        """
        check_is_fitted(self)
        with noting_nan():
            X = validate_data(self, X, reset=False, dtype=accepted(X, FLOATS))
        return affine(as_rows(X), self.coef_.T, self.mean_)

    def inverse_transform(self, Z: Any) -> Any:
        """Map latents back to this modality: the best linear estimate of the features.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Latents.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the features.
        """
        check_is_fitted(self)
        Z = check_latents(Z, len(self.coef_), name="Z")
        return affine(as_rows(Z), self.decoder_coef_.T, np.zeros(len(self.coef_)), self.mean_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the latents: the name of the modality, and a number.

        Parameters
        ----------
        input_features : object
            Ignored.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        name = self.modality_
        name = f"{name}_" if name[-1:].isdigit() else name
        return np.array([f"{name}{j}" for j in range(len(self.coef_))], dtype=object)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coef_")

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@dataclass(frozen=True)
class Encoders:
    """Maps of all modalities, their columns, and the covariance of all latents."""

    coefs: list[np.ndarray]  # (k, d_m)
    means: list[np.ndarray]  # (d_m,)
    decoders: list[np.ndarray]  # (d_m, k)
    blocks: Blocks
    latent_cov: np.ndarray
    shared: Shared

    @classmethod
    def of(cls, alignment: Alignment, blocks: Blocks) -> "Encoders":
        """Maps of an alignment."""
        a = alignment
        return cls(a.coefs, a.means, a.decoders, blocks, a.latent_covariance, a.shared)

    @classmethod
    def of_parts(cls, encoders, blocks: Blocks, latent_cov, imputation) -> "Encoders":
        """Maps of fitted encoders."""
        parts = [(e.coef_, e.mean_, e.decoder_coef_) for e in encoders]
        coefs, means, decoders = map(list, zip(*parts, strict=True))
        return cls(coefs, means, decoders, blocks, latent_cov, Shared(**imputation))

    @property
    def n_components(self) -> int:
        """Dimension of the aligned space."""
        return len(self.coefs[0])

    def encode(self, X) -> list[np.ndarray]:
        """Latents of each modality, on the host; NaN where a row lacks it."""
        parts = enumerate(zip(self.coefs, self.means, strict=True))
        return [as_numpy(affine(self.blocks.take(X, m), a.T, mean)) for m, (a, mean) in parts]

    def latents(self, X, pattern) -> np.ndarray:
        """Latents of all modalities side by side; zero for those beyond a pattern."""
        Z = self.encode(X)
        Z = [z if m in pattern else np.zeros_like(z) for m, z in enumerate(Z)]
        return np.hstack(Z).astype(np.float64, copy=False)

    def information(self, pattern) -> Information:
        """Information between some modalities."""
        return Information.of(self.latent_cov, len(self.blocks), pattern)

    @no_overflow()
    def mean_information(self, moments) -> float:
        """Mean information of rows, by :func:`latent_moments`."""
        total = sum(weight for _, weight in moments.values())
        means = {p: self.information(p).mean(moment / w) for p, (moment, w) in moments.items()}
        return float(sum(means[p] * (w / total) for p, (_, w) in moments.items()))

    def transform(self, X):
        """Mean of the encodings of the modalities that each row has; by one product."""
        maps, mean = np.zeros((self.blocks.n_features, self.n_components)), self._mean()
        for columns, coef in zip(self.blocks.columns, self.coefs, strict=True):
            maps[columns] = coef.T
        latents = affine(X, maps / len(self.blocks), mean)
        if is_finite(latents):
            return latents
        present = self.presence(X)  # a missing block is put at its mean: latent 0
        return affine(filled(X, mean), maps, mean, share=1 / present.sum(axis=1))

    def impute(self, X):
        """Rows whose missing blocks are filled with their best linear estimate."""
        parts, positions = [], []
        for rows, given in _by_pattern(self.presence(X)):
            part = X[rows]
            if len(given) < len(self.blocks):
                part = filled(part, self._expected(part, given))
            parts.append(part)
            positions.append(rows)
        return concat(parts, positions, axis=0)

    def deviation(self, X, n_pairs: int) -> np.ndarray:
        r"""Standard deviations of what `impute` fills in, zero elsewhere; on the host.

        That of a feature in the model given the blocks that a row has, times
        :math:`\sqrt{1 + (1 + z^\top \Sigma_{gg}^{-1} z) / n}` for maps that are learned from n
        pairs, as in a linear regression.
        """
        shared, out = self.shared, np.zeros(X.shape)
        sizes = [len(coef) for coef in shared.coefs]
        for rows, given in _by_pattern(self.presence(X)):
            Z = as_numpy(affine(filled(X[rows], self._mean()), self._maps(given), self._mean()))
            far = squared_length(shared.covariance, sizes, given, Z.astype(np.float64, copy=False))
            for m in set(range(len(self.blocks))) - set(given):
                own = self.blocks.indices(m)
                _, root = conditional_latents(shared.covariance, sizes, given, m)
                explained = np.sum((root @ shared.decoders[m].T) ** 2, axis=0)
                left = np.sqrt(np.maximum(shared.variances[own] - explained, 0.0))
                out[np.ix_(rows, own)] = np.outer(np.sqrt(1 + (1 + far) / n_pairs), left)
        return out

    def inverse_transform(self, Z):
        """Features of all modalities from latents."""
        zero = np.zeros(self.n_components)
        both = zip(self.decoders, self.means, strict=True)
        parts = [as_rows(affine(Z, decoder.T, zero, mean)) for decoder, mean in both]
        return concat(parts, [self.blocks.indices(m) for m in range(len(parts))], axis=1)

    def presence(self, X) -> np.ndarray:
        """Which modalities each row has: at least one."""
        present = presence(X, self.blocks)
        none = np.flatnonzero(~present.any(axis=1))
        if len(none):
            raise ValueError(
                f"row {none[0]} has no modality at all: every block is NaN. Leave such rows out."
            )
        return present

    def _mean(self):
        """Means of all modalities, each at its columns."""
        mean = np.zeros(self.blocks.n_features)
        for columns, own in zip(self.blocks.columns, self.means, strict=True):
            mean[columns] = own
        return mean

    def _expected(self, X, given):
        """Best linear estimate of the blocks that rows lack; zero elsewhere."""
        mean, shared, maps = self._mean(), self.shared, self._maps(given)
        sizes = [len(coef) for coef in shared.coefs]
        back = np.zeros((maps.shape[1], self.blocks.n_features))
        for m in set(range(len(self.blocks))) - set(given):
            expected, _ = conditional_latents(shared.covariance, sizes, given, m)
            back[:, self.blocks.columns[m]] = expected @ shared.decoders[m].T
        latents = as_rows(affine(filled(X, mean), maps, mean))
        return affine(latents, back, np.zeros(len(back)), mean)

    def _maps(self, given):
        """From features to the latents of some modalities that imputation goes through."""
        edges = np.cumsum([0, *(len(self.shared.coefs[m]) for m in given)])
        maps = np.zeros((self.blocks.n_features, edges[-1]))
        for start, stop, m in zip(edges[:-1], edges[1:], given, strict=True):
            maps[self.blocks.columns[m], start:stop] = self.shared.coefs[m].T
        return maps


def check_latents(Z, n_components: int, least: int = 1, name="X"):
    """Latents as an array of so many components, of at least so many rows."""
    Z = check_array(Z, dtype=accepted(Z, FLOATS), input_name=name, ensure_min_samples=least)
    if Z.shape[1] != n_components:
        raise ValueError(
            f"{name} has {Z.shape[1]} features, expected {n_components} components: latents."
        )
    return Z


# -- functions of rows, in memory or in chunks ---------------------------------------------------


@no_overflow()
def encoded_rows(table, encoders: Encoders):
    """Latents of the rows of a table."""
    return encoders.transform(read_array(table, encoders.blocks))


@no_overflow()
def imputed_rows(table, encoders: Encoders):
    """Rows of a table whose missing blocks are filled."""
    return encoders.impute(read_array(table, encoders.blocks))


@no_overflow()
def deviation_of_rows(table, encoders: Encoders, n_pairs: int):
    """Standard deviations of what is filled into the rows of a table."""
    X = read_array(table, encoders.blocks)
    std = encoders.deviation(X, n_pairs)
    return from_numpy(std, X, X.dtype) if is_on_device(X) else std.astype(X.dtype, copy=False)


@no_overflow()
def decoded_rows(table, encoders: Encoders):
    """Features of all modalities from a table of latents."""
    return encoders.inverse_transform(as_rows(np.asarray(table) if is_frame(table) else table))


@no_overflow()
def information_of_rows(table, encoders: Encoders):
    """Pointwise mutual information of the modalities of each row of a table."""
    X = read_array(table, encoders.blocks)
    present = encoders.presence(X)
    lacking = np.flatnonzero(present.sum(axis=1) < 2)
    if len(lacking):
        row, name = lacking[0], encoders.blocks.names[present[lacking[0]].argmax()]
        raise ValueError(
            f"row {row} has the modality {name!r} alone: give pairs, rows with two modalities or "
            "more."
        )
    out = np.zeros(len(X))
    for rows, pattern in _by_pattern(present):
        Z = encoders.latents(X[rows], pattern)
        out[rows] = encoders.information(pattern).of_rows(Z)
    return from_numpy(out, X, X.dtype)


@no_overflow()
def latent_moments(rows, encoders: Encoders):
    """Second moments of latents by what rows have, two modalities at least, and their weights."""
    X, weights = rows.X, np.ones(len(rows.X)) if rows.weights is None else rows.weights
    found, weights = {}, as_numpy(weights)
    for mine, pattern in _by_pattern(presence(X, rows.blocks) & (weights > 0)[:, None]):
        if len(pattern) > 1:
            Z = encoders.latents(X[mine], pattern) * np.sqrt(weights[mine])[:, None]
            found[tuple(pattern)] = Z.T @ Z, weights[mine].sum()
    return found


def _by_pattern(present):
    """Rows that have the same modalities, and these."""
    for pattern in np.unique(present, axis=0):
        rows = np.flatnonzero((present == pattern).all(axis=1))
        yield rows, np.flatnonzero(pattern).tolist()


def merged(a, b):
    """Moments of rows by pattern, and of some more."""
    zero = 0.0, 0.0
    sums = (zip(a.get(p, zero), b.get(p, zero), strict=True) for p in {**a, **b})
    return {p: tuple(x + y for x, y in s) for p, s in zip({**a, **b}, sums, strict=True)}
