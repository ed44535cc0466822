"""What the watcher sees besides the program's own output."""

import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 78


@dataclass(frozen=True)
class Claim:
    """One line of the proof: what is claimed, in numbers, and whether it holds."""

    what: str
    numbers: str
    holds: bool


def heading(text: str) -> None:
    """Begin a scene."""
    print(_styled("1", f"\n── {text} " + "─" * max(0, WIDTH - len(text) - 4)), flush=True)


def say(text: str) -> None:
    """A paragraph for the watcher."""
    print("\n" + textwrap.fill(text, WIDTH), flush=True)


def command(line: str) -> None:
    """A command, before it is run."""
    print(_styled("1;36", f"\n$ {line}"), flush=True)


def faults(texts: Sequence[str], most: int = 20) -> None:
    """What is wrong, if anything."""
    for text in texts[:most]:
        print(_styled("31", f"  {text}"))
    if len(texts) > most:
        print(f"  ... and {len(texts) - most} more")


def proof(claims: Sequence[Claim]) -> None:
    """The table of proof; nothing is printed after it."""
    print()
    wide = max(len(claim.what) for claim in claims)
    for claim in claims:
        mark = _styled("32", "✓") if claim.holds else _styled("1;31", "✗")
        print(f"  {mark} {claim.what.ljust(wide)}  {claim.numbers}")
    sys.stdout.flush()


def _styled(code: str, text: str) -> str:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"
