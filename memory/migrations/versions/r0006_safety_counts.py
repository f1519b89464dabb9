"""How often people in distress were noticed and shown where to turn, as counts by day: no person, no text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "safety_counts",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.CheckConstraint("event IN ('screened', 'card', 'replaced')", name="event"),
        sa.CheckConstraint("level IN ('none', 'concern', 'high', 'imminent')", name="level"),
        sa.PrimaryKeyConstraint("day", "event", "level", name="pk_safety_counts"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
