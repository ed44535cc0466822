"""Routes in the passwd-file of a Dovecot that is a proxy, or that hands on the sessions of those who have moved."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePath

from migrator.model.names import Address, Ingress
from migrator.routing import command
from migrator.routing.clients.passwd_file import PasswdFile
from migrator.routing.clients.proxy import ClientProxy, Notice
from migrator.routing.contract import Finding
from migrator.routing.findings import error, warning


class DovecotProxy(ClientProxy):
    """`fields`: the extra fields that are the route; the others, and the password, stay as they are.

    Dovecot sees a change by the time of the file, in whole seconds, and looks once a second (db-passwd-file.c): so each
    change gets another time, and nobody is sent to log in again before the next second. It caches no passwd-file.
    """

    def __init__(
        self, name: Ingress, file: Path, fields: Collection[str], *, user: Callable[[Address], str], kick: str | None
    ) -> None:
        super().__init__(
            name, file, PasswdFile(fields), user=user, notice=Notice(by_the_second=True), kick=kick,
            peculiar=lambda: _unread(file, kick),
        )  # fmt: skip


def _unread(file: Path, kick: str | None) -> Iterator[Finding]:
    """Whether the Dovecot that `kick` speaks to names the file; it may do so with a variable in the name."""
    instance = _instance_words(kick)
    if instance is None or not command.found("doveconf"):
        return
    if str(file) not in command.run(["doveconf", *instance, "passdb"]).stdout:
        yield warning(
            f"no passdb of this Dovecot names {file}",
            "Write the passdb of docs/routing-client-proxies.md, or name the file that is used in migrator.yaml.",
        )


def cached(kick: str | None) -> Iterator[Finding]:
    """Whether the Dovecot that `kick` speaks to goes on answering what a database said before (it does no file)."""
    instance = _instance_words(kick)
    if instance is None or not command.found("doveconf"):
        return
    size = command.run(["doveconf", *instance, "-h", "auth_cache_size"]).stdout.strip()
    if size != "0":
        yield error(
            f"this Dovecot keeps answers of its databases (auth_cache_size is {size}): for up to auth_cache_ttl after "
            f"a flip, logins are led to the server of before",
            "Set auth_cache_size = 0, or let `kick` name a script that runs `doveadm auth cache flush` with the users, "
            "then `doveadm proxy kick`.",
        )


def _instance_words(kick: str | None) -> list[str] | None:
    """`-c FILE` when `kick` is "doveadm -c FILE proxy kick", for doveconf to ask the same Dovecot; None: not known."""
    words = command.words(kick) if kick else []
    if not words or PurePath(words[0]).name != "doveadm":
        return None
    return words[1:3] if words[1:2] == ["-c"] else []
