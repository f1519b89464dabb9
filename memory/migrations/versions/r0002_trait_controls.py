"""What people decide about their traits: standing still, and what was said being left out for good."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trait_controls",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("trait", sa.Text(), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("forgotten_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_trait_controls_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id", "trait", name="pk_trait_controls"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
