"""What is missing, filled: values inside blocks, or whole blocks."""

from ._imputer import BlockImputer, CrossModalImputer

__all__ = ["BlockImputer", "CrossModalImputer"]
