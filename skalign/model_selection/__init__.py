"""Choosing settings of a transfer: how to split rows, and how to score without labels."""

from ._scorer import agreement_scorer
from ._split import TransferSplit

__all__ = ["TransferSplit", "agreement_scorer"]
