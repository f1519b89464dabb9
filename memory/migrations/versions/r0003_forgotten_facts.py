"""What a person had forgotten, so that older messages do not teach it again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "forgotten_facts",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("message_seq", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_forgotten_facts_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_forgotten_facts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_forgotten_facts_person_id", "forgotten_facts", ["person_id"])


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
