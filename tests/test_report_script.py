"""The report of a clone prints what files say, and what is absent by name."""

import json

import report


def said(capsys, folder, **files):
    """What is printed of some files."""
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    report.main(["--folder", str(folder)])
    return capsys.readouterr().out


def test_what_is_absent_is_named(capsys, tmp_path):
    """With what measures it."""
    printed = said(capsys, tmp_path)
    assert printed.count("not measured here") == len(report.KINDS)
    assert "nox -s mutation" in printed and "--run onnx" in printed


def test_figures_are_those_of_the_files(capsys, tmp_path):
    """Shares are counted here."""
    totals = {"covered_lines": 99, "num_statements": 200, "covered_branches": 3, "num_branches": 4}
    cell = {"cell": "oldest", "python": "3.11.7"}
    printed = said(
        capsys,
        tmp_path,
        coverage={"totals": totals},
        matrix_oldest=cell | {"passed": True},
        matrix_newest=cell | {"cell": "newest", "passed": False},
        mutation={"roots": {"killed": 9, "survived": 1}, "maps": {"killed": 10, "survived": 0}},
        generated={"cases": 500, "seed": 3, "failures": {"aligner": 0, "gauge": 2}},
        properties={"properties": 7, "examples": 70},
        onnx={"NullSpaceAligner": 7e-16},
    )
    assert "49.50 % of lines, 99 of 200" in printed and "75.00 % of branches, 3 of 4" in printed
    assert "oldest, Python 3.11.7: passed" in printed
    assert "newest, Python 3.11.7: FAILED" in printed
    assert "95.0 % of 20 mutants are noticed" in printed and "roots: 9 of 10" in printed
    assert "cases 500, seed 3" in printed and "failures: aligner 0, gauge 2" in printed
    assert "properties 7, examples 70" in printed
    assert "NullSpaceAligner: at most 7e-16" in printed
    assert "not measured" not in printed
