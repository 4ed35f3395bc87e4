"""How far a long pass over the rows is."""

import time

# Seconds between two lines.
PERIOD = 1.0


def with_progress(slices, what: str, verbose: bool):
    """Slices of rows; if verbose, prints rows done, rows per second and the time that is left.

    It does so at most once a second, when the rows of a slice are done.
    """
    start = said = time.perf_counter()
    for rows in slices:
        yield rows
        now = time.perf_counter()
        if not verbose or now - said < PERIOD:
            continue
        said, done, n_rows = now, rows.stop, slices[-1].stop
        rate = done / (now - start)
        print(
            f"[skalign] {what}: {done:,} of {n_rows:,} rows, {rate:,.0f} rows/s, "
            f"{(n_rows - done) / rate:.0f} s left",
            flush=True,
        )
