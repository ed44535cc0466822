"""What a look-up table refuses, keeps and reports, beyond the contract of every backend."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

from migrator.model.errors import ConfigInvalid, Locked, Unreachable
from migrator.model.mailbox import Secret
from migrator.model.names import Address, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing import RouteConflict
from migrator.routing.errors import (
    CommandFailed,
    DatabaseRefused,
    MapInvalid,
    ReloadFailed,
    RouteNotInForce,
    StateUnwritable,
    ValueUnwritable,
)
from migrator.routing.postfix.index import look_up
from migrator.routing.sql import lookup_table
from migrator.routing.sql import postgres as postgres_module
from migrator.routing.sql import sqlite as sqlite_module
from migrator.routing.sql.postgres import PostgresTable
from migrator.routing.sql.rows import Columns
from migrator.routing.sql.sqlite import SqliteTable
from tests.contract.places_sql import COLUMNS, KINDS, MADE, SqlPlace, postgres, sql_place
from tests.contract.routing_places import FREEZE, NEW, OLD, A, B, C, D, ended, in_a_process
from tests.lab.postfix import Postfix
from tests.lab.requirements import find_program

LOOSE = "CREATE TABLE transport (address TEXT, nexthop TEXT)"


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest) -> Iterator[SqlPlace]:
    with sql_place(request.param) as made:
        yield made


@pytest.fixture(params=KINDS)
def loose(request: pytest.FixtureRequest) -> Iterator[SqlPlace]:
    """A table that lets two rows have one address."""
    with sql_place(request.param, made=LOOSE) as made:
        yield made


@pytest.fixture
def sqlite() -> Iterator[SqlPlace]:
    with sql_place("sqlite") as made:
        yield made


@pytest.fixture
def pgsql() -> Iterator[SqlPlace]:
    with sql_place("pgsql") as made:
        yield made


def texts(backend: lookup_table.PostfixSql, severity: str = "") -> str:
    return "\n".join(f"{f.text} > {f.remedy}" for f in backend.check() if f.severity == severity or not severity)


# what is kept


def test_other_columns_and_other_rows_stay_as_they_are(here):
    here.execute("UPDATE transport SET note = 'mine' WHERE address = ?", A)
    before = here.rows()
    flips = here.routing().plan({A: NEW, D: NEW})
    here.routing().apply(flips)
    assert here.execute("SELECT note FROM transport WHERE address = ?", A) == [("mine",)]
    here.routing().revert(flips)
    assert here.rows() == before


def test_a_copy_of_the_whole_table_is_kept_before_each_change_for_its_owner_alone(here):
    here.routing().apply(here.routing().plan({A: NEW}))
    (kept,) = here.backups.iterdir()
    assert "address,nexthop,note\n" in kept.read_text()
    assert f"{A},{OLD},of the operator\n" in kept.read_text()
    assert (stat.S_IMODE(kept.stat().st_mode), stat.S_IMODE(here.backups.stat().st_mode)) == (0o600, 0o700)


def test_where_no_copy_can_be_kept_nothing_is_changed(here):
    here.backups.write_text("a file where the directory should be")
    with pytest.raises(StateUnwritable, match="nothing was changed"):
        here.routing().apply(here.routing().plan({A: NEW}))
    assert (here.answer(A), here.told()) == (OLD, 0)


# rows that can be read in two ways


def test_two_rows_for_an_address_are_refused_and_others_can_be_flipped(loose):
    loose.execute("INSERT INTO transport (address, nexthop) VALUES (?, ?)", A, NEW)
    for use in (lambda: loose.routing().plan({A: NEW}), lambda: loose.routing().apply(Flips((Flip(A, OLD, NEW),)))):
        with pytest.raises(MapInvalid, match=f"{A} has several rows"):
            use()
    loose.routing().apply(loose.routing().plan({C: NEW}))
    assert loose.answer(C) == NEW
    assert f"{A} has several rows" in texts(loose.routing(), "warning")


def test_a_row_in_capital_letters_is_refused_since_postfix_does_not_find_it(here):
    here.set_by_hand(Address("D@Company.test"), OLD)
    assert here.answer(D) is None
    with pytest.raises(MapInvalid, match=f"{D} is not written in lower case"):
        here.routing().plan({D: NEW})
    assert f"{D} is not written in lower case" in texts(here.routing(), "warning")


@pytest.mark.parametrize("value", [None, ""])
def test_a_row_without_a_value_is_refused_since_postfix_takes_it_for_none(here, value):
    here.execute("UPDATE transport SET nexthop = ? WHERE address = ?", value, A)
    assert here.answer(A) is None
    with pytest.raises(MapInvalid, match=f"{A} has a row without a text in it"):
        here.routing().plan({A: NEW})


def test_a_column_that_compares_without_case_is_read_as_postfix_reads_it():
    with sql_place("sqlite", made=MADE.replace("TEXT PRIMARY", "TEXT COLLATE NOCASE PRIMARY")) as here:
        here.set_by_hand(Address("D@Company.test"), OLD)
        assert here.answer(D) == OLD
        here.routing().apply(here.routing().plan({D: NEW}))
        assert here.answer(D) == NEW


# what Postfix finds


def test_a_query_that_reads_something_else_is_found_after_the_flip_and_by_the_check(here, monkeypatch):
    monkeypatch.setattr(lookup_table, "LAG", 0.5)
    here.ask("SELECT note FROM transport WHERE address = '%s'")
    assert f'{A}: the table says "{OLD}", the map "of the operator"' in texts(here.routing(), "error")
    with pytest.raises(RouteNotInForce, match=f"the map {here.kind}:.* answers otherwise"):
        here.routing().apply(here.routing().plan({A: NEW}))


def test_a_map_that_cannot_be_opened_is_an_error_of_the_check(here):
    here.mapped.unlink()
    assert "cannot be read" in texts(here.routing(), "error")


def test_a_map_that_comes_to_see_the_change_late_is_waited_for(here, monkeypatch):
    asked = []
    monkeypatch.setattr(lookup_table, "_PAUSE", 0.01)

    def lagging(*arguments):
        asked.append(arguments)
        if len(asked) == 1:
            raise CommandFailed("database is locked")
        return {A: OLD} if len(asked) == 2 else look_up(*arguments)

    monkeypatch.setattr(lookup_table, "look_up", lagging)
    here.routing().apply(here.routing().plan({A: NEW}))
    assert len(asked) == 3


def test_without_a_map_the_table_alone_is_read_back_and_the_check_says_so(here):
    here.mapped.unlink()
    backend = here.routing(map=None)
    backend.apply(backend.plan({A: NEW}))
    assert backend.read([A]) == {A: NEW}
    assert "is read back from it alone" in texts(backend, "warning")


def test_a_map_that_main_cf_does_not_name_is_an_error(here, make_postfix):
    gateway = make_postfix("named", settings={"transport_maps": here.map})
    backend = here.routing(reload=gateway.reload_command)
    assert "does not look into" not in texts(backend)
    other = make_postfix("unnamed")
    backend = here.routing(reload=other.reload_command)
    assert f"this Postfix does not look into {here.map}: transport_maps is" in texts(backend, "error")


def deferred(gateway: Postfix, text: str) -> bool:
    """Send a mail to a@company.test; whether Postfix defers it with this text (it has looked the address up then)."""
    sendmail = [find_program("sendmail") or "sendmail", "-C", str(gateway.config), "-f", "x@company.test", A]
    subprocess.run(sendmail, input="Subject: x\n\nx\n", text=True, check=True)
    for _ in range(200):
        if any(text in attempt.text for attempt in gateway.attempts()):
            return True
        time.sleep(0.05)
    return False


def test_a_running_postfix_goes_by_the_new_row_at_once(here, make_postfix):
    gateway = make_postfix("gateway", settings={"transport_maps": here.map})
    backend = here.routing(reload=gateway.reload_command)
    for text in ("the first way", "the second way", "the third way"):
        backend.apply(backend.plan({A: Nexthop(f"retry:4.7.1 {text}")}))
        assert deferred(gateway, text)


# what does not work


def test_a_reader_that_cannot_be_told_is_an_error_after_the_change(here):
    backend = here.routing(reload="false")
    with pytest.raises(ReloadFailed, match="transport is changed, but its reader was not told"):
        backend.apply(backend.plan({A: NEW}))
    assert here.answer(A) == NEW


@pytest.mark.parametrize(
    "columns",
    [Columns("transport", "adress", "nexthop"), Columns("transport", "address", "nxthop"), Columns("t", "a", "b")],
)
def test_a_misspelt_table_or_column_is_never_taken_for_a_text(here, columns):
    backend = here.routing(table=here.table(columns))
    before = here.state()
    flips = Flips((Flip(A, None, NEW),))
    for use in (lambda: backend.read([A]), lambda: backend.plan({A: NEW}), lambda: backend.apply(flips)):
        with pytest.raises(DatabaseRefused, match="nothing was written"):
            use()
    assert "no such" in texts(backend, "error") or "does not exist" in texts(backend, "error")
    assert here.state() == before


def test_names_may_hold_what_sql_gives_a_meaning_to(here):
    here.execute('CREATE TABLE "order %s ""x""" ("select" TEXT PRIMARY KEY, "100%" TEXT)')
    backend = here.routing(table=here.table(Columns('order %s "x"', "select", "100%")), map=None)
    backend.apply(backend.plan({A: NEW}))
    backend.apply(backend.plan({A: OLD, D: NEW}))
    backend.apply(backend.plan({A: None}))
    assert here.execute('SELECT * FROM "order %s ""x"""') == [(D, NEW)]


