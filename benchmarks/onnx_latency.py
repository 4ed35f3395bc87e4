"""Graphs of ONNX beside the estimators: the same answers, and how long one row takes.

Samples fall into thirds as in `transfer_quality.py`. A line a task, of the worst over splits: the
share of test rows that get the same label, and by how much probabilities differ at most, of
`target_classifier_` with rows of double and of single precision, and of the whole model behind a
scaler, with `predict_from="available"` and rows that have both modalities or either. Then the time
that the target classifier takes for a single row, by `predict_proba` and by onnxruntime, in
milliseconds, medians over repeats in turn; their ratio; and the size of the graph. One thread.

    python benchmarks/onnx_latency.py
    python benchmarks/onnx_latency.py --data FOLDER --tasks NAME_1_2   # files as in `recipes.py`
"""

import sys
import time
import warnings

import numpy as np
import onnxruntime
from recipes import drawn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from transfer_quality import run_each, stacked, transfer
from translation import arguments

from skalign.onnx import to_onnx

REPEATS = 50
COLUMNS = (
    "same", "double", "single", "whole same", "double", "single", "python ms", "onnx ms",
    "ratio", "KiB",
)  # fmt: skip


def session_of(model, X):
    """A graph that is loaded, and its size in bytes."""
    graph = to_onnx(model, X).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options), len(graph)


def compared(model, X):
    """Share of equal labels, and largest difference of probabilities, in both precisions."""
    same, differences = [], []
    for rows in (X, X.astype(np.float32)):
        labels, proba = session_of(model, rows)[0].run(None, {"X": rows})
        same.append(np.mean(labels == model.predict(rows)))
        differences.append(np.abs(proba - model.predict_proba(rows)).max())
    return min(same), *differences


def latencies(classifier, X):
    """Milliseconds for single rows: by `predict_proba`, by the graph; and the size of that."""
    session, size = session_of(classifier, X)
    ways = classifier.predict_proba, lambda row: session.run(None, {"X": row})
    times = np.empty((REPEATS, 2))
    for i in range(REPEATS):
        row = X[i % len(X)][None]
        for j, way in enumerate(ways):
            way(row)  # what is read for the first time is slower
            start = time.perf_counter()
            way(row)
            times[i, j] = time.perf_counter() - start
    return *(1e3 * np.median(times, axis=0)), np.median(times[:, 0] / times[:, 1]), size / 1024


def measure_split(s):
    """All figures of a split."""
    X, y = stacked(s)
    seen = np.r_[s.labelled, s.pairs]
    model = transfer(s).set_params(predict_from="available")
    scaled = make_pipeline(StandardScaler(), model).fit(X[seen], y[seen])
    classifier, target = scaled[-1].target_classifier_, slice(s.X1.shape[1], None)
    rows = scaled[0].transform(X[s.test])[:, target]
    mixed = np.r_[s.labelled[:200], s.pairs[:200], s.test]
    return *compared(classifier, rows), *compared(scaled, X[mixed]), *latencies(classifier, rows)


def study(task, options):
    """The worst of splits, medians of times, printed."""
    splits, _ = drawn(task, options.data, options.seeds)
    found = np.array([measure_split(s) for s in splits])
    worst = np.concatenate([found.max(axis=0)[:6], np.median(found[:, 6:], axis=0)])
    worst[[0, 3]] = found[:, [0, 3]].min(axis=0)
    show(task, worst)
    return worst


def show(name, row):
    """A line of the table."""
    parts = [f"{row[0]:8.4f} {row[1]:8.0e} {row[2]:8.0e}"]
    parts += [f"{row[3]:11.4f} {row[4]:8.0e} {row[5]:8.0e}"]
    parts += [f"{row[6]:10.3f} {row[7]:8.3f} {row[8]:8.1f} {row[9]:8.0f}"]
    print(f"{name:26s}", *parts, flush=True)


def main():
    options = arguments(__doc__)
    warnings.simplefilter("ignore")
    widths = (8, 8, 8, 11, 8, 8, 10, 8, 8, 8)
    titles = (f"{name:>{width}s}" for name, width in zip(COLUMNS, widths, strict=True))
    print(f"{'':26s}", *titles, flush=True)
    with threadpool_limits(1):
        results, absent = run_each(options.tasks, lambda task: study(task, options))
    if results:
        every = np.array(list(results.values()))
        worst = np.concatenate([every.max(axis=0)[:6], np.median(every[:, 6:], axis=0)])
        worst[[0, 3]] = every[:, [0, 3]].min(axis=0)
        show("worst, median of times", worst)
    print(*absent, sep="\n")
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
