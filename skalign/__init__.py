"""Perfect multimodal alignment and cross-modal transfer, for scikit-learn."""

from . import datasets, inspection, metrics, model_selection, onnx
from ._blocks import stack_modalities
from .alignment import ModalityEncoder, NullSpaceAligner
from .gauge import LatentGauge
from .imputation import BlockImputer, CrossModalImputer
from .regression import CrossModalTransferRegressor, ModalityRegressor
from .retrieval import CrossModalRetriever
from .transfer import CrossModalTransferClassifier, ModalityClassifier
from .zero_shot import ZeroShotClassifier

__all__ = [
    "BlockImputer",
    "CrossModalImputer",
    "CrossModalRetriever",
    "CrossModalTransferClassifier",
    "CrossModalTransferRegressor",
    "LatentGauge",
    "ModalityClassifier",
    "ModalityEncoder",
    "ModalityRegressor",
    "NullSpaceAligner",
    "ZeroShotClassifier",
    "datasets",
    "inspection",
    "metrics",
    "model_selection",
    "onnx",
    "stack_modalities",
]
__version__ = "0.1.0"

for _name in __all__:
    if _name[0].isupper():
        _class = globals()[_name]
        _class.__module__ = "skalign"  # where it is found, also by files that name it
        # what the question mark in an estimator's HTML representation leads to
        _class._doc_link_module = "skalign"
        _class._doc_link_template = (
            "https://skalign.readthedocs.io/en/latest/generated/skalign.{estimator_name}.html"
        )
