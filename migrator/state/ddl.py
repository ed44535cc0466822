"""schema/*.sql, written from the tables: `python -m migrator.state.ddl`, after each change of `tables`.

A developer's tool, and a test's; a run only reads what it wrote.
"""

from pathlib import Path

from sqlalchemy import Column, Dialect, MetaData, PrimaryKeyConstraint, String
from sqlalchemy import Table as CoreTable
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from migrator.state.revisions import VERSION_TABLE
from migrator.state.tables import METADATA

DIALECTS: tuple[Dialect, ...] = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]
_APPEND_ONLY = {
    "sqlite": """
CREATE TRIGGER audit_UPDATE BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END

CREATE TRIGGER audit_DELETE BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END
""",
    "postgresql": """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
""",
}
_VERSION = CoreTable(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),  # as Alembic makes it
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def schema(dialect: Dialect) -> str:
    """All statements, one after the other, with a blank line between them (and none within)."""
    tables = [*METADATA.sorted_tables, _VERSION]
    indexes = sorted((index for table in tables for index in table.indexes), key=lambda index: str(index.name))
    made = [CreateTable(table).compile(dialect=dialect) for table in tables]
    made += [CreateIndex(index).compile(dialect=dialect) for index in indexes]
    statements = ["\n".join(line.rstrip() for line in str(one).strip().splitlines()) for one in made]
    return "\n\n".join([*statements, _APPEND_ONLY[dialect.name].strip()]) + "\n"


def main() -> None:
    """Write the files."""
    directory = Path(__file__).with_name("schema")
    directory.mkdir(exist_ok=True)
    for dialect in DIALECTS:
        (directory / f"{dialect.name}.sql").write_text(schema(dialect), encoding="utf-8")


if __name__ == "__main__":
    main()
