"""From migrator.yaml to flips: look-up tables, an alias map, and a gateway with a list of recipients."""

from __future__ import annotations

import subprocess
from pathlib import Path

from migrator import workspace
from migrator.model.names import Address
from migrator.waves.places import places
from tests.contract.places_alias import alias_place
from tests.contract.places_sql import KINDS, sql_place
from tests.contract.routing_places import place
from tests.lab import require
from tests.lab.requirements import find_program

ONE = Address("a@company.test")
CONFIG = """\
domain: company.test
servers:
  old: {{imap: {{host: old.company.test}}, auth: {{kind: password, secret: "env:OLD"}}}}
  new: {{imap: {{host: new.company.test}}, auth: {{kind: password, secret: "env:NEW"}}}}
mailboxes: mailboxes.csv
routing:
  - {{name: gateway, queue: null, reload: null, {entry}}}
"""
NEXTHOP = 'nexthop: {old: "smtp:[old.test]:25", new: "smtp:[new.test]"}'
MAILBOX = "address,department,source,target\na@company.test,sales,old,new\n"


def flip(directory: Path, entry: str) -> None:
    """Flip the one mailbox to its target, at the place of `entry`."""
    directory.mkdir()
    (directory / "migrator.yaml").write_text(CONFIG.format(entry=entry))
    (directory / "mailboxes.csv").write_text(MAILBOX)
    loaded = workspace.load(directory)
    (only,) = places(loaded)
    wanted = only.nexthops({mailbox: mailbox.target for mailbox in loaded.mailboxes.values()})
    only.routing.apply(only.routing.plan(wanted))


def test_a_table_is_flipped_and_copies_are_kept_in_the_workspace(monkeypatch):
    monkeypatch.setenv("ROUTES", "unused")
    for kind in KINDS:
        with sql_place(kind) as here:
            url = here.url or "sqlite:///../tables/routes.db"
            more = ', secret: "env:ROUTES"' if here.url else ""
            work = here.directory / "work"
            flip(work, f'kind: postfix-sql, database: "{url}", table: transport, map: "{here.map}", {NEXTHOP}{more}')
            assert here.answer(ONE) == "smtp:[new.test]"
            assert [kept.name.split(".")[0] for kept in (work / "state/routing/gateway").iterdir()] == ["gateway"]


def test_an_alias_is_made_of_the_address():
    with alias_place() as here:
        nexthop = 'nexthop: {old: "somebody@old.company.test", new: "{local}@new.company.test"}'
        flip(here.directory / "work", f"kind: virtual-alias, file: {here.text}, type: hash, {nexthop}")
        assert here.answer(ONE) == "a@new.company.test"


def test_a_list_of_recipients_gets_the_address_first():
    require("postfix")
    with place("hash") as here:
        known = here.directory / "recipients"
        known.write_text("")
        subprocess.run([find_program("postmap") or "postmap", f"hash:{known}"], check=True)
        recipients = f"relay_recipients: {{file: {known}, type: hash}}"
        flip(here.directory / "work", f"kind: postfix-map, file: {here.text}, type: hash, {recipients}, {NEXTHOP}")
        assert here.answer(ONE) == "smtp:[new.test]"
        assert known.read_text() == f"{ONE}\tOK\n"
