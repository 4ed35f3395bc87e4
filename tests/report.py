"""One page of figures about this clone: what was tried here, and what came out.

    python tests/report.py          # what has been measured: docs/_build/report/*.json
    python tests/report.py --run    # what is absent is measured first, which takes a while

Files, and who writes them; each is an object, and a figure that it lacks is passed over:

- ``coverage*.json``: ``nox -s coverage``, as ``coverage json`` writes it;
- ``matrix_*.json``: sessions of nox that run all tests, ``{"cell", "python", "passed"}``;
- ``properties*.json``: the same, ``{"passed", "properties", "examples"}``, as conftest.py counts;
- ``generated*.json``: ``tests/generated.py``, ``{"cases", "seed", "failures", ...}``;
- ``mutation*.json``: ``nox -s mutation``, ``{kernel: {"killed", "survived"}}``;
- ``onnx*.json``: this script, ``{model: largest difference of what graph and model say}``.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
FOLDER = ROOT / "docs" / "_build" / "report"


def read(folder, kind):
    """Objects in the files of a kind, by name."""
    files = sorted(folder.glob(f"{kind}*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


# -- lines ----------------------------------------------------------------------------------------


def of_coverage(found):
    """Lines and branches."""
    for each in found.values():
        total = each["totals"]
        for what, done, of in (
            ("lines", "covered_lines", "num_statements"),
            ("branches", "covered_branches", "num_branches"),
        ):
            share = 100 * total[done] / max(total[of], 1)
            yield f"{share:.2f} % of {what}, {total[done]:,} of {total[of]:,}"


def of_matrix(found):
    """Cells."""
    for each in found.values():
        word = "passed" if each["passed"] else "FAILED"
        yield f"{each['cell']}, Python {each['python']}: {word}"


def is_figure(value):
    """Whether it stands on a line, not in a list of its own."""
    return not isinstance(value, dict | list)


def of_figures(found):
    """Whatever figures there are."""
    for name, each in found.items():
        yield f"{name}: {', '.join(f'{k} {v}' for k, v in each.items() if is_figure(v))}"


def of_generated(found):
    """Cases by estimator, and what went wrong."""
    for name, each in found.items():
        told = [
            f"{key} {value}" for key, value in each.items() if not isinstance(value, dict | list)
        ]
        yield f"{name}: {', '.join(told)}"
        for key, value in each.items():
            if isinstance(value, dict):
                yield f"  {key}: {', '.join(f'{kind} {n}' for kind, n in value.items())}"


def of_mutation(found):
    """Mutants that tests notice, in all and by kernel."""
    for each in found.values():
        kernels = each.get("kernels", each)
        counts = {k: (n["killed"], n["survived"]) for k, n in kernels.items() if "killed" in n}
        killed, survived = (sum(own[i] for own in counts.values()) for i in (0, 1))
        share = 100 * killed / max(killed + survived, 1)
        yield f"{share:.1f} % of {killed + survived:,} mutants are noticed"
        for kernel, (own, left) in sorted(counts.items()):
            yield f"  {kernel}: {own} of {own + left}"


def of_onnx(found):
    """Largest differences."""
    for each in found.values():
        for model, difference in each.items():
            yield f"{model}: at most {difference:.0e}"


# -- measures -------------------------------------------------------------------------------------


def measure_coverage(folder):
    """All tests, once, and how many there are of which kind."""
    counts = {"TEST_COUNTS": str(folder / "properties.json")}
    run = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--cov",
        f"--cov-report=json:{folder}/coverage.json",
    ]
    subprocess.run(run, cwd=ROOT, check=True, env=os.environ | counts)


def measure_onnx(folder):
    """Models of ``tests/files/write.py`` beside their graphs, on the rows that these are asked."""
    sys.path.insert(0, str(TESTS / "files"))
    import onnxruntime
    from write import answers, asked, models

    from skalign.onnx import to_onnx

    found = {}
    for name, model in models().items():
        X = asked(model)
        try:
            graph = to_onnx(model, X).SerializeToString()
        except (TypeError, RuntimeError):  # of which there is no graph
            continue
        outputs = onnxruntime.InferenceSession(graph).run(None, {"X": X})
        said = answers(model, X)
        wanted = next(said[k] for k in ("predict_proba", "transform", "predict") if k in said)
        same = [out for out in outputs if out.size == wanted.size and out.dtype.kind == "f"]
        if same:
            found[name] = float(abs(same[-1].reshape(wanted.shape) - wanted).max())
    (folder / "onnx.json").write_text(json.dumps(found))


def measure_generated(folder):
    """The long run."""
    run = [sys.executable, "tests/generated.py", "--output", f"{folder}/generated.json"]
    subprocess.run(run, cwd=ROOT, check=True)


KINDS = {  # title, lines, and what measures it, or which session does
    "coverage": ("Coverage", of_coverage, measure_coverage),
    "properties": ("Tests, and examples of those that draw them", of_figures, measure_coverage),
    "generated": ("Generated cases", of_generated, measure_generated),
    "mutation": ("Mutation", of_mutation, "nox -s mutation"),
    "matrix": ("Matrix", of_matrix, "nox -s newest oldest random_order"),
    "onnx": ("ONNX beside Python", of_onnx, measure_onnx),
}


def main(arguments=None):
    """Measure if asked to, then print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", nargs="*", metavar="KIND", help="all that is absent, or these")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for kind, (title, lines, measure) in KINDS.items():
        wanted = options.run is not None and kind in (options.run or KINDS)
        if wanted and callable(measure) and (options.run or not read(options.folder, kind)):
            try:
                measure(options.folder)
            except (ImportError, subprocess.CalledProcessError) as error:
                print(f"{title}: {error}")
        found = read(options.folder, kind)
        absent = f"not measured here: {measure if isinstance(measure, str) else f'--run {kind}'}"
        print(f"{title}:", *(lines(found) if found else [absent]), sep="\n    ", flush=True)


if __name__ == "__main__":
    sys.exit(main())
