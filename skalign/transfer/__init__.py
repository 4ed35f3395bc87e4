"""Labels in one modality, predictions from another."""

from ._classifier import CrossModalTransferClassifier
from ._modality_classifier import ModalityClassifier

__all__ = ["CrossModalTransferClassifier", "ModalityClassifier"]
