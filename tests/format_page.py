"""The Python that docs/reference/book-format.md shows: a second verifier's, not ours."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "book-format.md"


def functions() -> dict[str, Any]:
    """Return the functions of the page by name."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 our own page
    return names
