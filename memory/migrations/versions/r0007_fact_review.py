"""What people say of facts that were inferred about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("facts", sa.Column("review", sa.Text(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
