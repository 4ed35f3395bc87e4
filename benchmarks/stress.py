"""What upsets a transfer: nuisances of rows, odd columns, unequal or absent classes, wrong pairs.

Tasks are those of ``transfer_quality.py``, changed in one way at a time; so are its methods, and
beside them stands a student ensemble: the mean of six models of the pseudo-labels, as a careful
user would write it. "Best" is the best of the six methods of each task in hindsight, the ensemble
not among them.

    python benchmarks/stress.py
    python benchmarks/stress.py --regimes offset-10 rare --tasks digits:left-right

Prints for each regime mean accuracies over tasks, by how much skalign is ahead of each, with the
standard error over tasks, and on how many tasks it is behind by more than .02.
"""

import argparse
import sys
import warnings
from collections import defaultdict

import numpy as np
from sklearn.preprocessing import StandardScaler
from students import SIX_OF_STRESS, lesson, mean_of
from transfer_quality import PEERS, TASKS, logistic, others, reduced, run_each, skalign, splits

# -- regimes: what becomes of the target's features, and of the rows ------------------------------


def offset(deviation):
    def change(s, rng):
        Z = StandardScaler().fit(s.X2[s.pairs]).transform(s.X2)
        return s._replace(X2=Z + deviation * rng.standard_normal((len(Z), 1)))

    return change


def gain(s, rng):
    """Rows of the target are louder or softer by a factor that says nothing."""
    Z = StandardScaler().fit(s.X2[s.pairs]).transform(s.X2)
    return s._replace(X2=Z * np.exp(0.7 * rng.standard_normal((len(Z), 1))))


def later_gain(factor):
    """The sensor is turned up after the pairs were recorded."""

    def change(s, _):
        Z = StandardScaler().fit(s.X2[s.pairs]).transform(s.X2)
        Z[s.test] *= factor
        return s._replace(X2=Z)

    return change


def of_columns(function):
    def change(s, _):
        Z = StandardScaler().fit(s.X2[s.pairs]).transform(s.X2)
        return s._replace(X2=function(np.clip(Z, -8, 8)))

    return change


def thinned(*groups, ratio):
    """Class shares fall geometrically, in some of the groups of rows."""

    def change(s, rng):
        order = rng.permutation(s.y.max() + 1)
        shares = ratio ** -(np.argsort(order) / max(len(order) - 1, 1))
        return s._replace(**{g: fewer(getattr(s, g), s.y, shares, rng) for g in groups})

    return change


def fewer(rows, y, shares, rng):
    """Some rows of each class, two at least."""
    kept = []
    for c, share in enumerate(shares):
        mine = rng.permutation(rows[y[rows] == c])
        kept.append(mine[: max(2, round(share * len(mine)))])
    return np.sort(np.concatenate(kept))


def rare(s, rng):
    """One fifth of the classes against all others, a twentieth of the rows."""
    positive = np.isin(s.y, rng.permutation(s.y.max() + 1)[: max(1, (s.y.max() + 1) // 5)])
    few = np.array([1.0, 0.05 * np.mean(~positive) / (0.95 * np.mean(positive))])
    y = positive.astype(int)
    rows = {g: fewer(getattr(s, g), y, few, rng) for g in ("labelled", "pairs", "test")}
    return s._replace(y=y, **rows)


def lacking(share):
    """Pairs, and what is to be predicted, lack some of the classes that have labels."""

    def change(s, rng):
        lost = rng.permutation(s.y.max() + 1)[: max(1, int(share * (s.y.max() + 1)))]
        return s._replace(
            pairs=s.pairs[~np.isin(s.y[s.pairs], lost)], test=s.test[~np.isin(s.y[s.test], lost)]
        )

    return change


def mispaired(share):
    """Some of the pairs have the target of another one."""

    def change(s, rng):
        wrong = rng.permutation(s.pairs)[: int(share * len(s.pairs))]
        X2 = s.X2.copy()
        X2[wrong] = s.X2[np.roll(wrong, 1)]
        return s._replace(X2=X2)

    return change


def few_pairs(n):
    def change(s, rng):
        return s._replace(pairs=np.sort(rng.permutation(s.pairs)[:n]))

    return change


REGIMES = {
    "as it is": lambda s, rng: s,
    "offset-2": offset(2.0),
    "offset-5": offset(5.0),
    "offset-10": offset(10.0),
    "gain": gain,
    "later-gain-1.5": later_gain(1.5),
    "later-gain-3": later_gain(3.0),
    "exp": of_columns(np.exp),
    "cube": of_columns(lambda Z: Z**3),
    "binary": of_columns(lambda Z: (Z > 0).astype(float)),
    "unequal-10": thinned("labelled", "pairs", "test", ratio=10),
    "unequal-100": thinned("labelled", "pairs", "test", ratio=100),
    "pairs-4": thinned("pairs", "test", ratio=4),
    "labels-4": thinned("labelled", ratio=4),
    "rare": rare,
    "half-lacking": lacking(0.5),
    "quarter-lacking": lacking(0.25),
    "mispaired-10": mispaired(0.1),
    "mispaired-30": mispaired(0.3),
    "pairs-20": few_pairs(20),
    "pairs-50": few_pairs(50),
}


# -- the student ensemble -------------------------------------------------------------------------


def ensemble(s):
    """Mean of six students of the pseudo-labels: class probabilities of the test rows."""
    s = s._replace(X1=reduced(s.X1, np.r_[s.labelled, s.pairs]))
    source = logistic().fit(s.X1[s.labelled], s.y[s.labelled])
    return mean_of(SIX_OF_STRESS, lesson(s, source))


# -- measuring ------------------------------------------------------------------------------------


def measure(task, regime, n_seeds):
    """Mean accuracy over seeds of every method on a task."""
    runs = defaultdict(list)
    for seed, split in enumerate(splits(task, n_seeds)):
        s = REGIMES[regime](split, np.random.default_rng(seed))
        y = s.y[s.test]
        found = others(s) | {"ensemble": ensemble(s), "skalign": skalign(s)[0]}
        for name in [*PEERS, "paper", "ensemble", "skalign"]:
            runs[name].append(np.mean(np.argmax(found[name], axis=1) == y))
    row = {name: float(np.mean(values)) for name, values in runs.items()}
    row["best"] = max(row[name] for name in [*PEERS, "paper"])
    return row


def report(regime, results):
    """Print a row for each regime: accuracies, and what skalign is ahead."""
    rows = list(results.values())
    own = np.array([row["skalign"] for row in rows])
    cells = [f"{regime:16s} {own.mean():7.3f}"]
    for name in ("soft LR", "pseudo SVC", "ensemble", "best"):
        other = np.array([row[name] for row in rows])
        ahead = own - other
        error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.nan
        behind = int(np.sum(ahead < -0.02))
        cells.append(f"{other.mean():.3f} {ahead.mean():+.3f} ± {error:.3f} ({behind:2d})")
    print("   ".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--regimes", nargs="+", choices=REGIMES, default=list(REGIMES))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--seeds", type=int, default=1, help="splits (default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    heads = "   ".join(f"{n:27s}" for n in ("soft LR", "pseudo SVC", "ensemble", "best of six"))
    print(f"{'regime':16s} skalign   {heads}")
    print(f"{'':16s}           accuracy, ahead by ± error (tasks behind by more than .02)")
    for regime in options.regimes:
        print(f"... {regime}", file=sys.stderr, flush=True)
        results, absent = run_each(options.tasks, lambda t, r=regime: measure(t, r, options.seeds))
        report(regime, results)
    print(*absent, sep="\n")


if __name__ == "__main__":
    main()
