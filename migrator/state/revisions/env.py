"""Alembic's entry point: runs revisions in the transaction that `upgrade` began."""

from alembic import context

from migrator.state.revisions import VERSION_TABLE
from migrator.state.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
