"""What is wrong on this machine: the operator's files, the secrets, the room for the state."""

from collections.abc import Iterable, Iterator

from migrator.waves.doctor.diagnosis import Diagnosis, error
from migrator.waves.gates.servers import disk_has_room
from migrator.waves.operation import Operation
from migrator.workspace import Problem, Workspace
from migrator.workspace.loading import SecretsMissing


def files(problems: Iterable[Problem]) -> Iterator[Diagnosis]:
    """Mistakes in mailboxes.csv and waves/*.yaml, each at its place."""
    for problem in sorted(problems):
        yield error(
            "files",
            _place(problem),
            problem.text,
            f"Correct {problem.file} there; `migrator config check` looks again.",
        )


def secrets(workspace: Workspace) -> Iterator[Diagnosis]:
    """References to secrets that lead nowhere, as far as that is seen without reading them."""
    try:
        workspace.look_for_secrets()
    except SecretsMissing as missing:
        for problem, remedy in missing.each:
            yield error("secrets", _place(problem), problem.text, remedy)


def disk(op: Operation) -> Iterator[Diagnosis]:
    """Room for the state."""
    seen = disk_has_room(op)
    if not seen.open:
        yield error("disk", "state", seen.text, seen.remedy)


def _place(problem: Problem) -> str:
    return ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
