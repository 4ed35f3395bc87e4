"""Choosing settings of a transfer: how to split rows, and how to score without labels."""

from ._scorer import agreement_scorer

__all__ = ["agreement_scorer"]
