"""An index that finds the surest facts of a kind, however many there are."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_facts_person_id_status_kind_confidence_id",
        "facts",
        ["person_id", "status", "kind", "confidence", "id"],
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
