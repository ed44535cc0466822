"""Evidence of what IMAP clients sent: reads Dovecot's rawlog files and names the commands that write.

A rawlog `*.in` file holds everything a client sent after its login, each line behind a time stamp. Literals are
skipped by their announced length, so that message text is never taken for a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

STAMP = re.compile(rb"^\d{9,}\.\d+ ", re.MULTILINE)
LITERAL = re.compile(rb"\{(\d+)\+?\}\r?\n$")
WRITING_VERBS = frozenset({
    "APPEND", "STORE", "EXPUNGE", "COPY", "MOVE", "REPLACE", "SELECT", "CLOSE",
    "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE",
    "SETACL", "DELETEACL", "SETQUOTA", "SETMETADATA", "SETANNOTATION",
})  # fmt: skip
PEEKLESS = re.compile(r"\b(BODY\[|BINARY\[|RFC822(\.TEXT)?(?![.\w]))", re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """One command as a client sent it; `text` is without tag, its literals shown as `{size}`."""

    user: str
    text: str

    @property
    def verb(self) -> str:
        words = self.text.upper().split()
        return words[1] if words[:1] == ["UID"] and len(words) > 1 else (words[0] if words else "")

    @property
    def writes(self) -> bool:
        """True for what may change a mailbox: SELECT (it takes \\Recent) and FETCH without PEEK included."""
        if self.verb == "FETCH":
            return bool(PEEKLESS.search(self.text.replace("RFC822.SIZE", "").replace("RFC822.HEADER", "")))
        return self.verb in WRITING_VERBS


def read_commands(user: str, files: Iterable[Path]) -> list[Command]:
    """All commands in the rawlog files of one user, in order of the files' names."""
    return [command for path in sorted(files) for command in parse(user, path.read_bytes())]


def parse(user: str, logged: bytes) -> list[Command]:
    """The commands in one rawlog file."""
    sent, position, commands = STAMP.sub(b"", logged), 0, []
    while position < len(sent):
        text, position = _command(sent, position)
        words = text.decode("utf-8", "replace").split(None, 1)
        if len(words) == 2:
            commands.append(Command(user, words[1].strip()))
    return commands


def _command(sent: bytes, position: int) -> tuple[bytes, int]:
    text = b""
    while True:
        end = sent.find(b"\n", position) + 1 or len(sent)
        line = sent[position:end]
        position = end
        literal = LITERAL.search(line)
        if not literal:
            return text + line, position
        text += line[: literal.start()] + b"{%s}" % literal[1]
        position += int(literal[1])
