"""Where a data set is built: the answers kept there rest on people's words, and forgetting must find them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("work", sa.Text(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
