"""What jobs used, and labels to find them by."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("usage_due", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("cpu_seconds", sa.Float(), nullable=True))
    op.add_column("jobs", sa.Column("peak_memory", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("nodes", sa.Text(), nullable=True))
    op.create_index(op.f("ix_jobs_cluster_usage_due"), "jobs", ["cluster", "usage_due"])
    op.create_table(
        "job_labels",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_labels_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "key", name=op.f("pk_job_labels")),
    )
    op.create_index(op.f("ix_job_labels_key_value"), "job_labels", ["key", "value"])


def downgrade() -> None:
    op.drop_table("job_labels")
    op.drop_index(op.f("ix_jobs_cluster_usage_due"), table_name="jobs")
    for name in ("nodes", "peak_memory", "cpu_seconds", "usage_due"):
        op.drop_column("jobs", name)