def test_a_row_that_the_database_refuses_undoes_the_whole_change(here):
    here.execute("CREATE TABLE strict (address TEXT PRIMARY KEY, nexthop TEXT, owner TEXT NOT NULL)")
    here.execute("INSERT INTO strict VALUES (?, ?, 'me')", A, OLD)
    backend = here.routing(table=here.table(Columns("strict", "address", "nexthop")), map=None)
    with pytest.raises(DatabaseRefused, match=r"owner.*nothing was written"):
        backend.apply(backend.plan({A: NEW, D: NEW}))
    assert here.execute("SELECT * FROM strict") == [(A, OLD, "me")]


def test_a_row_that_a_trigger_keeps_from_changing_undoes_the_whole_change(pgsql):
    pgsql.execute("CREATE RULE hold AS ON UPDATE TO transport WHERE old.address = 'c@company.test' DO INSTEAD NOTHING")
    with pytest.raises(DatabaseRefused, match="changed 1 rows of 2"):
        pgsql.routing().apply(pgsql.routing().plan({A: NEW, C: NEW}))
    assert (pgsql.answer(A), pgsql.answer(C), pgsql.told()) == (OLD, OLD, 0)


def test_a_value_that_is_no_nexthop_is_refused_before_it_is_written(here):
    for value in ("two\nlines", " edge", ""):
        with pytest.raises(ValueUnwritable):
            here.routing().plan({A: Nexthop(value)})


