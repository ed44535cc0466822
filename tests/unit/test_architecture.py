"""ARCHITECTURE.md says what the code says."""

import os
import re
from pathlib import Path

from migrator.waves.lifecycle import diagram

PAGE = Path(__file__).parents[2] / "ARCHITECTURE.md"
DRAWN = re.compile(r"```mermaid\n(.*?)\n```", re.DOTALL)


def test_the_diagram_is_drawn_from_the_lifecycle_table() -> None:
    """MIGRATOR_REDRAW=1 writes it anew."""
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("MIGRATOR_REDRAW"):
        text = DRAWN.sub(f"```mermaid\n{diagram()}\n```", text)
        PAGE.write_text(text, encoding="utf-8")
    found = DRAWN.search(text)
    assert found is not None
    assert found[1] == diagram()
