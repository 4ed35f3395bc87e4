"""How far a long pass over the rows is."""

import time

# Seconds between two lines.
PERIOD = 1.0


class Progress:
    """Prints rows done, rows per second and the time that is left, at most once a second.

    Parameters
    ----------
    what : str
        What is being done.
    n_rows : int
        Rows of the pass.
    """

    def __init__(self, what: str, n_rows: int):
        self.what, self.n_rows = what, n_rows
        self._start = self._said = time.perf_counter()

    def __call__(self, done: int) -> None:
        """Say that so many rows are done, if it is time to."""
        now = time.perf_counter()
        if now - self._said < PERIOD:
            return
        self._said, elapsed = now, now - self._start
        rate = done / elapsed
        left = (self.n_rows - done) / rate
        print(
            f"[skalign] {self.what}: {done:,} of {self.n_rows:,} rows, {rate:,.0f} rows/s, "
            f"{left:.0f} s left",
            flush=True,
        )
