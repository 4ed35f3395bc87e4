"""The space in which modalities agree: from moments of pairs to one map per modality."""

from ._aligner import NullSpaceAligner
from ._encoder import ModalityEncoder
from ._imputer import BlockImputer, CrossModalImputer

__all__ = ["BlockImputer", "CrossModalImputer", "ModalityEncoder", "NullSpaceAligner"]
