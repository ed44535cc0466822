"""What a place on another host is asked, and what it answers, as JSON values: the same code on both sides."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from migrator.model import errors as graded
from migrator.model.errors import MigratorError, Refused
from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flip, Flips, Queue
from migrator.routing import contract
from migrator.routing import errors as own
from migrator.routing.contract import Conflict, Finding, RouteConflict, Severity
from migrator.routing.reader import Reader

Form = Any  # what json gives and takes


def flips_form(flips: Flips) -> Form:
    return [[flip.address, flip.expected, flip.wanted] for flip in flips.changes]


def flips_of(form: Form) -> Flips:
    return Flips(tuple(Flip(*each) for each in form))


def routes_of(form: Form) -> dict[Address, Nexthop | None]:
    return {Address(address): value for address, value in form.items()}


def applied_form(applied: Applied) -> Form:
    return asdict(applied)


def applied_of(form: Form) -> Applied:
    return Applied(tuple(form["changed"]), tuple(form["already"]))


def queue_form(queue: Queue | None) -> Form:
    return None if queue is None else asdict(queue)


def queue_of(form: Form) -> Queue | None:
    return None if form is None else Queue(form["active"], form["deferred"], tuple(form["queue_ids"]))


def findings_form(findings: list[Finding]) -> Form:
    return [asdict(finding) for finding in findings]


def findings_of(form: Form) -> list[Finding]:
    return [Finding(Severity(each["severity"]), each["text"], each["remedy"]) for each in form]


def place_form(
    name: Ingress, file: str, type: str, reader: Reader, freeze: Nexthop | None, recipients: tuple[str, str] | None
) -> Form:
    """A Postfix map; `recipients`: file and type of its list of recipients, if it has one."""
    form = {"name": name, "file": file, "type": type, "reader": asdict(reader), "freeze": freeze}
    return {**form, "recipients": recipients}


def error_form(error: MigratorError) -> Form:
    form = {"kind": type(error).__name__, "text": str(error), "remedy": error.remedy, "conflicts": [], "so_far": ""}
    if isinstance(error, RouteConflict):
        return {**form, "conflicts": [asdict(each) for each in error.conflicts], "so_far": error.so_far}
    return form


def error_of(form: Form, name: Ingress, host: str) -> MigratorError:
    """The error as it was raised there; one that is not known here is a plain refusal."""
    if form["conflicts"]:
        return RouteConflict(f"{name} ({host})", tuple(Conflict(**each) for each in form["conflicts"]), form["so_far"])
    kind = _KINDS.get(form["kind"], Refused)
    return kind(f"{name} ({host}): {form['text']}", remedy=form["remedy"])


def _kinds() -> Mapping[str, type[MigratorError]]:
    known = (value for module in (graded, own, contract) for value in vars(module).values() if isinstance(value, type))
    return {each.__name__: each for each in known if issubclass(each, MigratorError) and each is not RouteConflict}


_KINDS = _kinds()
