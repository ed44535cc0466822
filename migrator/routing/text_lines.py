"""Texts that route, as lines: taken apart without losing a byte, put together again, and what changed, for people."""

import re
from collections.abc import Callable, Sequence


def decode(data: bytes) -> str:
    """A text's bytes as str; bytes that are not UTF-8 survive a round trip."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The inverse of `decode`."""
    return text.encode("utf-8", "surrogateescape")


def split(text: str) -> tuple[str, ...]:
    """The lines with their endings; only LF ends a line."""
    return tuple(re.findall(r"[^\n]*\n|[^\n]+\Z", text))


def join(kept: Sequence[str], added: Sequence[str]) -> str:
    """The lines as one text, those `added` (with their endings) behind a last line that is ended if it was not."""
    whole = "".join(kept)
    return whole + ("\n" if added and whole and not whole.endswith("\n") else "") + "".join(added)


def diff(
    lines: Sequence[str], kept: Sequence[str], added: Sequence[str], file: str,
    shown: Callable[[str], str] = lambda line: line,
) -> str:  # fmt: skip
    """A unified diff without context from `lines` to `kept` (as many; empty: removed) and `added`; "" when the same.

    `shown` is what of a line people may see ("": nothing, as if it were not there). Not difflib: it takes minutes for
    thousands of changes in a large text, and the changed lines are known.
    """
    hunks, shift = "", 0
    for index, (old, new) in enumerate(zip(lines, kept, strict=True)):
        if old != new:
            sides = [[shown(line)] if line and shown(line) else [] for line in (old, new)]
            hunks += _hunk(index + 1, sides[0], index + 1 + shift, sides[1])
            shift -= not new
    if added:
        hunks += _hunk(len(kept) + 1, [], len(kept) + 1 + shift, [shown(line) for line in added])
    return f"--- {file}\n+++ {file} (planned)\n{hunks}" if hunks else ""


def _hunk(old_line: int, old: list[str], new_line: int, new: list[str]) -> str:
    """A hunk; a side without lines is counted from the line before (as diff(1) has it)."""
    head = f"@@ -{old_line if old else old_line - 1},{len(old)} +{new_line if new else new_line - 1},{len(new)} @@\n"
    body = [*(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    return head + "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in body)
