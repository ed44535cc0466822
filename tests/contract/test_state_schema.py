"""The schema and its revisions, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Dialect, NullPool, create_engine, inspect, text

import migrator
from migrator import state
from migrator.model.errors import ExitCode, MigratorError
from migrator.state import Store, ddl, fresh, upgrade
from migrator.state.engine import parse, schema_connection
from migrator.state.errors import StateNewer, StateOutdated
from migrator.state.revisions import HEAD, REVISIONS, VERSION_TABLE
from migrator.state.tables import METADATA
from tests.contract.state_stores import ME

TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT trigger_name, event_manipulation, action_statement FROM information_schema.triggers",
}
OPEN = "import sys; from migrator import state; print(state.open(sys.argv[1]).workspace_id)"


def set_revision(url: str, revision: str) -> None:
    with schema_connection(parse(url)) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :revision"), {"revision": revision})


def described(url: str) -> dict[str, object]:
    """Columns, keys and indexes of every table, and the triggers, as the database tells them."""
    engine = create_engine(parse(url), poolclass=NullPool)
    found = inspect(engine)
    with engine.connect() as connection:
        triggers = sorted(map(str, connection.execute(text(TRIGGERS[engine.dialect.name]))))
    return {"": triggers} | {
        table: [
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)],
            found.get_pk_constraint(table)["constrained_columns"],
            sorted(map(str, found.get_indexes(table))),
            sorted(map(str, found.get_unique_constraints(table))),
            sorted(map(str, found.get_foreign_keys(table))),
        ]
        for table in found.get_table_names()
    }


def test_the_models_are_what_the_revisions_make(store: Store, url: str) -> None:
    engine = create_engine(parse(url), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []


@pytest.mark.parametrize("dialect", ddl.DIALECTS, ids=lambda dialect: dialect.name)
def test_the_schema_files_are_what_the_tables_say(dialect: Dialect) -> None:
    file = Path(fresh.__file__).parent / "schema" / f"{dialect.name}.sql"
    assert file.read_text(encoding="utf-8") == ddl.schema(dialect), "run `python -m migrator.state.ddl`"


def test_the_list_of_revisions_is_alembic_s() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrator.__file__).parent / "state" / "revisions"))
    config.set_main_option("path_separator", "os")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS


def test_upgrading_revision_by_revision_gives_the_schema_of_a_fresh_database(store: Store, url: str) -> None:
    at_once = described(url)
    with schema_connection(parse(url)) as connection:
        for table in reversed(inspect(connection).get_table_names()):
            tail = " CASCADE" if connection.dialect.name == "postgresql" else ""
            connection.execute(text(f'DROP TABLE "{table}"{tail}'))
        if connection.dialect.name == "postgresql":
            connection.execute(text("DROP FUNCTION refuse_audit_change"))
    for revision in REVISIONS:
        with schema_connection(parse(url)) as connection:
            upgrade.run_revisions(connection, revision)
    assert described(url) == at_once


def test_a_fresh_database_needs_no_upgrade(store: Store, url: str) -> None:
    status = upgrade.check(url)
    assert (status.current, status.head, status.pending) == (HEAD, HEAD, ())
    assert upgrade.upgrade(url) == status


def test_an_empty_database_is_upgraded_from_the_beginning(url: str) -> None:
    path = parse(url).database
    if url.startswith("sqlite"):
        os.makedirs(os.path.dirname(str(path)))
        Path(str(path)).touch()
    assert upgrade.check(url).pending == REVISIONS
    assert upgrade.upgrade(url).current is None
    with state.open(url, create=False) as opened:
        assert opened.waves.all() == ()


def test_an_older_schema_is_refused_with_the_command_that_mends_it(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "REVISIONS", (*REVISIONS, "9999"))
    with pytest.raises(StateOutdated) as refused:
        state.open(url)
    assert "migrator db upgrade" in refused.value.remedy
    assert upgrade.check(url).pending == ("9999",)


def test_a_newer_schema_is_refused_and_named(store: Store, url: str) -> None:
    set_revision(url, "9999")
    for use in (state.open, upgrade.check, upgrade.upgrade):
        with pytest.raises(StateNewer, match="9999") as refused:
            use(url)
        assert refused.value.exit_code is ExitCode.CONFIG


def test_a_schema_that_could_not_be_finished_leaves_the_database_as_it_was(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection) -> None:
        fresh.make_schema(connection)
        raise OSError("the power went")

    monkeypatch.setattr("migrator.state.upgrade.make_schema", fail)
    with pytest.raises(OSError, match="the power went"):
        state.open(url)
    assert described(url) == {"": []}
    monkeypatch.undo()
    with state.open(url) as opened:
        opened.audit.record(ME, "all is well")


def test_processes_that_open_an_empty_database_at_once_make_one_schema(url: str) -> None:
    runs = [subprocess.Popen([sys.executable, "-c", OPEN, url], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [run.communicate()[0].strip() for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs)
    assert len(set(answers)) == 1


def test_no_error_names_the_password_of_the_database() -> None:
    with pytest.raises(MigratorError) as refused:
        state.open("postgresql://migrator:hunter2@127.0.0.1:1/none")
    told = f"{refused.value} {refused.value.remedy}"
    assert "hunter2" not in told
    assert "127.0.0.1" in told
