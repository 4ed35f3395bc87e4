"""Which row of one modality belongs to which row of another."""

from ._retriever import CrossModalRetriever

__all__ = ["CrossModalRetriever"]
