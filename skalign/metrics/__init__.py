"""How well modalities agree: latents, class probabilities, and queries with their partners.

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
from ._retrieval import (
    hit_rate_at_k,
    mean_average_precision,
    mean_reciprocal_rank,
    median_rank,
    recall_at_k,
)

__all__ = [
    "accuracy_bounds",
    "agreement_score",
    "alignment_error",
    "hit_rate_at_k",
    "latent_r2",
    "mean_average_precision",
    "mean_reciprocal_rank",
    "median_rank",
    "principal_angles",
    "recall_at_k",
    "reconstruction_error",
    "relative_alignment_error",
]
