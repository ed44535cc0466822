"""What is wrong in the files that the operator wrote: each problem with its place, all of a file in one error."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from migrator.model.errors import ConfigInvalid
from migrator.model.names import neutral

SHOWN = 100  # problems that the text names; a column that is wrong in 50,000 rows says little more

# Words people use where this program has another one; too unlike for difflib.
_MEANT = {
    "password": "secret",
    "passwd": "secret",
    "pass": "secret",
    "username": "user",
    "ssl": "tls",
    "email": "address",
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to correct. `line` and `column` count from 1; 0 stands for the file as a whole."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        numbers = [str(number) for number in (self.line, self.column) if number]
        return ":".join([neutral(self.file), *numbers]) + ": " + neutral(self.text)


class WorkspaceInvalid(ConfigInvalid):
    """The workspace cannot be used; `problems` lists everything that was found, in the order of the files."""

    runbook = "config-invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        told = [str(problem) for problem in self.problems[:SHOWN]]
        told += [f"and {len(self.problems) - SHOWN:,} more"] if len(self.problems) > SHOWN else []
        super().__init__(
            "\n".join(told),
            remedy="Correct the places named above; `migrator config check` tells when all is well.",
        )


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raise WorkspaceInvalid with all `problems`, if there is one."""
    if problems:
        raise WorkspaceInvalid(problems)


def guess(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` for a `word` that is none of `known`; all of them when nothing is near and they are few."""
    names = sorted(known)
    near = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if not near and _MEANT.get(word.lower()) in names:
        near = [_MEANT[word.lower()]]
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; known here: {', '.join(names)}" if 0 < len(names) <= 20 else ""
