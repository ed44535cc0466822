"""The first schema.

Revision ID: 0001
"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SQLITE_APPEND_ONLY = """
CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END
"""
POSTGRES_APPEND_ONLY = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
"""


def upgrade() -> None:
    make_wave_tables()
    make_mailbox_tables()
    make_ledger_tables()
    make_route_tables()
    make_audit_append_only()
    workspace = sa.table("workspace", sa.column("id", sa.String))
    op.bulk_insert(workspace, [{"id": str(uuid.uuid4())}])


def make_audit_append_only() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(POSTGRES_APPEND_ONLY)
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(SQLITE_APPEND_ONLY.format(verb=verb))


def make_wave_tables() -> None:
    op.create_table(
        "workspace",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspace")),
    )
    op.create_table(
        "wave",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_wave")),
    )
    op.create_table(
        "wave_mailbox",
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.ForeignKeyConstraint(["wave"], ["wave.name"], name=op.f("fk_wave_mailbox_wave"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("wave", "address", name=op.f("pk_wave_mailbox")),
    )
    op.create_table(
        "audit",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", BIG, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("wave", sa.Text(), nullable=True),
        sa.Column("mailbox", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_wave"), "audit", ["wave"])
    op.create_table(
        "lease",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fence", BIG, nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", BIG, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ttl_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lease")),
    )


def make_mailbox_tables() -> None:
    op.create_table(
        "pass",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pass")),
        sa.UniqueConstraint("mailbox", "wave", "started", name=op.f("uq_pass_mailbox_wave_started")),
    )
    op.create_table(
        "decision",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("accepted_reason", sa.Text(), nullable=True),
        sa.Column("accepted", sa.Text(), nullable=True),
        sa.Column("skipped_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox", name=op.f("pk_decision")),
    )


def make_ledger_tables() -> None:
    op.create_table(
        "folder",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("source_name", sa.Text(), nullable=False),
        sa.Column("target_name", sa.Text(), nullable=False),
        sa.Column("source_uidvalidity", BIG, nullable=False),
        sa.Column("target_uidvalidity", BIG, nullable=False),
        sa.Column("source_uidnext", BIG, nullable=False),
        sa.Column("source_modseq", BIG, nullable=False),
        sa.Column("source_messages", BIG, nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folder")),
        sa.UniqueConstraint("mailbox", "source_name", name=op.f("uq_folder_mailbox_source_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "message",
        sa.Column("folder_id", BIG, autoincrement=False, nullable=False),
        sa.Column("source_uid", BIG, autoincrement=False, nullable=False),
        sa.Column("target_uid", BIG, nullable=True),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("size", BIG, nullable=False),
        sa.Column("grade", sa.SmallInteger(), nullable=True),
        sa.Column("gone", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name=op.f("fk_message_folder_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("folder_id", "source_uid", name=op.f("pk_message")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "intent",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("folder_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("uidvalidity", BIG, nullable=False),
        sa.Column("uidnext", BIG, nullable=False),
        sa.Column("uids", sa.Text(), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("doubtful", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name=op.f("fk_intent_folder_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_intent_folder_id"), "intent", ["folder_id"])
    op.create_table(
        "staged",
        sa.Column("intent_id", BIG, autoincrement=False, nullable=False),
        sa.Column("origin_uid", BIG, autoincrement=False, nullable=False),
        sa.Column("staged_uid", BIG, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_staged_intent_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("intent_id", "origin_uid", name=op.f("pk_staged")),
    )


def make_route_tables() -> None:
    op.create_table(
        "observed",
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("ingress", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("nexthop", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("wave", "ingress", "address", name=op.f("pk_observed")),
    )
    op.create_table(
        "flip",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("ingress", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.Column("wanted", sa.Text(), nullable=True),
        sa.Column("intended", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flip")),
    )
    op.create_index(op.f("ix_flip_wave_ingress"), "flip", ["wave", "ingress"])
    op.create_table(
        "canary",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("ingress", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("absent_on", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary")),
        sa.UniqueConstraint("token", name=op.f("uq_canary_token")),
    )
    op.create_index(op.f("ix_canary_address"), "canary", ["address"])
    op.create_index(op.f("ix_canary_wave"), "canary", ["wave"])
