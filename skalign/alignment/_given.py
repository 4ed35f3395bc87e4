"""The aligner that another estimator is given: to be fitted by it, or frozen."""

from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._blocks import Blocks, resolve_table
from ._aligner import NullSpaceAligner


def given_aligner(aligner: Any) -> tuple[NullSpaceAligner, bool]:
    """A clone to fit, or the aligner that is frozen, and whether it is that."""
    aligner = clone(aligner)
    is_frozen = isinstance(aligner, FrozenEstimator)
    aligner = aligner.estimator if is_frozen else aligner
    if not isinstance(aligner, NullSpaceAligner):
        raise ValueError(
            f"aligner={aligner!r} must be a NullSpaceAligner, which may be frozen by "
            "sklearn.frozen.FrozenEstimator."
        )
    if is_frozen:
        check_is_fitted(aligner)
    return aligner, is_frozen


def blocks_of(aligner: NullSpaceAligner, is_frozen: bool, table, n_features: int) -> Blocks:
    """Blocks of a table of so many columns: those of a frozen aligner, if they fit."""
    if not is_frozen:
        return resolve_table(aligner.modalities, table)
    if aligner.n_features_in_ != n_features:
        raise ValueError(
            f"aligner was fitted on {aligner.n_features_in_} features, X has {n_features}."
        )
    return aligner._blocks
