"""Which data sets for training were built, who is who in them, and what each of their rows rests on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("manifest_sha256", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    op.create_table(
        "dataset_people",
        sa.Column("dataset_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_dataset_people_dataset_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_dataset_people_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dataset_id", "person_id", name="pk_dataset_people"),
        sa.UniqueConstraint("dataset_id", "alias", name="uq_dataset_people_dataset_id_alias"),
    )
    op.create_index("ix_dataset_people_person_id", "dataset_people", ["person_id"])
    op.create_table(
        "dataset_rows",
        sa.Column("dataset_id", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("marked_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("reason IN ('forgotten', 'withdrawn')", name=op.f("ck_dataset_rows_reason")),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_dataset_rows_dataset_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dataset_id", "row_id", name="pk_dataset_rows"),
    )
    op.create_index("ix_dataset_rows_dataset_id_alias", "dataset_rows", ["dataset_id", "alias"])
    op.create_table(
        "dataset_sources",
        sa.Column("dataset_id", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name="fk_dataset_sources_person_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["dataset_id", "row_id"],
            ["dataset_rows.dataset_id", "dataset_rows.row_id"],
            name="fk_dataset_sources_dataset_id_row_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset_id", "row_id", "source_id", name="pk_dataset_sources"),
    )
    op.create_index("ix_dataset_sources_person_id_source_id", "dataset_sources", ["person_id", "source_id"])


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before the upgrade")
