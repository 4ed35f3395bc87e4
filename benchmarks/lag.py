"""How often the lag between two sensors is found, on sequences from packages.

A draw takes a quarter of the sequences of a data set, six at least, makes the second modality late
by a number of rows drawn from half the range of lags, and asks `LagDisplay` for the lag. A table:
draws in which the lag is found exactly; draws in which it is ahead by two standard errors or more
(``margin_``), and how many of these are right; and exact finds by two ways that hold nothing out:
the information of all canonical correlations of the very rows that these were learned from, and
the mean squared correlation of a column of one modality with a column of the other. Rows are:

- watch: one second of an exercise, means, deviations and speeds of three axes and their length,
  accelerometer against gyroscope (seglearn);
- motions: the same of half a second of an activity (aeon);
- vowels: one frame of speech, the first six cepstrum coefficients against the others (aeon);
- htad: three seconds of an activity at home, microphone against wrist (multiviewstacking). Rows
  of a sequence tell the activity, which lasts, and little of the moment: no lag can be told.

All data come inside Python packages; a task whose package is missing is named and passed over:

    pip install --no-deps seglearn==1.2.5 multiviewstacking==0.7.5 aeon
    python benchmarks/lag.py
"""

import argparse
import sys
import time

import numpy as np
from matplotlib.figure import Figure
from transfer_quality import htad as htad_tables
from transfer_quality import inside

from skalign import NullSpaceAligner
from skalign.inspection import LagDisplay


def features(series, length):
    """Rows of windows of a series of three axes: level, deviation and speed, on a log scale."""
    windows = series[: len(series) // length * length].reshape(-1, length, 3)
    S = np.concatenate([windows, np.linalg.norm(windows, axis=2, keepdims=True)], axis=2)
    speed = np.abs(np.diff(S, axis=1)).mean(axis=1)
    return np.hstack([S.mean(axis=1), np.log(S.std(axis=1) + 1e-3), np.log(speed + 1e-3)])


def sensors(recordings, length):
    """Sequences of rows of two modalities: accelerometer, gyroscope."""
    return [(features(s[:, :3], length), features(s[:, 3:], length)) for s in recordings]


def watch():
    path = inside("seglearn", "data", "watch_dataset.npy")
    return sensors(np.load(path, allow_pickle=True).item()["X"], length=50)


def series_of(name):
    """Series of a data set of aeon, of shape (time, channels)."""
    for part in ("TRAIN", "TEST"):
        path = inside("aeon", "datasets", "data", name, f"{name}_{part}.ts")
        for line in path.read_text().split("@data")[1].split():
            *channels, _ = line.replace("?", "nan").split(":")
            series = np.array([channel.split(",") for channel in channels], dtype=float).T
            yield series[np.isfinite(series).all(axis=1)]


def motions():
    return sensors(series_of("BasicMotions"), length=5)


def vowels():
    return [(series[:, :6], series[:, 6:]) for series in series_of("JapaneseVowels")]


def htad():
    views, y, _ = htad_tables()
    starts = np.flatnonzero(y[1:] != y[:-1]) + 1
    return list(zip(*(np.split(views[name], starts) for name in ("audio", "wrist")), strict=True))


TASKS = {  # loader, what to install, lags
    "watch": (watch, "seglearn==1.2.5", 10),
    "motions": (motions, "aeon", 6),
    "vowels": (vowels, "aeon", 4),
    "htad": (htad, "multiviewstacking==0.7.5", 10),
}


def late(first, second, lag):
    """The same sequence, whose second modality comes so many rows later."""
    n = len(first) - abs(lag)
    return first[max(lag, 0) :][:n], second[max(-lag, 0) :][:n]


def draw(sequences, longest, rng):
    """Rows of some sequences, the sequence of each, and the lag."""
    some = rng.choice(len(sequences), max(len(sequences) // 4, 6), replace=False)
    lag = int(rng.integers(-(longest // 2), longest // 2 + 1))
    shifted = [late(*sequences[i], lag) for i in some if len(sequences[i][0]) > abs(lag) + 1]
    X1, X2 = (np.vstack(parts) for parts in zip(*shifted, strict=True))
    return X1, X2, np.repeat(np.arange(len(shifted)), [len(a) for a, _ in shifted]), lag


def seen_lags(X1, X2, groups, lags):
    """Lags of most information, and of most squared correlation, on the rows learned from."""
    found = []
    for lag in lags:
        first = np.arange(max(0, -lag), len(X1) - max(0, lag))
        first = first[groups[first] == groups[first + lag]]
        A, B = X1[first], X2[first + lag]
        own = NullSpaceAligner(None, modalities=[A.shape[1], B.shape[1]], shrinkage=None)
        r = own.fit(np.hstack([A, B])).correlations_
        cross = np.corrcoef(A.T, B.T)[: A.shape[1], A.shape[1] :]
        found.append([-0.5 * np.log1p(-(np.minimum(r, 1 - 1e-9) ** 2)).sum(), np.mean(cross**2)])
    return lags[np.argmax(found, axis=0)]


def measure(task, n_draws):
    """Counts of finds and claims over draws, rows of the last draw, seconds of a curve."""
    load, _, longest = TASKS[task]
    sequences, rng = load(), np.random.default_rng(0)
    lags, hits, seconds = np.arange(-longest, longest + 1), [], 0.0
    for _ in range(n_draws):
        X1, X2, groups, lag = draw(sequences, longest, rng)
        X = np.hstack([X1, X2])
        aligner = NullSpaceAligner(1, modalities=[X1.shape[1], X2.shape[1]]).fit(X)
        aligner.set_params(n_components="auto")  # any number shared
        axes, start = Figure().subplots(), time.perf_counter()
        found = LagDisplay.from_estimator(aligner, X, lags=longest, groups=groups, ax=axes)
        seconds += (time.perf_counter() - start) / n_draws
        right, told = found.best_lag_ == lag, found.margin_ >= 2
        hits.append([right, told, right and told, *(seen_lags(X1, X2, groups, lags) == lag)])
    return np.sum(hits, axis=0), len(X), len(sequences), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--draws", type=int, default=20)
    args = parser.parse_args()
    columns = "sequences", "rows", "lags", "found", "told", "of these right", "seen, CCA"
    print(f"{'of ' + str(args.draws):10s}", *(f"{c:>14s}" for c in (*columns, "seen, r²", "s")))
    for task in args.tasks:
        try:
            counts, n, sequences, seconds = measure(task, args.draws)
        except ModuleNotFoundError as error:
            print(f"{task}: needs {error.name}, pip install --no-deps {TASKS[task][1]}")
            continue
        cells = sequences, n, f"±{TASKS[task][2]}", *counts, f"{seconds:.2f}"
        print(f"{task:10s}", *(f"{cell:>14}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
