"""What a table of users refuses, keeps and reports, beyond the contract of every backend."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from migrator import workspace
from migrator.model.names import Address, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing import RouteConflict
from migrator.routing.errors import DatabaseRefused, MapInvalid, ValueUnwritable
from migrator.routing.sql.postgres import PostgresTable
from migrator.routing.sql.proxy_table import ProxyTable
from migrator.waves.places import places
from tests.contract.places_proxy_table import COLUMNS, KINDS, PASSWORD, ProxyTablePlace, proxy_table_place
from tests.contract.routing_places import A, B, C, D, ended, in_a_process
from tests.lab import require

OLD, NEW = ProxyTablePlace.old, ProxyTablePlace.new
STRANGER = Address("stranger@company.test")
LOOSE = 'CREATE TABLE users ("user" TEXT, password TEXT, host TEXT)'


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest) -> Iterator[ProxyTablePlace]:
    with proxy_table_place(request.param) as made:
        yield made


@pytest.fixture
def sqlite() -> Iterator[ProxyTablePlace]:
    with proxy_table_place("sqlite") as made:
        yield made


def texts(backend: ProxyTable, severity: str = "") -> str:
    return "\n".join(f"{f.text} > {f.remedy}" for f in backend.check() if f.severity == severity or not severity)


# the row is the account


def test_of_a_row_nothing_but_the_one_column_changes_there_and_back(here: ProxyTablePlace) -> None:
    before = here.rows()
    flips = here.backend().plan({A: NEW, C: None, D: NEW})
    here.backend().apply(flips)
    moved = {A: NEW, C: None, D: NEW}
    assert here.rows() == [(user, password, moved.get(user, host)) for user, password, host in before]
    here.backend().revert(flips)
    assert here.rows() == before


def test_a_user_without_a_row_is_refused_and_none_is_made(here: ProxyTablePlace) -> None:
    before, routing = here.state(), here.backend()
    flip = Flips((Flip(A, OLD, NEW), Flip(STRANGER, None, NEW)))
    attempts = (
        lambda: routing.plan({A: NEW, STRANGER: NEW}),
        lambda: routing.apply(flip),
        lambda: routing.diff(flip),
    )
    for attempt in attempts:
        with pytest.raises(MapInvalid, match=f"1 users have no row in .*\n  {STRANGER}") as refused:
            attempt()
        assert "Add a row" in refused.value.remedy
    assert here.state() == before


def test_a_user_without_a_row_who_shall_have_no_route_is_in_order(here: ProxyTablePlace) -> None:
    before, routing = here.rows(), here.backend()
    assert routing.plan({STRANGER: None}) == Flips()
    assert routing.revert(Flips((Flip(STRANGER, None, NEW),))).already == (STRANGER,)
    assert here.rows() == before


def test_a_row_that_vanished_is_a_conflict(here: ProxyTablePlace) -> None:
    flips = here.backend().plan({A: NEW, C: NEW})
    here.execute('DELETE FROM users WHERE "user" = ?', C)
    with pytest.raises(RouteConflict, match=f"{C}: expected"):
        here.backend().apply(flips)
    assert here.backend().read([A, C]) == {A: OLD, C: None}


def test_the_change_itself_meets_only_what_is_expected(here: ProxyTablePlace) -> None:
    for change in ((A, None, NEW), (D, OLD, NEW), (STRANGER, None, NEW), (A, NEW, None)):
        with pytest.raises(DatabaseRefused, match="all is undone"), here.table().changing() as rows:
            rows.change([change, (C, OLD, NEW)])
    assert here.backend().read([A, C, D]) == {A: OLD, C: OLD, D: None}


def test_no_copy_holds_a_password(here: ProxyTablePlace) -> None:
    routing = here.backend()
    routing.backup()
    flips = routing.plan({A: NEW})
    assert PASSWORD not in routing.diff(flips)
    routing.apply(flips)
    copies = [kept.read_text() for kept in (here.state_of_ours / "routing").iterdir()]
    assert len(copies) == 2
    assert all(f"{A},{OLD}\n" in text for text in copies)
    assert not [path for path in here.state_of_ours.rglob("*") if path.is_file() and PASSWORD in path.read_text()]


@pytest.mark.parametrize("value", ["", "127.0.0.2\n", "a\tb"])
def test_a_value_that_no_row_should_hold_is_refused(here: ProxyTablePlace, value: str) -> None:
    with pytest.raises(ValueUnwritable):
        here.backend().plan({A: Nexthop(value)})


def test_rows_that_can_be_read_in_two_ways_are_refused_and_told() -> None:
    with proxy_table_place("sqlite", made=LOOSE) as here:
        here.execute("INSERT INTO users VALUES (?, 'x', ?)", A, NEW)
        here.execute("UPDATE users SET user = 'C@Company.test' WHERE user = ?", C)
        here.execute("UPDATE users SET host = '' WHERE user = ?", B)
        odd = (A, "has several rows"), (C, "is not written in lower case"), (B, "has a row without a text in it")
        for address, why in odd:
            with pytest.raises(MapInvalid, match=f"{address} {why}"):
                here.backend().plan({address: NEW})
            assert f"{address} {why}" in texts(here.backend(), "warning")
        here.backend().apply(here.backend().plan({D: NEW}))
        assert here.backend().read([D]) == {D: NEW}


# who logs in


def test_users_are_looked_for_by_the_name_they_log_in_with_in_small_letters(here: ProxyTablePlace) -> None:
    here.execute("INSERT INTO users VALUES (?, ?, ?)", "corp-a", PASSWORD, OLD)
    routing = here.routing(user=lambda address: f"CORP-{address.partition('@')[0]}")
    routing.apply(routing.plan({A: NEW}))
    assert here.execute('SELECT host FROM users WHERE "user" = ?', "corp-a") == [(NEW,)]
    assert here.kicked() == ["corp-a"]
    with pytest.raises(ValueUnwritable, match="both log in as corp-a"):
        routing.plan({A: NEW, Address("a@other.test"): NEW})


def test_the_sessions_of_those_who_moved_are_ended_and_of_nobody_else(here: ProxyTablePlace) -> None:
    here.set_by_hand(B, NEW)
    flips = Flips((Flip(A, OLD, NEW), Flip(B, OLD, NEW)))
    assert here.backend().apply(flips).notes == here.backend().apply(flips).notes == ()
    assert here.kicked() == [A]


def test_sessions_that_could_not_be_ended_are_told_and_ended_by_the_next_run(here: ProxyTablePlace) -> None:
    here.kick, works = "false", here.kick
    assert here.backend().apply(here.backend().plan({A: NEW})).notes != ()
    (note,) = here.backend().apply(here.backend().plan({D: NEW})).notes
    assert note.startswith("2 users keep the sessions that they have")
    assert here.backend().read([A, D]) == {A: NEW, D: NEW}
    here.kick = works
    assert here.backend().apply(Flips()).notes == ()
    assert sorted(here.kicked()) == [A, D]


def test_a_conflict_ends_nobodys_session(here: ProxyTablePlace) -> None:
    with pytest.raises(RouteConflict):
        here.backend().apply(Flips((Flip(A, OLD, NEW), Flip(C, NEW, None), Flip(B, Nexthop("x"), NEW))))
    here.backend().apply(Flips())
    assert here.kicked() == []


def test_two_runs_that_end_sessions_at_once_forget_nobody(here: ProxyTablePlace) -> None:
    """The list of those who wait is one file: a run must not write it while another reads it."""
    here.kick = f"sh -c 'sleep 0.3; echo \"$@\" >> {here.directory}/kicked' kick"

    def move(address: Address) -> None:
        here.backend().apply(here.backend().plan({address: NEW}))

    children = [in_a_process(partial(move, each)) for each in (A, B, C, D)]
    assert [ended(child) for child in children] == [0, 0, 0, 0]
    assert sorted(here.kicked()) == [A, B, C, D]


# what the check says


def test_a_healthy_table_has_no_findings(here: ProxyTablePlace) -> None:
    assert here.backend().check() == []


def test_a_command_that_is_not_installed_is_a_finding(sqlite: ProxyTablePlace) -> None:
    sqlite.kick = "doveadmn proxy kick"
    assert "`doveadmn proxy kick` cannot be run" in texts(sqlite.backend(), "error")


def test_a_dovecot_that_keeps_answers_is_an_error_since_it_does_not_follow(sqlite: ProxyTablePlace) -> None:
    require("dovecot-sqlite")
    with sqlite.serve(extra="auth_cache_size = 1M") as server:
        sqlite.kick = server.kick_command
        assert sqlite.answer(A) == OLD
        sqlite.backend().apply(sqlite.backend().plan({A: NEW}))
        assert sqlite.answer(A) == OLD, "what the finding is about"
        assert "this Dovecot keeps answers of its databases (auth_cache_size is 1" in texts(sqlite.backend(), "error")
    with sqlite.serve() as server:
        sqlite.kick = server.kick_command
        assert sqlite.backend().check() == []


def test_a_role_needs_no_right_to_make_or_remove_rows() -> None:
    with proxy_table_place("pgsql") as here:
        for statement in ("DROP ROLE IF EXISTS mover", "CREATE ROLE mover LOGIN", "GRANT SELECT ON users TO mover"):
            here.execute(statement)
        backend = here.routing(table=PostgresTable(here.url.replace("migrator@", "mover@"), COLUMNS, None))
        assert "this role lacks UPDATE > GRANT SELECT, UPDATE ON" in texts(backend, "error")
        with pytest.raises(DatabaseRefused, match="permission denied"):
            backend.apply(Flips((Flip(A, OLD, NEW),)))
        here.execute("GRANT UPDATE ON users TO mover")
        backend.apply(backend.plan({A: NEW, D: NEW, C: None}))
        assert backend.read([A, C, D]) == {A: NEW, C: None, D: NEW}
        assert backend.check() == []


# from migrator.yaml


CONFIG = """\
domain: company.test
servers:
  old: {{imap: {{host: old.company.test}}, auth: {{kind: password, secret: "env:OLD"}}}}
  new: {{imap: {{host: new.company.test}}, auth: {{kind: password, secret: "env:NEW"}}}}
