"""What is wrong between the sections of migrator.yaml, each of which is right by itself."""

from collections.abc import Iterator

from migrator.model.names import Ingress
from migrator.workspace.ingresses import canary_problems
from migrator.workspace.marks import Document
from migrator.workspace.policies import policy_problems
from migrator.workspace.problems import Problem, guess
from migrator.workspace.schema import Config


def cross_problems(document: Document, config: Config) -> list[Problem]:
    """All of it, each with its place."""
    return [
        *_routing_problems(document, config),
        *_folder_problems(document, config),
        *policy_problems(document, config.policies, config.servers),
        *_planner_problems(document, config),
    ]


def _routing_problems(document: Document, config: Config) -> Iterator[Problem]:
    """Entries that share a name or a file, or that name servers that are not there."""
    seen: dict[object, Ingress] = {}
    for position, entry in enumerate(config.routing):
        for key, value in (("name", entry.name), entry.where):
            if value in seen:
                text = f"`{key}` is that of the entry `{seen[value]}` already"
                yield document.problem(("routing", position, key), text)
            seen[value] = entry.name
        if entry.at is not None and entry.at not in config.servers:
            text = f"unknown server `{entry.at}`" + guess(entry.at, config.servers)
            yield document.problem(("routing", position, "at"), text)
        for name in entry.nexthop:
            if name not in config.servers:
                text = f"unknown server `{name}`" + guess(name, config.servers)
                yield document.problem(("routing", position, "nexthop", name), text, at_key=True)
        for name in config.servers:
            if name not in entry.nexthop:
                text = f"server `{name}` is missing: write its nexthop, or null for no entry"
                yield document.problem(("routing", position, "nexthop"), text)
    yield from canary_problems(document, config)


def _folder_problems(document: Document, config: Config) -> Iterator[Problem]:
    """Two source folders that would become one, without `merge` saying that this is meant."""
    merged = {_folded(name) for name in config.folders.merge}
    seen: dict[str, str] = {}
    for source, target in config.folders.map.items():
        if (first := seen.get(_folded(target))) is not None and _folded(target) not in merged:
            text = f"`{source}` and `{first}` would both become `{target}`; put it under `merge:` if that is meant"
            yield document.problem(("folders", "map", source), text)
        seen.setdefault(_folded(target), source)


def _planner_problems(document: Document, config: Config) -> Iterator[Problem]:
    for name in config.planner.throughput:
        if name not in config.servers:
            text = f"unknown server `{name}`" + guess(name, config.servers)
            yield document.problem(("planner", "throughput", name), text, at_key=True)


def _folded(folder: str) -> str:
    """INBOX is the same in any case (RFC 9051, 5.1); other names are as they are written."""
    return "INBOX" if folder.upper() == "INBOX" else folder
