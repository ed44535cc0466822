"""The schema's revisions, oldest first. `versions/` holds them in Alembic's form; a released one never changes.

A revision that rebuilds `audit` (a batch operation on SQLite does) must make its triggers again.
Each new one comes with the same change of `tables` and, by `python -m migrator.state.ddl`, of schema/.
"""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = REVISIONS[-1]
VERSION_TABLE = "schema_revision"  # not Alembic's default, which another program in the same database may use
