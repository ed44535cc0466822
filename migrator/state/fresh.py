"""The schema of an empty database, at once: what all revisions together make (a test compares).

Alembic is not imported for it: that would take longer than all the rest of opening a store.
"""

import uuid

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, insert, inspect
from sqlalchemy import Table as CoreTable

from migrator.state.revisions import HEAD, VERSION_TABLE
from migrator.state.tables import METADATA, WorkspaceRow

_SQLITE_APPEND_ONLY = """
CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END
"""
_POSTGRES_APPEND_ONLY = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
"""
_VERSION = CoreTable(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),  # as Alembic makes it
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def make_schema(connection: Connection) -> None:
    """Make the schema inside the connection's transaction, unless another process has just done so."""
    if VERSION_TABLE in inspect(connection).get_table_names():
        return
    METADATA.create_all(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_POSTGRES_APPEND_ONLY)
    else:
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(_SQLITE_APPEND_ONLY.format(verb=verb))
    connection.execute(insert(WorkspaceRow).values(id=str(uuid.uuid4())))
    _VERSION.create(connection)
    connection.execute(insert(_VERSION).values(version_num=HEAD))
