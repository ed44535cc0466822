"""Where canaries enter: places of `routing:`, and servers themselves, wherever `smtp:` says that mail is taken."""

from collections.abc import Iterator, Mapping

from migrator.model.mailbox import Endpoint
from migrator.model.names import Ingress
from migrator.workspace.marks import Document
from migrator.workspace.problems import Problem, guess
from migrator.workspace.schema import Config


def ingresses(config: Config) -> Mapping[Ingress, Endpoint]:
    """What `canary.ingresses` names, or all there are; entries of `routing:` first, then servers, in their order.

    Unless it is named, a server that listens where an entry does is left out: it would be proven twice.
    """
    found: dict[Ingress, Endpoint] = {}
    for name, place in _meant(config):
        found.setdefault(name, place)
    return found


def canary_problems(document: Document, config: Config) -> Iterator[Problem]:
    """Names in `canary.ingresses` that are not there, and an entry and a server that share a name and nothing else."""
    known = {name for name, _ in (*_entries(config), *_servers(config))}
    for position, name in enumerate(config.canary.ingresses):
        if name not in known:
            text = f"`{name}` is no entry of `routing:` and no server with `smtp:`" + guess(name, known)
            yield document.problem(("canary", "ingresses", position), text)
    for name, place in _meant(config):
        if _listens(place) != _listens(ingresses(config)[name]):
            position = [entry.name for entry in config.routing].index(name)
            text = f"`{name}` is also a server with an `smtp:` of its own: canaries cannot tell the two apart"
            yield document.problem(("routing", position, "name"), text)


def _meant(config: Config) -> list[tuple[Ingress, Endpoint]]:
    entries, servers, chosen = _entries(config), _servers(config), config.canary.ingresses
    if chosen:
        return [(name, place) for name, place in (*entries, *servers) if name in chosen]
    meant, taken = list(entries), {_listens(place) for _, place in entries}
    for name, place in servers:
        if _listens(place) not in taken:
            meant.append((name, place))
            taken.add(_listens(place))
    return meant


def _entries(config: Config) -> list[tuple[Ingress, Endpoint]]:
    return [(entry.name, entry.smtp.endpoint) for entry in config.routing if entry.smtp]


def _servers(config: Config) -> list[tuple[Ingress, Endpoint]]:
    return [(Ingress(name), server.smtp.endpoint) for name, server in config.servers.items() if server.smtp]


def _listens(place: Endpoint) -> tuple[str, int]:
    return place.host.lower(), place.port
