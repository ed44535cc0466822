"""What is spent of the daily budgets, what runs are doing, and how fast servers were.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "spent",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("octets", BIG, nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.PrimaryKeyConstraint("server", "day", name=op.f("pk_spent")),
    )
    op.create_table(
        "doing",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planned_messages", BIG, nullable=False),
        sa.Column("planned_octets", BIG, nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.Column("octets", BIG, nullable=False),
        sa.PrimaryKeyConstraint("mailbox", name=op.f("pk_doing")),
    )
    op.create_table(
        "throughput",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("octets", BIG, nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_throughput")),
    )
    op.create_index(op.f("ix_throughput_source_target"), "throughput", ["source", "target"], unique=False)
