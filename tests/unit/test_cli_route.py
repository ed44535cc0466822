"""`migrator route` where people work a console: in this process, without servers."""

import getpass
import json
from pathlib import Path

import pytest

from migrator import workspace
from migrator.model.names import Address, Ingress, ServerName
from migrator.routing.operator import change_sets
from migrator.waves import places
from tests.unit.test_cli_commands import run
from tests.unit.workspace_files import CONFIG, make

A = Address("a@example.co.jp")
HEAD, _, _ = CONFIG.partition("routing:")
MANUAL = f"""\
{HEAD}routing:
  - name: exchange
    kind: manual
    instructions: Exchange admin center, Mail flow.
    nexthop: {{old: null, new: "group {{local}}"}}
  - name: broken
    kind: command
    command: "false"
    nexthop: {{old: x, new: y}}
cutover: {{freeze_deadline: 1s}}
"""


@pytest.fixture
def ws(tmp_path):
    return make(tmp_path, MANUAL)


def ask(ws):
    """A change set that waits, and its token."""
    place = places.places(workspace.load(ws))[0]
    return change_sets.ChangeSets(ws / "state" / "manual", Ingress("exchange")).ask(
        place.routing.plan({A: place.nexthop(A, ServerName("new"))})
    )


def only_manual(ws):
    text = (ws / "migrator.yaml").read_text()
    head, _, rest = text.partition("  - name: broken")
    (ws / "migrator.yaml").write_text(head + "cutover:" + rest.partition("cutover:")[2])


def test_a_confirmation_is_shown_with_who_gave_it_and_when(ws):
    only_manual(ws)
    change = ask(ws)
    said = json.loads(run("-C", ws, "route", "confirm", change.token.lower(), "-o", "json").stdout)
    assert said == {"ingress": "exchange", "token": change.token, "entries": 1, "said": "confirmed"}
    first, second, _ = json.loads(run("-C", ws, "route", "show", "-o", "json").stdout)
    assert (first["entry"], first["server"]) == ('"group a"', "new")
    assert first["known"].startswith(f"confirmed by {getpass.getuser()} at ")
    assert (second["entry"], second["server"], second["known"]) == ("(no entry)", "old", "assumed, never confirmed")


def test_a_token_that_is_none_is_refused_and_those_that_wait_are_named(ws):
    change = ask(ws)
    refused = run("-C", ws, "route", "confirm", "AAAA-AAAA", code=2)
    assert f"these wait: {change.token} of exchange" in refused.output


def test_what_was_found_instead_is_kept_and_nothing_of_the_change_set(ws):
    only_manual(ws)
    change = ask(ws)
    run("-C", ws, "route", "confirm", change.token, "--found", f"{A}=group other")
    shown = json.loads(run("-C", ws, "route", "show", A, "-o", "json").stdout)
    assert [(row["entry"], row["server"]) for row in shown] == [('"group other"', "?")]


@pytest.mark.parametrize("text", ["a@example.co.jp", "nobody=x"])
def test_what_was_found_is_an_address_and_a_value(ws, text):
    assert "--found" in run("-C", ws, "route", "confirm", ask(ws).token, "--found", text, code=2).output


def test_every_place_is_copied_that_can_be_and_what_cannot_is_named(ws):
    done = run("-C", ws, "route", "backup", "-o", "json", code=1)
    first, second = json.loads(done.stdout)
    kept = json.loads(Path(first["copy"]).read_text())
    assert kept == {"version": 1, "place": "exchange", "routes": dict.fromkeys(sorted(kept["routes"]))}
    assert A in kept["routes"]
    assert (second["ingress"], second["copy"], "status 1" in second["note"]) == ("broken", "", True)


def test_an_entry_of_each_kind_becomes_its_backend(ws):
    here = "kind: postfix-map, file: /etc/transport, type: hash, nexthop: {old: a, new: b}}\n"
    more = f"  - {{name: here, {here}  - {{name: gw, via: ssh gw, {here}"
    (ws / "migrator.yaml").write_text(MANUAL.replace("cutover:", f"{more}cutover:"))
    loaded = workspace.load(ws)
    kinds = [type(place.routing).__name__ for place in places.places(loaded)]
    assert kinds == ["Manual", "ProgramPlace", "PostfixMap", "RemotePostfixMap"]


def test_commands_that_only_look_do_not_wait_for_anybody():
    unattended = places.Unattended()
    assert unattended.now() and unattended.draining()


def test_a_place_that_cannot_be_read_has_a_row_and_keeps_no_other_from_being_shown(ws):
    shown = run("-C", ws, "route", "show", A, "-o", "json", code=1)
    rows = json.loads(shown.stdout)
    assert [(row["ingress"], row["server"]) for row in rows] == [("broken", "?"), ("exchange", "old")]
    assert "asked to read" in rows[0]["known"]