def test_a_writer_that_stays_too_long_is_named_after_a_time(here, monkeypatch):
    monkeypatch.setattr(sqlite_module, "LOCK_PATIENCE", 0.2)
    monkeypatch.setattr(postgres_module, "LOCK_PATIENCE", 1)
    flips = here.routing().plan({A: NEW})
    other: Any = (
        sqlite3.connect(here.file, isolation_level=None) if here.kind == "sqlite" else psycopg.connect(here.url)
    )
    with closing(other):
        other.execute("BEGIN IMMEDIATE" if here.kind == "sqlite" else "SELECT 1")
        other.execute("UPDATE transport SET nexthop = 'smtp:[by.hand]' WHERE address = 'b@company.test'")
        with pytest.raises(Locked):
            here.routing().apply(flips)
    here.routing().apply(flips)
    assert (here.answer(A), here.answer(B)) == (NEW, OLD)


def test_a_table_that_nobody_may_read_for_now_is_not_waited_for_without_end(pgsql, monkeypatch):
    monkeypatch.setattr(postgres_module, "LOCK_PATIENCE", 1)
    with closing(psycopg.connect(pgsql.url)) as other:
        other.execute("ALTER TABLE transport ADD COLUMN another text")  # not committed
        with pytest.raises(Locked, match="holds the table"):
            pgsql.routing().read([A])


