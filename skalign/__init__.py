"""Perfect multimodal alignment and cross-modal transfer, for scikit-learn."""

from . import datasets, metrics, model_selection
from ._blocks import stack_modalities
from .alignment import ModalityEncoder, NullSpaceAligner
from .transfer import CrossModalTransferClassifier, ModalityClassifier

__all__ = [
    "CrossModalTransferClassifier",
    "ModalityClassifier",
    "ModalityEncoder",
    "NullSpaceAligner",
    "datasets",
    "metrics",
    "model_selection",
    "stack_modalities",
]
__version__ = "0.1.0"

for _public in (
    CrossModalTransferClassifier,
    ModalityClassifier,
    ModalityEncoder,
    NullSpaceAligner,
):
    _public.__module__ = "skalign"  # where it is found, also by files that name it
