"""The servers of a wave before anybody logs in: names, greeting, certificates; then their clocks."""

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from migrator.delivery.callout import greeting
from migrator.imap import reach
from migrator.model.errors import CertificateRefused, MigratorError
from migrator.model.mailbox import Endpoint
from migrator.model.names import ServerName
from migrator.waves.doctor.diagnosis import Diagnosis, error, warning
from migrator.waves.operation import Operation

SOON = timedelta(days=30)  # in which a certificate that runs out is told
TOLERATED = timedelta(seconds=30)  # by which a clock may be off
NEEDED = {  # capabilities of a target, and what becomes of a wave without them
    "UIDPLUS": "what was appended is found again by its content, which is slow, and late mail cannot be staged",
    "MOVE": "after the cutover late mail is copied directly, and after a crash may be there twice for some minutes",
}


def unreachable(op: Operation, names: Collection[ServerName]) -> tuple[dict[ServerName, Diagnosis], list[Diagnosis]]:
    """The servers that nobody can log in to, each with why; and certificates that run out soon."""
    broken: dict[ServerName, Diagnosis] = {}
    ending: list[Diagnosis] = []
    with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="reach") as threads:
        for name, found in zip(names, threads.map(lambda name: _reach(op, name), names), strict=True):
            if isinstance(found, Diagnosis):
                broken[name] = found
            elif found is not None:
                ending += _runs_out(op, f"server {name}", found)
    return broken, ending


def ingresses(op: Operation) -> Iterator[Diagnosis]:
    """Ways in by which no mail, and no canary, can be handed in."""
    helo = socket.getfqdn()
    known = op.workspace.ingresses
    with ThreadPoolExecutor(max(1, len(known)), thread_name_prefix="greeting") as threads:
        found = list(threads.map(lambda smtp: greeting(smtp, helo), known.values()))
    for (name, smtp), (why, ends) in zip(known.items(), found, strict=True):
        if why and (unknown := _unresolved(smtp)):
            yield _no_name(f"ingress {name}", smtp, unknown)
        elif why:
            remedy = "Mend `smtp:` of it in migrator.yaml, its certificate, or the way there: canaries enter by it."
            yield error("smtp", f"ingress {name}", why, remedy)
        elif ends is not None:
            yield from _runs_out(op, f"ingress {name}", ends)


def lacking(name: ServerName, capabilities: frozenset[str]) -> Iterator[Diagnosis]:
    """What a target cannot do, and what that means for a wave."""
    for capability, what in NEEDED.items():
        if capability not in capabilities:
            yield warning(
                "capabilities", f"server {name}", f"it lacks {capability}: {what}",
                "Nothing need be done; a newer server, or another setting of it, may offer it.",
            )  # fmt: skip


def clocks(offsets: Mapping[ServerName, timedelta]) -> Iterator[Diagnosis]:
    """Clocks that are off; when all are by the same, it is ours."""
    off = {name: offset for name, offset in offsets.items() if abs(offset) > TOLERATED}
    spread = max(offsets.values(), default=timedelta()) - min(offsets.values(), default=timedelta())
    remedy = "Let it follow a time server (chrony, ntpd): logs, deadlines and OAuth tokens go by the clock."
    if len(off) == len(offsets) > 1 and spread <= TOLERATED:
        text = f"the clock of this machine is {_words(-next(iter(off.values())))} the servers'"
        yield warning("clock", "this machine", text, remedy)
        return
    for name, offset in off.items():
        yield warning("clock", f"server {name}", f"its clock is {_words(offset)} that of this machine", remedy)


def _reach(op: Operation, name: ServerName) -> Diagnosis | datetime | None:
    server = op.workspace.server(name)
    try:
        return reach(server.endpoint)
    except CertificateRefused as refused:
        return error("tls", f"server {name}", str(refused), refused.remedy)
    except MigratorError as lost:
        if unknown := _unresolved(server.endpoint):
            return _no_name(f"server {name}", server.endpoint, unknown)
        return error("imap", f"server {name}", str(lost), lost.remedy)


def _unresolved(endpoint: Endpoint) -> str:
    """Why the host's name leads nowhere; "" when it does."""
    try:
        socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as failed:
        return failed.strerror or str(failed)
    return ""


def _no_name(subject: str, endpoint: Endpoint, why: str) -> Diagnosis:
    text = f"the name {endpoint.host} cannot be resolved from here: {why}"
    return error("dns", subject, text, "Correct `host:` in migrator.yaml, or the name service of this machine.")


def _runs_out(op: Operation, subject: str, ends: datetime) -> Iterable[Diagnosis]:
    left = ends - datetime.now(UTC)
    if left > SOON:
        return
    window = op.wave.window
    text = f"its certificate runs out on {ends:%Y-%m-%d %H:%M} UTC, in {max(0, left.days)} days"
    too_soon = window is not None and ends <= window.end
    made = error if too_soon else warning
    yield made("tls", subject, text + ", before the wave's window ends" * too_soon, "Renew it before the wave.")


def _words(offset: timedelta) -> str:
    """ "3 min 2 s ahead of"."""
    minutes, seconds = divmod(round(abs(offset).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if number]
    return f"{' '.join(parts)} {'ahead of' if offset > timedelta() else 'behind'}"


def untold(offsets: Mapping[ServerName, timedelta], names: Collection[ServerName]) -> str:
    """Whose clock could not be told, in words for the operator."""
    silent = [name for name in names if name not in offsets]
    return f"the clocks of {', '.join(silent)} could not be told: no mail there, or no WITHIN" if silent else ""