def test_a_hand_edit_that_is_committed_while_we_wait_for_it_is_a_conflict(here):
    flips = here.routing().plan({A: NEW})
    other: Any = (
        sqlite3.connect(here.file, isolation_level=None) if here.kind == "sqlite" else psycopg.connect(here.url)
    )
    with closing(other), ThreadPoolExecutor(1) as thread:
        other.execute("BEGIN IMMEDIATE" if here.kind == "sqlite" else "SELECT 1")
        other.execute("UPDATE transport SET nexthop = 'smtp:[by.hand]' WHERE address = 'a@company.test'")
        applied = thread.submit(here.routing().apply, flips)
        time.sleep(0.3)
        assert not applied.done()
        other.execute("COMMIT")
        with pytest.raises(RouteConflict, match=r"by\.hand"):
            applied.result()
    assert here.answer(A) == "smtp:[by.hand]"


# SQLite


def test_a_file_that_is_not_there_is_not_made(sqlite):
    nowhere = sqlite.directory / "tables" / "nowhere.db"
    backend = sqlite.routing(table=SqliteTable(nowhere, COLUMNS))
    with pytest.raises(DatabaseRefused, match="unable to open"):
        backend.plan({A: NEW})
    assert "unable to open" in texts(backend, "error")
    assert not nowhere.exists()


def as_postfix(here: SqlPlace) -> subprocess.CompletedProcess[str]:
    """What a Postfix finds, run as its own user."""
    user = pwd.getpwnam("postfix")
    command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    command += [find_program("postmap") or "postmap", "-q", A, here.map]
    return subprocess.run(command, capture_output=True, text=True)


