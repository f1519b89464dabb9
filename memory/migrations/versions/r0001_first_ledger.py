"""The first ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])

    op.create_table(
        "policies",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("prompt_hash", sa.Text(), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("preset IN ('full', 'paper')", name=op.f("ck_policies_preset")),
        sa.CheckConstraint(
            "stage IN ('registered', 'staged', 'canary', 'live', 'retired')", name=op.f("ck_policies_stage")
        ),
        sa.PrimaryKeyConstraint("version", name="pk_policies"),
    )
    op.create_index(
        "uq_policies_live",
        "policies",
        ["stage"],
        unique=True,
        sqlite_where=sa.text("stage = 'live'"),
        postgresql_where=sa.text("stage = 'live'"),
    )

    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app_key_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("slot", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("app_key_id", "external_id", name="uq_users_app_key_id_external_id"),
        sa.UniqueConstraint("slot", name="uq_users_slot"),
    )
    op.create_table(
        "consents",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_consents_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_consents"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consents_person_id_seq", "consents", ["person_id", "seq"])

    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("incognito", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("synthetic_dates", sa.Boolean(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_conversations_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.UniqueConstraint("person_id", "id", name="uq_conversations_person_id_id"),
    )
    op.create_index("ix_conversations_person_id_thread", "conversations", ["person_id", "thread"])
    op.create_index("ix_conversations_person_id_updated_at_id", "conversations", ["person_id", "updated_at", "id"])

    op.create_table(
        "facts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("superseded_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_recalled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("origin IN ('stated', 'inferred', 'edited')", name=op.f("ck_facts_origin")),
        sa.CheckConstraint("status IN ('active', 'superseded')", name=op.f("ck_facts_status")),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name=op.f("ck_facts_confidence")),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_facts_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_facts"),
        sa.UniqueConstraint("person_id", "id", name="uq_facts_person_id_id"),
    )
    op.create_index("ix_facts_person_id_status_id", "facts", ["person_id", "status", "id"])
    op.create_index(
        "uq_facts_active_fingerprint",
        "facts",
        ["person_id", "fingerprint"],
        unique=True,
        sqlite_where=sa.text("status = 'active'"),
        postgresql_where=sa.text("status = 'active'"),
    )

    op.create_table(
        "jobs",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'running', 'done', 'failed')", name=op.f("ck_jobs_status")),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_jobs_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_person_id_status_seq", "jobs", ["person_id", "status", "seq"])
    op.create_index("ix_jobs_status_seq", "jobs", ["status", "seq"])
    op.create_index(
        "uq_jobs_running_person",
        "jobs",
        ["person_id"],
        unique=True,
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "uq_jobs_unfinished_dedupe_key",
        "jobs",
        ["person_id", "kind", "dedupe_key"],
        unique=True,
        sqlite_where=sa.text("status IN ('pending', 'running')"),
        postgresql_where=sa.text("status IN ('pending', 'running')"),
    )

    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('user', 'app', 'admin', 'owner')", name=op.f("ck_keys_kind")),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_keys_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("secret_sha256", name="uq_keys_secret_sha256"),
    )
    op.create_index("ix_keys_person_id", "keys", ["person_id"])

    op.create_table(
        "settings",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("memory", sa.Boolean(), nullable=False),
        sa.Column("persona", sa.Boolean(), nullable=False),
        sa.Column("training", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("adult", sa.Boolean(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_settings_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id", name="pk_settings"),
    )
    op.create_table(
        "messages",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("client_message_id", sa.Text(), nullable=True),
        sa.Column("crisis_level", sa.Text(), nullable=True),
        sa.Column("explanation", JSON, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "crisis_level IN ('none', 'concern', 'high', 'imminent')", name=op.f("ck_messages_crisis_level")
        ),
        sa.CheckConstraint("role IN ('user', 'assistant')", name=op.f("ck_messages_role")),
        sa.CheckConstraint("status IN ('complete', 'partial', 'failed', 'retracted')", name=op.f("ck_messages_status")),
        sa.ForeignKeyConstraint(
            ["conversation_id", "parent_id"],
            ["messages.conversation_id", "messages.id"],
            name="fk_messages_conversation_id_parent_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id", "conversation_id"],
            ["conversations.person_id", "conversations.id"],
            name="fk_messages_person_id_conversation_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_messages"),
        sa.UniqueConstraint(
            "conversation_id", "client_message_id", name="uq_messages_conversation_id_client_message_id"
        ),
        sa.UniqueConstraint("conversation_id", "id", name="uq_messages_conversation_id_id"),
        sa.UniqueConstraint("id", name="uq_messages_id"),
        sa.UniqueConstraint("person_id", "id", name="uq_messages_person_id_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_conversation_id_parent_id", "messages", ["conversation_id", "parent_id"])
    op.create_index("ix_messages_conversation_id_seq", "messages", ["conversation_id", "seq"])
    op.create_index("ix_messages_person_id_role_seq", "messages", ["person_id", "role", "seq"])

    op.create_table(
        "fact_evidence",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("fact_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("quote_sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id", "fact_id"],
            ["facts.person_id", "facts.id"],
            name="fk_fact_evidence_person_id_fact_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id", "message_id"],
            ["messages.person_id", "messages.id"],
            name="fk_fact_evidence_person_id_message_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_fact_evidence"),
        sa.UniqueConstraint(
            "fact_id", "message_id", "quote_sha256", name="uq_fact_evidence_fact_id_message_id_quote_sha256"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_fact_evidence_person_id_message_id", "fact_evidence", ["person_id", "message_id"])

    op.create_table(
        "feedback",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("rating", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("better", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rating IN ('up', 'down')", name=op.f("ck_feedback_rating")),
        sa.ForeignKeyConstraint(
            ["person_id", "message_id"],
            ["messages.person_id", "messages.id"],
            name="fk_feedback_person_id_message_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_person_id_message_id", "feedback", ["person_id", "message_id"])

    op.create_table(
        "trait_evidence",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("trait", sa.Text(), nullable=False),
        sa.Column("direction", sa.Integer(), nullable=False),
        sa.Column("strength", sa.Float(), nullable=False),
        sa.Column("item", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("direction IN (-1, 1)", name=op.f("ck_trait_evidence_direction")),
        sa.CheckConstraint("strength >= 0 AND strength <= 1", name=op.f("ck_trait_evidence_strength")),
        sa.ForeignKeyConstraint(
            ["person_id", "conversation_id"],
            ["conversations.person_id", "conversations.id"],
            name="fk_trait_evidence_person_id_conversation_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id", "message_id"],
            ["messages.person_id", "messages.id"],
            name="fk_trait_evidence_person_id_message_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_trait_evidence_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_trait_evidence"),
        sa.UniqueConstraint("id", name="uq_trait_evidence_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_trait_evidence_person_id_message_id", "trait_evidence", ["person_id", "message_id"])
    op.create_index("ix_trait_evidence_person_id_seq", "trait_evidence", ["person_id", "seq"])


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
