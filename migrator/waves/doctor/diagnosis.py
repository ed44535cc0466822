"""One thing that is wrong, or will surprise."""

from dataclasses import dataclass

from migrator.model.errors import MigratorError
from migrator.routing import Severity


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`check`: what was tried ("login"); `subject`: of whom or what (an address, a server, a place, file:line:column).

    `error`: the wave would stop, or lose time or mail; `warning`: it would go, with a surprise.
    """

    check: str
    subject: str
    severity: Severity
    text: str
    remedy: str


def error(check: str, subject: str, text: str, remedy: str) -> Diagnosis:
    return Diagnosis(check, subject, Severity.ERROR, text, remedy)


def warning(check: str, subject: str, text: str, remedy: str) -> Diagnosis:
    return Diagnosis(check, subject, Severity.WARNING, text, remedy)


def met(check: str, subject: str, met: MigratorError) -> Diagnosis:
    """An error that was met on the way."""
    return error(check, subject, str(met), met.remedy)