def leave_a_commit_unfinished(here: SqlPlace) -> None:
    """As a kill in the middle of a commit leaves the file: changed, with the journal that undoes it."""
    work = f"""
import os, sqlite3
c = sqlite3.connect({str(here.file)!r}, isolation_level=None)
c.execute("PRAGMA cache_size = 1")
c.execute("BEGIN IMMEDIATE")
c.executemany("INSERT INTO transport (address, nexthop) VALUES (?, 'x')", [(f"n{{i}}",) for i in range(20000)])
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", work])
    assert here.file.with_name("routes.db-journal").stat().st_size


def let_postfix_write(here: SqlPlace) -> None:
    for path, mode in ((here.file, 0o664), (here.file.parent, 0o775)):
        shutil.chown(path, group="postfix")
        path.chmod(mode)


def test_after_a_kill_in_the_middle_of_a_commit_postfix_needs_the_right_to_tidy_up_or_our_next_command(sqlite):
    leave_a_commit_unfinished(sqlite)
    assert "readonly database" in as_postfix(sqlite).stderr  # and all mail waits
    assert sqlite.routing().read([A]) == {A: OLD}  # which undoes it
    assert as_postfix(sqlite).stdout.strip() == OLD
    let_postfix_write(sqlite)
    leave_a_commit_unfinished(sqlite)
    assert as_postfix(sqlite).stdout.strip() == OLD


def test_the_check_says_where_postfix_could_not_tidy_up(sqlite, make_postfix):
    gateway = make_postfix("gateway", settings={"transport_maps": sqlite.map})
    backend = sqlite.routing(reload=gateway.reload_command)
    assert "killed in the middle of a commit, all mail waits" in texts(backend, "warning")
    sqlite.execute("PRAGMA journal_mode = WAL")
    assert "when the last writer is gone it cannot read it" in texts(backend, "warning")
    assert "readonly database" in as_postfix(sqlite).stderr
    let_postfix_write(sqlite)
    assert as_postfix(sqlite).stdout.strip() == OLD
    assert backend.check() == []


def test_until_the_commit_nothing_keeps_postfix_from_reading(sqlite):
    """It takes a file that is locked for a second for a broken map, and then all mail waits."""
    many = [Address(f"u{number}@company.test") for number in range(20_000)]
    with sqlite.table().changing() as rows:
        rows.change([(address, None, NEW) for address in many])
        assert sqlite.answer(A) == OLD


def test_a_user_without_rights_learns_it_from_the_check(sqlite):
    sqlite.backups.mkdir()
    sqlite.backups.chmod(0o777)
    backend = sqlite.routing(map=None)

    def look() -> None:
        os.setuid(65534)
        assert "cannot be written by this user" in texts(backend, "error")
        with pytest.raises(DatabaseRefused, match="readonly"):
            backend.apply(Flips((Flip(A, OLD, NEW),)))

    assert ended(in_a_process(look)) == 0


# PostgreSQL


def test_a_role_without_rights_learns_it_from_the_check(pgsql):
    for statement in ("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN", "GRANT SELECT ON transport TO reader"):
        pgsql.execute(statement)
    backend = pgsql.routing(table=PostgresTable(pgsql.url.replace("migrator@", "reader@"), COLUMNS, None))
    assert "this role lacks INSERT, UPDATE, DELETE > GRANT" in texts(backend, "error")
    with pytest.raises(DatabaseRefused, match="permission denied"):
        backend.apply(backend.plan({A: NEW}))
    pgsql.execute("GRANT INSERT, UPDATE, DELETE ON transport TO reader")
    backend.apply(backend.plan({A: NEW}))
    assert pgsql.answer(A) == NEW
    pgsql.execute("REVOKE ALL ON transport FROM reader")


def test_a_server_that_takes_no_writes_is_an_error_of_the_check(pgsql):
    name = pgsql.url.rpartition("/")[2]
    pgsql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "this server takes no writes" in texts(pgsql.routing(), "error")


def test_the_password_comes_from_the_secret_and_is_in_no_message(pgsql):
    server = postgres()
    access = server.directory / "data" / "pg_hba.conf"
    before = access.read_text()
    try:
        access.write_text(f"host all keeper all scram-sha-256\n{before}")
        for statement in (
            "DROP ROLE IF EXISTS keeper",
            "CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'hunter2'",
            "SELECT pg_reload_conf()",
        ):
            pgsql.execute(statement)
        url = pgsql.url.replace("migrator@", "keeper@")
        backend = pgsql.routing(table=PostgresTable(url, COLUMNS, Secret("hunter2")))
        assert backend.read([A]) == {A: OLD}
        with pytest.raises(Unreachable, match="password") as refused:
            pgsql.routing(table=PostgresTable(url, COLUMNS, Secret("hunter3"))).read([A])
        assert "hunter" not in refused.value.in_full
    finally:
        access.write_text(before)
        pgsql.execute("SELECT pg_reload_conf()")


def test_a_server_that_does_not_answer_is_unreachable(pgsql):
    backend = pgsql.routing(table=PostgresTable("postgresql://migrator@127.0.0.1:1/none", COLUMNS, None))
    with pytest.raises(Unreachable, match=r"127.0.0.1:1/none transport: .*refused"):
        backend.read([A])
    assert "refused" in texts(backend, "error")


def test_a_table_of_a_schema_can_be_named(pgsql):
    pgsql.execute("CREATE SCHEMA mail")
    pgsql.execute("CREATE TABLE mail.transport (address TEXT PRIMARY KEY, nexthop TEXT)")
    backend = pgsql.routing(table=pgsql.table(Columns("mail.transport", "address", "nexthop")), map=None)
    backend.apply(backend.plan({A: NEW}))
    assert pgsql.execute("SELECT * FROM mail.transport") == [(A, NEW)]
    assert texts(backend, "error") == ""
    assert "two rows" not in texts(backend)


def test_without_the_driver_the_error_says_how_to_get_it(pgsql, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigInvalid) as refused:
        pgsql.routing().read([A])
    assert refused.value.remedy == "pip install '.[postgres]' in the checkout."


# both


def test_a_key_that_nothing_keeps_unique_is_a_warning(here, loose):
    assert "two rows for one `address`" in texts(loose.routing(), "warning")
    assert "two rows" not in texts(here.routing())


def test_a_frozen_row_is_deferred_by_postfix(here, make_postfix):
    gateway = make_postfix("gateway", settings={"transport_maps": here.map})
    backend = here.routing(reload=gateway.reload_command)
    backend.apply(backend.plan({A: FREEZE}))
    assert deferred(gateway, "mailbox is being moved")
