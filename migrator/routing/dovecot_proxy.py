"""Routes in the passwd-file of a Dovecot that is a proxy, or that hands on the sessions of those who have moved."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePath

from migrator.model.names import Address, Ingress
from migrator.routing import command
from migrator.routing.client_proxy import ClientProxy, Notice
from migrator.routing.contract import Finding, Severity
from migrator.routing.passwd_file import PasswdFile


class DovecotProxy(ClientProxy):
    """`fields`: the extra fields that are the route; the others, and the password, stay as they are.

    `reload`: empties Dovecot's cache of answers; None where there is none. Dovecot itself sees a change by the time of
    the file, in whole seconds, and looks once a second (db-passwd-file.c): so each change gets another time, and none
    is told, and nobody sent to log in again, before the next second.
    """

    def __init__(
        self, name: Ingress, file: Path, fields: Collection[str], *, user: Callable[[Address], str],
        reload: str | None, kick: str | None,
    ) -> None:  # fmt: skip
        super().__init__(
            name, file, PasswdFile(fields), user=user, notice=Notice(reload, by_the_second=True), kick=kick,
            peculiar=lambda: _remembered(kick, reload),
        )  # fmt: skip


def _remembered(kick: str | None, reload: str | None) -> Iterator[Finding]:
    """Whether the Dovecot that `kick` speaks to answers out of a cache that nobody empties."""
    instance = _instance_words(kick)
    if reload is not None or instance is None or not command.found("doveconf"):
        return
    size = command.run(["doveconf", *instance, "-h", "auth_cache_size"]).stdout.strip()
    if size not in ("0", ""):
        yield Finding(
            Severity.WARNING,
            f"this Dovecot remembers for a while where users are (auth_cache_size is {size}), whatever the file says",
            "Have it forget at each change: `reload: doveadm auth cache flush`.",
        )


def _instance_words(kick: str | None) -> list[str] | None:
    """`-c FILE` when `kick` is "doveadm -c FILE proxy kick", for doveconf to ask the same Dovecot; None: not known."""
    words = command.words(kick) if kick else []
    if not words or PurePath(words[0]).name != "doveadm":
        return None
    return words[1:3] if words[1:2] == ["-c"] else []
