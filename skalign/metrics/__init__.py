"""How well modalities agree: latents with each other and with the truth, and class probabilities.

Functions take arrays. A scorer of fitted transfers, and bounds of their accuracy, are in
:mod:`skalign.model_selection`.
"""

from ._agreement import agreement_score
from ._alignment import (
    alignment_error,
    latent_r2,
    principal_angles,
    reconstruction_error,
    relative_alignment_error,
)
from ._certificate import accuracy_bounds

__all__ = [
    "accuracy_bounds",
    "agreement_score",
    "alignment_error",
    "latent_r2",
    "principal_angles",
    "reconstruction_error",
    "relative_alignment_error",
]
