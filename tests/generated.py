"""Many cases: ``python tests/generated.py --cases 200000 --seed 0 --output generated.json``.

Each case draws paired data and an estimator by its number and the seed, out of the space that
hypothesis searches (`skalign.testing.random_paired_data`; hypothesis itself would take longer to
draw), and calls all its methods; see `drivers`. ``--case 1234`` runs one again. What is printed:
cases of each estimator, fits and calls that were answered and refused, and failures, which make
the exit status 1: NaN or infinity, exceptions that explain nothing, inputs that were changed, fits
that refuse and leave a trace.
"""

import argparse
import json
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
from drivers import DRIVERS, Case

from skalign.testing import random_paired_data

KINDS = ("nan", "exception", "changed", "state")


def drawn(seed, number, only=None):
    """A case and its driver."""
    rng = np.random.RandomState([seed, number])
    share = np.array(list(DRIVERS.values())) / sum(DRIVERS.values())
    drivers = {driver.__name__.removeprefix("drive_"): driver for driver in DRIVERS}
    name = list(drivers)[rng.choice(len(drivers), p=share)]
    name = only or name
    return name, drivers[name], random_paired_data(rng), rng


def run_one(seed, number, only=None):
    """Name of the estimator, fits and calls (answered, refused), and a failure or None."""
    name, drive, data, rng = drawn(seed, number, only)
    case = Case(data)
    try:
        drive(case, rng)
    except Exception as error:
        trace = "".join(traceback.format_exception(error.__cause__ or error)[-20:])
        return name, case, {
            "case": number, "estimator": name, "kind": getattr(error, "kind", "exception"),
            "what": str(error), "data": repr(data), "trace": trace,
        }  # fmt: skip
    return name, case, None


def run_many(args):
    """Counts of all cases."""
    cases, fits, calls = Counter(), Counter(), Counter()
    failures, started = [], time.process_time()
    numbers = range(args.first, args.first + args.cases)
    for number in numbers:
        name, case, failure = run_one(args.seed, number, args.estimator)
        cases[name] += 1
        for counts, told in ((fits, case.fits), (calls, case.calls)):
            counts["answered"] += told[0]
            counts["refused"] += told[1]
        if failure is not None:
            failures.append(failure)
            print(f"case {number}, {name}: {failure['what'][:300]}", flush=True)
        if args.progress and (number + 1) % args.progress == 0:
            seconds = time.process_time() - started
            print(f"{number + 1 - args.first:,} cases, {seconds:,.0f} s", flush=True)
    return {
        "cases": len(numbers),
        "seed": args.seed,
        "cpu_seconds": round(time.process_time() - started, 1),
        "by_estimator": dict(cases.most_common()),
        "fits": dict(fits),
        "calls": dict(calls),
        "failures": {kind: sum(f["kind"] == kind for f in failures) for kind in KINDS},
        "failed": failures[:1000],
    }


def main(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="one case, in full")
    parser.add_argument("--estimator", help="one driver alone, such as aligner")
    parser.add_argument("--progress", type=int, default=10_000, help="cases between lines")
    parser.add_argument("--output", type=Path, help="a file for the counts")
    args = parser.parse_args(argv)
    if args.case is not None:
        _, case, failure = run_one(args.seed, args.case, args.estimator)
        print(case.data, case.fits, case.calls)
        if failure:
            print(failure["trace"], failure["what"], sep="\n")
        return int(failure is not None)
    counts = run_many(args)
    if args.output:
        args.output.write_text(json.dumps(counts, indent=1), encoding="utf-8")
    print(json.dumps({name: v for name, v in counts.items() if name != "failed"}, indent=1))
    n_failed = sum(counts["failures"].values())
    print(
        f"{counts['cases']:,} cases, seed {counts['seed']}, {counts['cpu_seconds']:,} s of CPU: "
        f"{n_failed} failures"
    )
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
