"""What is known of mailboxes before they are copied, and what directories say of people.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mailbox_size",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.Column("octets", BIG, nullable=False),
        sa.Column("folders", BIG, nullable=False),
        sa.Column("largest", BIG, nullable=True),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox", name=op.f("pk_mailbox_size")),
    )
    op.create_table(
        "mailbox_folder",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("whose", sa.Text(), nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.Column("octets", BIG, nullable=True),
        sa.Column("largest", BIG, nullable=True),
        sa.Column("special_use", sa.Text(), nullable=True),
        sa.Column("mine", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "name", name=op.f("pk_mailbox_folder")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mailbox_share",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("grantee", sa.Text(), nullable=True),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "folder", "identifier", name=op.f("pk_mailbox_share")),
    )
    op.create_table(
        "directory_entry",
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("directory", "address", name=op.f("pk_directory_entry")),
    )
    op.create_table(
        "directory_tie",
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.PrimaryKeyConstraint("directory", "address", "kind", "other", name=op.f("pk_directory_tie")),
    )
    op.create_index(op.f("ix_directory_tie_kind_other"), "directory_tie", ["kind", "other"], unique=False)
