"""How far a long pass over the rows is."""

import time

# Seconds between two lines.
PERIOD = 1.0


def with_progress(slices, what: str, verbose: bool = True):
    """Slices of rows; if verbose, prints rows done, rows per second and the time that is left.

    At most once a second, whenever what is done with a slice is done.
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
