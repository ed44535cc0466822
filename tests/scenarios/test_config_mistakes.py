"""An operator edits a workspace with whatever mistakes people make: it is right, or it is told where it is not."""

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from migrator.cli.app import app
from tests.unit.workspace_files import CONFIG, ROWS, SALES, make

FILES = {"migrator.yaml": CONFIG, "mailboxes.csv": ROWS, "waves/sales.yaml": SALES}
SCRAPS = [
    ":", "-", "  ", "\t", "{", "}", "[", "]", ",", '"', "'", "#", "&a ", "*a", "!", "!!python/name:x ", "|", ">", "%",
    "@", "`", "\n", "\r", "\0", "\x1b", "\x85", "\u2028", "\ufeff", "null", "true", "0x1f", "1e9", "-1", "9" * 40,
    "old", "<<: ", "---\n", "...\n", "? ", "日本", "\ud7ff", "😀", "2026-01-01", "a" * 300,
]  # fmt: skip


def spoil(text: str, seed: int) -> str:
    """`text` after one to four edits: cut, doubled, moved or struck by a scrap."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        words = re.split(r"(\s+|[:,{}\[\]])", text)
        at, to = chance.randrange(len(words)), chance.randrange(len(words))
        match chance.randrange(5):
            case 0:
                words[at] = ""
            case 1:
                words[at] = chance.choice(SCRAPS)
            case 2:
                words.insert(at, chance.choice(SCRAPS))
            case 3:
                words[at], words[to] = words[to], words[at]
            case 4:
                words[at:at] = words[min(at, to) : max(at, to)]
        text = "".join(words)
    return text


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("spoilt")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(FILES)), seed=st.integers(0, 2**32))
def test_no_edit_of_a_workspace_makes_the_program_fall_over(place, name, seed):
    make(place)
    (place / name).write_bytes(spoil(FILES[name], seed).encode())
    result = CliRunner().invoke(app, ["-C", str(place), "config", "check"])
    assert result.exit_code in (0, 5)
    assert "Traceback" not in result.output
    if result.exit_code == 5:
        assert result.stderr.startswith("error: ")
        assert re.search(r"(migrator\.yaml|mailboxes\.csv|sales\.yaml)(:\d+)*: ", result.stderr)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.stderr)
