"""The space in which modalities agree: from moments of pairs to one map per modality."""

from ._aligner import NullSpaceAligner
from ._encoder import ModalityEncoder

__all__ = ["ModalityEncoder", "NullSpaceAligner"]
