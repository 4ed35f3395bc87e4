"""Rows to latents and back by the maps of all modalities, whatever a row lacks."""

from dataclasses import dataclass

import numpy as np

from ._array_api import OnDevice, host, on_device, together
from ._blocks import Blocks
from ._encoder import ModalityEncoder
from ._information import expected_latents
from ._stacking import presence


@dataclass(frozen=True)
class Coding:
    """Maps of the modalities, their columns, and the covariance of all latents."""

    encoders: list[ModalityEncoder]
    blocks: Blocks
    latent_cov: np.ndarray

    @property
    def n_components(self) -> int:
        """Dimension of the aligned space."""
        return len(self.encoders[0].coef_)

    def transform(self, X):
        """Mean of the encodings of the modalities that each row has."""
        if isinstance(X, OnDevice):
            return self._transform_on_device(X)
        latents = self.encode(X)
        if np.isfinite(sum(latents)).all():
            return sum(latents) / len(latents)
        return mean_of_present(latents, self.presence(X))

    def fill(self, X):
        """Rows whose missing blocks are filled; in place where they are NumPy's."""
        return self._fill_on_device(X) if isinstance(X, OnDevice) else self._fill_here(X)

    def encode(self, X):
        """Latents of each modality; NaN where a row lacks it."""
        blocks = [self.blocks.take(X, m) for m in range(len(self.encoders))]
        return [host(e._encode(block)) for e, block in zip(self.encoders, blocks, strict=True)]

    def _fill_here(self, X):
        """Fill missing blocks in place."""
        latents = self.encode(X)
        present, n_modalities = self.presence(X), len(self.encoders)
        for pattern in np.unique(present, axis=0):
            rows = np.flatnonzero((present == pattern).all(axis=1))
            given = [m for m in range(n_modalities) if pattern[m]]
            for m in set(range(n_modalities)) - set(given):
                map_ = expected_latents(self.latent_cov, given, m, n_modalities)
                z = np.hstack([latents[g][rows] for g in given]) @ map_
                filled = self.encoders[m]._decode(z.astype(X.dtype, copy=False))
                X[np.ix_(rows, self.blocks.indices(m))] = filled
        return X

    def _transform_on_device(self, X):
        """As for NumPy, by one product; a missing block is put at its mean: latent 0."""
        maps, mean = np.zeros((X.shape[1], self.n_components)), np.zeros(X.shape[1])
        for columns, encoder in zip(self.blocks.columns, self.encoders, strict=True):
            maps[columns], mean[columns] = encoder.coef_.T, encoder.mean_
        latents = X.affine(maps / len(self.encoders), mean)
        if on_device(latents).finite():
            return latents
        present = self.presence(X)
        return X.filled(mean).affine(maps, mean, share=1 / present.sum(axis=1))

    def _fill_on_device(self, X):
        """As `_fill_here`, of which nothing is in place."""
        present, n_modalities = self.presence(X), len(self.encoders)
        parts, positions = [], []
        for pattern in np.unique(present, axis=0):
            rows = np.flatnonzero((present == pattern).all(axis=1))
            part = X[rows]
            given = [m for m in range(n_modalities) if pattern[m]]
            if len(given) < n_modalities:
                part = part.filled(self._expected_on_device(part, given))
            parts.append(part)
            positions.append(rows)
        return together(parts, positions, axis=0)

    def _expected_on_device(self, X, given):
        """Best linear estimate of the blocks that rows lack; zero elsewhere."""
        k, n_modalities = self.n_components, len(self.encoders)
        maps, mean = np.zeros((X.shape[1], len(given) * k)), np.zeros(X.shape[1])
        for g, m in enumerate(given):
            maps[self.blocks.columns[m], g * k : (g + 1) * k] = self.encoders[m].coef_.T
        back = np.zeros((len(given) * k, X.shape[1]))
        for m, columns in enumerate(self.blocks.columns):
            mean[columns] = self.encoders[m].mean_
            if m not in given:
                map_ = expected_latents(self.latent_cov, given, m, n_modalities)
                back[:, columns] = map_ @ self.encoders[m].decoder_coef_.T
        latents = on_device(X.filled(mean).affine(maps, mean))
        return latents.affine(back, np.zeros(len(back)), mean)

    def mean(self, X, present):
        """Mean of the encodings that each row has, in float64."""
        return mean_of_present(self.encode(X), present).astype(np.float64, copy=False)

    def presence(self, X):
        present = presence(X, self.blocks)
        none = np.flatnonzero(~present.any(axis=1))
        if len(none):
            raise ValueError(
                f"row {none[0]} has no modality at all: every block is NaN. Leave such rows out."
            )
        return present


def mean_of_present(latents, present):
    """Mean of the encodings that each row has; latents may be NaN where it has none."""
    total = np.zeros_like(latents[0])
    for m, z in enumerate(latents):
        total[present[:, m]] += z[present[:, m]]
    return total / present.sum(axis=1, keepdims=True, dtype=total.dtype)
