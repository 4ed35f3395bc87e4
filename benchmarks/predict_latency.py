"""How long the deployed classifier takes: for one row, and for a thousand.

`target_classifier_`, out of the box, stands beside what one would deploy otherwise, on the same
columns:

- `predict_proba` of a single row beside `make_pipeline(StandardScaler(), LogisticRegression())`;
- `predict` of a thousand rows beside an `SVC` with as many support vectors as there are landmarks.

    OPENBLAS_NUM_THREADS=1 python benchmarks/predict_latency.py [--widths 8 32 128] [--pairs 1000]

Calls take turns, and a ratio is the median of ratios within a turn, with quartiles. One thread.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians

ROWS = 1000
# So many times the pairs are there for the SVC, to have as many support vectors as landmarks.
MORE = 4
TURNS = {"one row": 400, "a thousand": 25}


def drawn(n_pairs, width, n_classes, seed=0):
    """Rows of a curved target, their labels, new rows, and a transfer fitted to the first."""
    rng = np.random.default_rng(seed)
    n_latent = min(6, width)
    data = make_paired_gaussians(
        MORE * n_pairs + ROWS,
        n_features=(width, width),
        n_latent=n_latent,
        class_means=1.5 * rng.normal(size=(n_classes, n_latent)),
        noise=1.0,
        random_state=seed,
    )
    X = data.X / data.X.std(axis=0)
    np.maximum(X[:, width:], 0, out=X[:, width:])  # so that kernels are worth something
    aligner = NullSpaceAligner(modalities=[width, width])
    model = CrossModalTransferClassifier(LogisticRegression(max_iter=1000), aligner=aligner)
    model.fit(X[:n_pairs], data.y[:n_pairs])
    return X[:-ROWS, width:], data.y[:-ROWS], X[-ROWS:, width:], model


def with_vectors(X, y, n):
    """An SVC with as nearly so many support vectors as some number of its rows gives."""
    low, high = 2 * len(np.unique(y)), len(X)
    best = None
    for _ in range(12):
        rows = (low + high) // 2
        svc = SVC(C=0.1).fit(X[:rows], y[:rows])
        if best is None or abs(len(svc.support_) - n) < abs(len(best.support_) - n):
            best = svc
        low, high = (rows, high) if len(svc.support_) < n else (low, rows)
    return best


def in_turns(calls, n_turns):
    """Seconds of each call (n_turns, n_calls), the first round left out."""
    times = np.empty((n_turns + 1, len(calls)))
    for i in range(n_turns + 1):
        for j, call in enumerate(calls):
            start = time.perf_counter()
            call(i)
            times[i, j] = time.perf_counter() - start
    return times[1:]


def told(name, times):
    """A line: times of both, and their ratio."""
    low, mid, high = np.quantile(times[:, 0] / times[:, 1], [0.25, 0.5, 0.75])
    ours, theirs = 1e3 * np.median(times, axis=0)
    print(f"  {name:44s} {ours:8.3f} {theirs:8.3f} ms   {mid:5.2f} ({low:.2f} to {high:.2f})")
    return mid


def run(width, options):
    """Both figures of a width."""
    X, y, new, model = drawn(options.pairs, width, options.classes)
    ours = model.target_classifier_
    usual = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    usual.fit(X[: options.pairs], y[: options.pairs])
    landmarks = len(getattr(ours, "landmarks_", ()))
    views = 1 + hasattr(ours, "direction_classifier_") + hasattr(ours, "tree_roots_")
    print(f"{width} columns: {views} views, {landmarks} landmarks")
    single = [new[[i]] for i in range(ROWS)]
    calls = [lambda i, m=m: m.predict_proba(single[i % ROWS]) for m in (ours, usual)]
    told("one row, beside scaler + logistic", in_turns(calls, TURNS["one row"]))
    svc = with_vectors(X, y, max(landmarks, 1))
    calls = [lambda i, m=m: m.predict(new) for m in (ours, svc)]
    name = f"{ROWS} rows, beside SVC of {len(svc.support_)} vectors"
    told(name, in_turns(calls, TURNS["a thousand"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--classes", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 32, 128])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{options.pairs} pairs, {options.classes} classes; ours, theirs, ratio (quartiles)")
    with threadpool_limits(1):
        for width in options.widths:
            run(width, options)


if __name__ == "__main__":
    main()
