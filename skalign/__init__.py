"""Perfect multimodal alignment and cross-modal transfer, for scikit-learn."""

from ._aligner import NullSpaceAligner
from ._classifier import ModalityClassifier
from ._encoder import ModalityEncoder
from ._stacking import stack_modalities
from ._transfer import CrossModalTransferClassifier

__all__ = [
    "CrossModalTransferClassifier",
    "ModalityClassifier",
    "ModalityEncoder",
    "NullSpaceAligner",
    "stack_modalities",
]
__version__ = "0.1.0"
