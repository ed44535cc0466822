"""The schema of an empty database, at once: what all revisions together make (a test compares).

Read from schema/, which `python -m migrator.state.ddl` writes: making it from the tables, or by Alembic, would take
longer than all the rest of a run's start.
"""

import uuid
from pathlib import Path

from sqlalchemy import Connection, inspect

from migrator.state.revisions import HEAD, VERSION_TABLE
from migrator.state.text import run

_SCHEMA = Path(__file__).with_name("schema")


def make_schema(connection: Connection) -> None:
    """Make the schema inside the connection's transaction, unless another process has just done so."""
    if VERSION_TABLE in inspect(connection).get_table_names():
        return
    text = (_SCHEMA / f"{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.strip().split("\n\n"):
        connection.exec_driver_sql(statement)
    run(connection, "INSERT INTO workspace (id) VALUES (?)", str(uuid.uuid4()))
    run(connection, f"INSERT INTO {VERSION_TABLE} (version_num) VALUES (?)", HEAD)
