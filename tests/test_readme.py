"""The README's examples run, one after the other, as a reader would type them."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import skalign

README = Path(__file__).parents[1] / "README.md"
ELSEWHERE = """
import joblib
import numpy as np
deployed, rows = joblib.load("right.joblib"), np.load("rows.npz")
print(deployed.score(rows["right"], rows["digit"]))
"""


def test_examples(tmp_path, monkeypatch):
    """Accuracy is far above chance: as printed, and on raw columns where the model is deployed."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    monkeypatch.chdir(tmp_path)
    space, out = {}, io.StringIO()
    with contextlib.redirect_stdout(out):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), space)
    printed, told = float(out.getvalue()), re.search(r"print.*# (0\.\d+)", blocks[0])[1]
    assert printed > 0.8
    assert abs(printed - float(told)) < 0.015
    assert space["search"].best_score_ > 0.8
    assert "data:image" in Path("report.html").read_text(encoding="utf-8")

    np.savez("rows.npz", right=space["right"][1200:], digit=space["digit"][1200:])
    package = str(Path(skalign.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": package},
        text=True,
        timeout=60,
    )
    assert float(done.stdout) == printed


def test_exactly_two_commands_set_everything_up():
    """One runs the tour, one passes the tests."""
    commands = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(commands) == 2
    assert "-m skalign" in commands[0]
    assert "-m pytest" in commands[1]
