"""The Python examples in the documentation run as they stand, in order, each page in a namespace of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [path for path in sorted(DOCS.glob("*.md")) if "```python" in path.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_examples_of_a_page_run(page: Path) -> None:
    text = page.read_text()
    namespace: dict[str, object] = {"__name__": "example"}
    for block in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        first_line = text[:block.start(1)].count("\n")
        exec(compile("\n" * first_line + block[1], str(page), "exec"), namespace)


def test_there_are_pages_with_examples() -> None:
    assert {"writing-a-device", "writing-a-test"} <= {page.stem for page in PAGES}
