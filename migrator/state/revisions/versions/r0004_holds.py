"""What keeps a wave from its cutover.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("postponed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("wave", name=op.f("pk_hold")),
    )
