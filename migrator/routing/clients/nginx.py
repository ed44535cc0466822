"""Routes in a map by which nginx answers its own mail proxy (auth_http) where a user's session goes."""

from collections.abc import Callable, Iterator
from pathlib import Path

from migrator.model.names import Address, Ingress
from migrator.routing import command
from migrator.routing.clients.nginx_map import NginxMap
from migrator.routing.clients.proxy import ClientProxy, Notice
from migrator.routing.contract import Finding
from migrator.routing.findings import error

IN_FORCE = 1.0  # seconds: a large map is built first, and old workers answer beside new ones for a tenth


class NginxAuth(ClientProxy):
    """`test` is run with each change before nginx is told, and the change taken back where it fails."""

    def __init__(
        self, name: Ingress, file: Path, *, user: Callable[[Address], str], reload: str | None, test: str | None
    ) -> None:
        after = IN_FORCE if reload else 0.0
        super().__init__(
            name, file, NginxMap(), user=user, notice=Notice(reload, test, after=after), kick=None,
            peculiar=lambda: _included(file, test),
        )  # fmt: skip


def _included(file: Path, test: str | None) -> Iterator[Finding]:
    """Whether the nginx that `test` asks reads the file at all; `nginx -T` prints the name of each that it reads."""
    words = command.words(test) if test else []
    if "-t" not in words:
        return
    dump = command.run(["-T" if word == "-t" else word for word in words]).stdout
    if f"# configuration file {file}:" not in dump:
        yield error(
            f"this nginx does not read {file}",
            f"Write `include {file};` into `map $http_auth_user ...`, or name the file that is there in migrator.yaml.",
        )
