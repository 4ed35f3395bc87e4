"""How well modalities agree: latents with each other and with the truth, and class probabilities.

Functions of latents and of probabilities take arrays and give floats. `agreement_scorer` takes a
fitted :class:`~skalign.CrossModalTransferClassifier`, for the ``scoring`` of scikit-learn.
"""

from ._agreement import agreement_score, agreement_scorer
from ._latents import (
    alignment_error,
    latent_r2,
    principal_angles,
    reconstruction_error,
    relative_alignment_error,
)

__all__ = [
    "agreement_score",
    "agreement_scorer",
    "alignment_error",
    "latent_r2",
    "principal_angles",
    "reconstruction_error",
    "relative_alignment_error",
]
