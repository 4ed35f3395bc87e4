"""Mutation score of the kernels: how many small changes of their code do fast tests notice?

``python tests/mutation.py`` mutates each kernel by mutmut, runs the tests that are named here for
it, prints a table and writes what it says, and which changes nobody noticed, as JSON.
``python tests/mutation.py moments/_moments`` does it for some kernels, and keeps what is known of
the others; with ``--again`` only what nobody noticed before is tried once more. What survives is
explained in docs/mutation.md. Properties are not mutated: mutmut leaves out decorated functions.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Fast tests of each kernel, in tests/.
KERNELS = {
    "moments/_moments": ["moments/test_moments.py", "moments/test_moments_values.py"],
    "moments/_accumulate": ["moments/test_moments.py", "moments/test_accumulate.py"],
    "alignment/_canonical": ["alignment/test_solve.py"],
    "alignment/_whitening": ["alignment/test_whitening.py"],
    "alignment/_em": ["alignment/test_em_values.py"],
    "transfer/_discriminant": ["transfer/test_lda.py"],
    "transfer/_kernel": ["transfer/test_kernel_lda.py"],
    "_blocks": ["test_stacked_blocks.py"],
}
# Exit codes of mutmut's workers.
KILLED, SURVIVED, NO_TESTS, TIMEOUTS = (1, 3), (0,), (5, 33), (36, 24, 152, 255, -24)
SETTINGS = """
[tool.mutmut]
source_paths = ["skalign"]
only_mutate = ["skalign/{kernel}.py"]
pytest_add_cli_args_test_selection = {tests}
# what is unraisable is found by collecting garbage, which takes longer than the tests
pytest_add_cli_args = [
    "-n", "0", "-p", "no:cacheprovider", "-p", "no:unraisableexception",
    "--hypothesis-profile=mutation",
]
track_dependencies = false
use_git_change_detection = false
process_isolation = "forkserver"  # threads of a test would not be there in a fork
timeout_multiplier = 10.0
"""


def prepare(kernel: str, work: Path) -> Path:
    """Give the folder in which a kernel is mutated: a copy of the package and of its tests."""
    folder = work / kernel.replace("/", ".")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("skalign", "tests"):
        for place in (folder, folder / "mutants"):
            if place == folder or name == "tests":
                shutil.rmtree(place / name, ignore_errors=True)
        junk = shutil.ignore_patterns("__pycache__", ".hypothesis")
        shutil.copytree(ROOT / name, folder / name, ignore=junk)
    tests = json.dumps([f"tests/{name}" for name in KERNELS[kernel]])
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    text += SETTINGS.format(kernel=kernel, tests=tests)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def verdicts(folder: Path, kernel: str) -> dict[str, int | None]:
    """Exit codes of the tests of each mutant."""
    meta = folder / "mutants" / "skalign" / f"{kernel}.py.meta"
    return json.loads(meta.read_text())["exit_code_by_key"] if meta.exists() else {}


def forget_survivors(folder: Path, kernel: str) -> None:
    """Let whatever was not killed be tried once more, by tests as they are now."""
    meta = folder / "mutants" / "skalign" / f"{kernel}.py.meta"
    if meta.exists():
        known = json.loads(meta.read_text())
        codes = known["exit_code_by_key"]
        known["exit_code_by_key"] = {k: v if v in KILLED else None for k, v in codes.items()}
        meta.write_text(json.dumps(known))
        (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)


def mutate(kernel: str, work: Path, *, again: bool, workers: int) -> dict:
    """Mutate a kernel; what comes out."""
    if not again:
        shutil.rmtree(work / kernel.replace("/", "."), ignore_errors=True)
    folder = prepare(kernel, work)
    forget_survivors(folder, kernel)
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # workers are forked
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(workers)]
    with (folder / "mutmut.log").open("w") as log:
        streams = {"stdout": log, "stderr": subprocess.STDOUT}
        env = {**os.environ, **single}
        done = subprocess.run(command, cwd=folder, env=env, check=False, **streams)
    found = verdicts(folder, kernel)
    if done.returncode or not found:
        raise SystemExit(f"mutmut failed on {kernel}: look at {log.name}")
    kinds = (
        ("killed", KILLED),
        ("survived", SURVIVED),
        ("no_tests", NO_TESTS),
        ("timeouts", TIMEOUTS),
    )
    kind_of = {code: kind for kind, codes in kinds for code in codes}
    counts = Counter(kind_of.get(code, "other") for code in found.values())
    left = sorted(
        name for name, code in found.items() if kind_of.get(code) not in ("killed", "timeouts")
    )
    return {
        "mutants": len(found),
        **{kind: counts[kind] for kind, _ in kinds},
        "other": counts["other"],
        "score": (counts["killed"] + counts["timeouts"]) / len(found),
        "tests": KERNELS[kernel],
        "left": left,
    }


def table(report: dict) -> str:
    """What was found, a kernel a line."""
    columns = ("mutants", "killed", "timeouts", "survived", "no_tests", "other")
    rows = [("kernel", *columns, "score")]
    totals = Counter()
    for kernel, found in report.items():
        totals.update({name: found[name] for name in columns})
        rows.append((kernel, *(found[name] for name in columns), f"{found['score']:.1%}"))
    caught = (totals["killed"] + totals["timeouts"]) / max(totals["mutants"], 1)
    rows.append(("all", *(totals[name] for name in columns), f"{caught:.1%}"))
    return "\n".join(
        f"{row[0]:<24}" + "".join(f"{value!s:>10}" for value in row[1:]) for row in rows
    )


def main() -> None:
    """Mutate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="*", help=f"some of {', '.join(KERNELS)}; default: all")
    parser.add_argument("--again", action="store_true", help="try only what survived before")
    parser.add_argument("--show", action="store_true", help="run nothing, print what is known")
    parser.add_argument("--workers", type=int, default=1, help="mutants at a time")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "mutation")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs" / "_build" / "report" / "mutation.json"
    )
    options = parser.parse_args()
    if unknown := sorted(set(options.kernels) - set(KERNELS)):
        parser.error(f"no such kernel: {', '.join(unknown)}; there are {', '.join(KERNELS)}")
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    for kernel in [] if options.show else options.kernels or list(KERNELS):
        known[kernel] = mutate(
            kernel, options.work.resolve(), again=options.again, workers=options.workers
        )
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(known, indent=1) + "\n")
    print(table({kernel: known[kernel] for kernel in KERNELS if kernel in known}))


if __name__ == "__main__":
    main()
