"""Policies as candidates, canaries, live and previous ones, and how their turns went."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

IN_USE = sa.text("stage IN ('canary', 'live', 'previous')")
STAGES = {"registered": "candidate", "staged": "candidate"}
KEPT = ("version", "preset", "prompt_hash", "details", "stage", "created_at", "updated_at")


def upgrade() -> None:
    # SQLite cannot change a check in place; there are few rows.
    old = sa.table("policies", *(sa.column(name, _type(name)) for name in KEPT))
    rows = [dict(row._mapping) for row in op.get_bind().execute(sa.select(old))]
    op.drop_table("policies")
    op.create_table(
        "policies",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("prompt_hash", sa.Text(), nullable=False),
        sa.Column("details", _type("details"), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("canary_percent", sa.Float(), nullable=True),
        sa.Column("data_manifest", sa.Text(), nullable=True),
        sa.Column("tainted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('lora', 'full', 'configured')", name=op.f("ck_policies_kind")),
        sa.CheckConstraint("preset IN ('full', 'paper')", name=op.f("ck_policies_preset")),
        sa.CheckConstraint("stage IN ('candidate', 'canary', 'live', 'previous', 'retired')", name=op.f("ck_policies_stage")),
        sa.PrimaryKeyConstraint("version", name="pk_policies"),
    )
    op.create_index(
        "uq_policies_in_use", "policies", ["stage"], unique=True, sqlite_where=IN_USE, postgresql_where=IN_USE
    )
    op.create_index("ix_policies_data_manifest", "policies", ["data_manifest"])
    new = sa.table("policies", sa.column("kind", sa.Text()), *(sa.column(name, _type(name)) for name in KEPT))
    # An unfinished canary begins anew; there was no percentage to go on with.
    stages = {**STAGES, "canary": "candidate"}
    for row in rows:
        op.execute(new.insert().values({**row, "kind": "full", "stage": stages.get(row["stage"], row["stage"])}))
    op.create_table(
        "policy_turns",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("first_token_ms", sa.Integer(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.CheckConstraint("outcome IN ('answered', 'failed')", name=op.f("ck_policy_turns_outcome")),
        sa.PrimaryKeyConstraint("version", "outcome", "first_token_ms", name="pk_policy_turns"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")


def _type(name: str) -> Any:
    if name == "details":
        from sqlalchemy.dialects.postgresql import JSONB

        return sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    return sa.DateTime(timezone=True) if name.endswith("_at") else sa.Text()
