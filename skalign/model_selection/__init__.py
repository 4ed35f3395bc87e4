"""Choosing and judging a transfer: how to split rows, and how to score without labels."""

from ._certificate import estimate_accuracy
from ._permutation import permutation_test
from ._scorer import agreement_scorer
from ._sets import ConformalTransfer
from ._split import TransferSplit

__all__ = [
    "ConformalTransfer",
    "TransferSplit",
    "agreement_scorer",
    "estimate_accuracy",
    "permutation_test",
]
