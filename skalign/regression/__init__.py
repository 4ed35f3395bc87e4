"""Regressors that move from one modality to another."""

from ._modality_regressor import ModalityRegressor
from ._regressor import CrossModalTransferRegressor

__all__ = ["CrossModalTransferRegressor", "ModalityRegressor"]
