"""Perfect multimodal alignment and cross-modal transfer, for scikit-learn."""

from ._aligner import NullSpaceAligner
from ._blocks import stack_modalities
from ._encoder import ModalityEncoder

__all__ = ["ModalityEncoder", "NullSpaceAligner", "stack_modalities"]
__version__ = "0.1.0"
