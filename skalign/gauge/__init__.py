"""From latents that agree to the true ones."""

from ._gauge import LatentGauge

__all__ = ["LatentGauge"]
