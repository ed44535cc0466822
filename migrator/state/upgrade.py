"""The schema's revision: which one a database has, and an upgrade to the program's (which imports Alembic)."""

import threading
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from migrator.state.engine import parse, place, prepare_file, schema_connection
from migrator.state.errors import StateNewer, StateOutdated, StateUnusable
from migrator.state.failure import remedied
from migrator.state.fresh import make_schema
from migrator.state.records import RevisionStatus
from migrator.state.revisions import HEAD, REVISIONS, VERSION_TABLE

_one_at_a_time = threading.Lock()  # Alembic keeps what it works on in globals


def check(url: str) -> RevisionStatus:
    """The database's revision, the program's, and what lies between; changes nothing. StateMissing, StateNewer."""
    parsed = parse(url)
    prepare_file(parsed, create=False)
    return _status(parsed)


def upgrade(url: str) -> RevisionStatus:
    """Bring the database to the program's revision, all or nothing; what was pending before."""
    before = check(url)
    with schema_connection(parse(url)) as connection:
        run_revisions(connection, HEAD)
    return before


def ensure(url: URL, create: bool) -> None:
    """See that the database has the program's schema; make it in an empty one. Raises StateOutdated and StateNewer."""
    prepare_file(url, create)
    status = _status(url)
    if status.current is None and create:
        with schema_connection(url) as connection:
            make_schema(connection)
    elif status.current is None:
        raise StateUnusable(f"{place(url)}: it is empty", remedy="Correct `state:`; or `migrator db upgrade` fills it.")
    elif status.pending:
        raise StateOutdated(
            f"{place(url)}: its schema is revision {status.current}, this program's is {HEAD}",
            remedy="Make a copy of the state, then run `migrator db upgrade`.",
        )


def _status(url: URL) -> RevisionStatus:
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    with remedied(place(url)):
        current = _current(engine, url)
    if current is not None and current not in REVISIONS:
        raise StateNewer(
            f"{place(url)}: its schema is revision {current}, which this program ({HEAD}) does not know",
            remedy="A newer migrator made it: run that version here.",
        )
    known = 0 if current is None else REVISIONS.index(current) + 1
    return RevisionStatus(current, HEAD, REVISIONS[known:])


def _current(engine: Engine, url: URL) -> str | None:
    """The revision noted in the database; None in an empty one."""
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        if VERSION_TABLE in tables:
            return str(connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")))
    if tables and engine.dialect.name == "sqlite":
        raise StateUnusable(
            f"{place(url)}: another program's database",
            remedy="Correct `state:` in migrator.yaml, or move that file away.",
        )
    return None


def run_revisions(connection: Connection, to: str) -> None:
    """Upgrade inside the connection's transaction, which the caller commits."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("revisions")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, to)
