"""Sums over rows, of which everything else is made: what was seen, not what it means."""
