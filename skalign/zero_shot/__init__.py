"""Classes known only by prototypes in another modality."""

from ._classifier import ZeroShotClassifier

__all__ = ["ZeroShotClassifier"]