mailboxes: mailboxes.csv
routing:
  - name: imap-proxy
    kind: dovecot-proxy
    database: {database}
    table: users
    kick: {kick}
    nexthop: {{old: null, new: "127.0.0.2"}}
{more}"""


def test_an_entry_with_a_database_flips_the_column_and_remembers_in_the_workspace(
    here: ProxyTablePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USERS", "unused")
    work: Path = here.directory / "work"
    work.mkdir()
    database, more = (here.url, "    secret: env:USERS\n") if here.url else ("sqlite:///../db/users.db", "")
    (work / "migrator.yaml").write_text(CONFIG.format(database=database, kick="'false'", more=more))
    (work / "mailboxes.csv").write_text(f"address,department,source,target\n{D},sales,old,new\n")
    loaded = workspace.load(work)
    (only,) = places(loaded)
    assert (only.routing.carries_mail, only.routing.freeze_value) == (False, None)
    wanted = only.nexthops({mailbox: mailbox.target for mailbox in loaded.mailboxes.values()})
    only.routing.apply(only.routing.plan(wanted))
    assert here.backend().read([D]) == {D: NEW}
    assert (work / "state/dovecot-proxy/imap-proxy/sessions-to-end").read_text() == f"{D}\n"
    assert [kept.name.split(".")[0] for kept in (work / "state/routing/imap-proxy").iterdir()] == ["imap-proxy"]
