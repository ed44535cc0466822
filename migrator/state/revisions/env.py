"""Alembic's entry point: runs revisions in the transaction that `upgrade` began."""

from alembic import context

from migrator.state.revisions import VERSION_TABLE
from migrator.state.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
