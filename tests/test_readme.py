"""The README's examples run, one after the other, as a reader would type them."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_examples():
    """The printed accuracy is far above chance."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    space, out = {}, io.StringIO()
    with contextlib.redirect_stdout(out):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), space)
    assert float(out.getvalue()) > 0.7
    assert space["search"].best_score_ > 0.5


def test_exactly_two_commands_set_everything_up():
    """One runs the tour, one passes the tests."""
    commands = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(commands) == 2
    assert "-m skalign" in commands[0]
    assert "-m pytest" in commands[1]
