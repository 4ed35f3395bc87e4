"""How well modalities agree: latents with each other and with the truth, and class probabilities.

Functions of latents and of probabilities take arrays and give floats. A scorer of fitted transfers
is :func:`skalign.model_selection.agreement_scorer`.
"""

from ._agreement import agreement_score
from ._alignment import (
    alignment_error,
    latent_r2,
    principal_angles,
    reconstruction_error,
    relative_alignment_error,
)

__all__ = [
    "agreement_score",
    "alignment_error",
    "latent_r2",
    "principal_angles",
    "reconstruction_error",
    "relative_alignment_error",
]
