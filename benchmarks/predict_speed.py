"""Speed and memory of the transfer, beside what scikit-learn does with the same latents.

``fit`` of ``CrossModalTransferClassifier`` stands beside ``GaussianMixture(n_classes).fit`` on the
aligned latents of the pairs; ``predict_proba`` of its ``target_classifier_`` beside the encoder's
``transform`` and ``QuadraticDiscriminantAnalysis.predict_proba``, on latents as well, and beside
the same on the target's features, where skalign looks:

    OPENBLAS_NUM_THREADS=1 python benchmarks/predict_speed.py [--pairs 100000] [--features 64]

Everything runs in one process on one thread, one after the other. Times are CPU seconds, so that
neighbours on the machine disturb them less; the time of the source classifier, its fit and its
posterior of the pairs, is taken out of ``fit`` and shown apart. Ratios are medians of ratios
within a repeat, with quartiles. Peaks are those of tracemalloc: what is allocated on top of the
data.
"""

import argparse
import time
import tracemalloc
import warnings

import numpy as np
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians

LABELLED = 2000
# Deviation of class means, labels of rows beside the pairs or of some pairs, a rectified target.
TASKS = (
    ("classes apart, labels within the pairs", 3.0, False, False),
    ("classes apart, labels beside the pairs", 3.0, True, False),
    ("classes close, labels within the pairs", 1.0, False, False),
    ("classes close, labels beside the pairs", 1.0, True, False),
    ("classes close, target rectified", 1.0, False, True),
)


class Timed(LogisticRegression):
    """A source classifier that keeps its own time."""

    spent = 0.0

    def fit(self, X, y, sample_weight=None):
        """As ever."""
        return self._timed(super().fit, X, y, sample_weight)

    def predict_proba(self, X):
        """As ever."""
        return self._timed(super().predict_proba, X)

    def _timed(self, work, *args):
        seconds, result = timed(work, *args)
        Timed.spent += seconds
        return result


def timed(work, *args):
    """CPU seconds, and what comes out."""
    start = time.process_time()
    result = work(*args)
    return time.process_time() - start, result


def draw(n_pairs, n_features, n_classes, deviation, beside, curved, seed=0):
    """Rows, labels, which rows are the pairs, and the truth."""
    more = LABELLED if beside else 0
    data = make_paired_gaussians(
        n_pairs + more,
        n_features=(n_features, n_features),
        class_means=deviation * np.random.default_rng(seed).normal(size=(n_classes, n_classes)),
        noise=6.0,
        random_state=seed,
    )
    X, y = data.X, data.y.copy()
    y[LABELLED:] = -1
    X /= X.std(axis=0)
    if curved:
        np.maximum(X[:, n_features:], 0, out=X[:, n_features:])
    X[:more, n_features:] = np.nan
    return X, y, slice(more, None), data.y


def model_of(n_features):
    aligner = NullSpaceAligner(modalities=[n_features, n_features])
    return CrossModalTransferClassifier(Timed(max_iter=1000), aligner=aligner)


def time_fit(X, y, pairs, n_features, n_classes):
    """CPU seconds: the transfer, the source's share of it, the mixture; and the fitted model."""
    Timed.spent = 0.0
    seconds, model = timed(model_of(n_features).fit, X, y)
    source = Timed.spent
    latents = model.aligner_.transform(X[pairs])
    return seconds - source, source, timed(GaussianMixture(n_classes).fit, latents)[0], model


def time_predict(model, target, rivals):
    """CPU seconds: skalign, then each rival."""
    found = [timed(model.target_classifier_.predict_proba, target)[0]]
    return [*found, *(timed(rival, target)[0] for rival in rivals)]


def rivals_of(model, target, truth):
    """Give QDA after the projection, and QDA on the features themselves."""
    encoder = model.aligner_.encoders_[1]
    on_latents = QuadraticDiscriminantAnalysis().fit(encoder.transform(target), truth)
    on_features = QuadraticDiscriminantAnalysis().fit(target, truth)
    return (
        lambda rows: on_latents.predict_proba(encoder.transform(rows)),
        on_features.predict_proba,
    )


def peak(work, *args):
    """MiB that are allocated at the worst moment, beyond what was there."""
    tracemalloc.start()
    work(*args)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def ratio(ours, theirs):
    low, mid, high = np.quantile(np.divide(ours, theirs), [0.25, 0.5, 0.75])
    return f"{mid:.2f} ({low:.2f} to {high:.2f})"


def run(options, name, *task):
    """One line on fitting, one on predicting."""
    d, C = options.features, options.classes
    X, y, pairs, truth = draw(options.pairs, d, C, *task)
    fits = [time_fit(X, y, pairs, d, C) for _ in range(options.repeats)]
    ours, source, mixture, models = zip(*fits, strict=True)
    model = models[-1]
    target = np.ascontiguousarray(X[pairs, d:])
    truth = truth[pairs]
    rivals = rivals_of(model, target, truth)
    rows = np.resize(np.arange(len(target)), options.rows)
    asked = target[rows]
    times = np.transpose([time_predict(model, asked, rivals) for _ in range(options.repeats)])
    landmarks = len(getattr(model.target_classifier_, "landmarks_", ()))
    accuracy = model.target_classifier_.score(target, truth)
    print(
        f"{name}: {model.aligner_.n_components_} latents, {landmarks} landmarks, "
        f"accuracy {accuracy:.3f}"
    )
    print(
        f"  fit      {np.median(ours):6.2f} s, source {np.median(source):.2f} s apart; "
        f"mixture {np.median(mixture):.2f} s; ratio {ratio(ours, mixture)}; "
        f"peak {peak(model_of(d).fit, X, y):.0f} MiB, X {X.nbytes / 2**20:.0f} MiB"
    )
    print(
        f"  predict  {np.median(times[0]):6.2f} s; latents + QDA {np.median(times[1]):.2f} s, "
        f"ratio {ratio(times[0], times[1])}; QDA on features {np.median(times[2]):.2f} s, "
        f"ratio {ratio(times[0], times[2])}; "
        f"peak {peak(model.target_classifier_.predict_proba, asked):.0f} MiB"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--rows", type=int, default=100_000, help="asked (default: %(default)s)")
    parser.add_argument("--features", type=int, default=64, help="a modality's (default: 64)")
    parser.add_argument("--classes", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="(default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        f"{options.pairs} pairs of {options.features} + {options.features} features, "
        f"{options.classes} classes; {options.rows} rows asked; {options.repeats} repeats"
    )
    with threadpool_limits(1):
        for name, *task in TASKS:
            run(options, name, *task)


if __name__ == "__main__":
    main()
