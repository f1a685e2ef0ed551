"""The example of docs/kernel.md runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path


def test_the_example_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "kernel.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "docs/kernel.md", "exec", dont_inherit=True), names)
    assert names["answer"].reply == 1500  # type: ignore[attr-defined]
