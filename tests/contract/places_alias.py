"""A virtual_alias_maps file: its values are addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing import Reader
from migrator.routing.postfix.virtual_alias import VirtualAlias
from tests.contract.routing_places import A, C, Ground, Place, place
from tests.lab import require

OLD, NEW, STALE = (Nexthop(f"somebody@{side}.company.test") for side in ("old", "new", "stale"))
TEXT = f"""\
# who reads what
{A}\t{OLD}
team@company.test a@company.test, c@company.test
{C} {OLD}
"""


def known(address: Address) -> set[str]:
    """What the workspace could make of an address."""
    return {OLD, NEW}


class AliasPlace(Place):
    """It is a Ground."""

    old, new, stale = OLD, NEW, STALE
    elsewhere = Nexthop("somebody@elsewhere.test")

    def __init__(self, directory: Path, type: str = "hash", text: str = TEXT) -> None:
        super().__init__(directory, type, text)

    def alias(self, reload: str | None = "", queue_list: str | None = None) -> VirtualAlias:
        """The backend on this map; told to reload by a command that this place counts, if no other is given."""
        if reload == "":
            reload = f"sh -c 'echo told >> {self.reloads_log}'"
        return VirtualAlias(Ingress("gateway"), self.text, self.type, reader=Reader(reload, queue_list), known=known)

    def backend(self) -> VirtualAlias:
        return self.alias()


@contextmanager
def alias_place() -> Iterator[AliasPlace]:
    """A place of its own; skips the test without Postfix."""
    require("postfix")
    with place("hash", TEXT, AliasPlace) as made:
        assert isinstance(made, AliasPlace)
        yield made


def virtual_alias() -> Iterator[Ground]:
    with alias_place() as made:
        yield made
