"""The tour behind ``python -m skalign``: experiments with their tables, and figures."""
