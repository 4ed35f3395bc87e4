"""Perfect multimodal alignment and cross-modal transfer, for scikit-learn."""

import sys
from typing import Any

from . import datasets, inspection, metrics, model_selection, onnx
from ._blocks import stack_modalities
from ._utils._state import state_for_file, state_from_file
from ._version import __version__ as __version__
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

_DOCS = "https://skalign.readthedocs.io/en/latest/generated/"

_class: Any
for _place in (sys.modules[__name__], model_selection):
    for _class in [getattr(_place, _name) for _name in _place.__all__ if _name[0].isupper()]:
        _class.__module__ = _place.__name__  # where it is found, also by files that name it
        if hasattr(_class, "get_params"):
            _class.__getstate__, _class.__setstate__ = state_for_file, state_from_file
            # what the question mark in an estimator's HTML representation leads to
            _class._doc_link_module = "skalign"
            _class._doc_link_template = f"{_DOCS}{_place.__name__}.{{estimator_name}}.html"
