"""Paired data with a known latent, or with labels, for tests, examples and benchmarks."""

from ._gaussians import make_paired_gaussians

__all__ = ["make_paired_gaussians"]
