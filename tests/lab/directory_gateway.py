"""A gateway whose routes are in a directory: an attribute of each person's entry, which Postfix looks up by itself."""

from __future__ import annotations

from collections.abc import Mapping

import ldap3

from tests.lab.postfix import Postfix
from tests.lab.slapd import PEOPLE, Slapd

ATTRIBUTE = "mailTransport"
MAP = """\
server_host = {url}
version = 3
bind = no
search_base = {base}
query_filter = (mail=%s)
result_attribute = {attribute}
timeout = 5
"""


class DirectoryGateway(Postfix):
    """A Postfix on `slapd`, which must run before mail comes in; `map_path` is the file that says how to ask it."""

    def __init__(self, name: str, slapd: Slapd, *, domain: str) -> None:
        super().__init__(name, domain=domain, map_type="ldap")
        self.slapd = slapd
        self.map_path.write_text(MAP.format(url=slapd.url, base=PEOPLE, attribute=ATTRIBUTE))
        self._backdate(self.map_path)

    def write_map(self, routes: Mapping[str, str]) -> None:
        """Change the entries that differ; an address that is left out has no route any more."""
        for address, value in self.read_map().items():
            if routes.get(address) != value:
                self.slapd.set(address, ATTRIBUTE, [routes[address]] if address in routes else [])

    def read_map(self) -> dict[str, str]:
        """What the directory holds for each person, an empty text where that is nothing."""
        with self.slapd.admin() as connection:
            connection.search(PEOPLE, "(mail=*)", ldap3.LEVEL, attributes=["mail", ATTRIBUTE])
            entries = [each["raw_attributes"] for each in connection.response or []]
        return {each["mail"][0].decode(): b"; ".join(each.get(ATTRIBUTE, [])).decode() for each in entries}
