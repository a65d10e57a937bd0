"""Schema 4: which process holds the lock and gave a sign of life, by this machine's clock; newest looks."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """From schema 3."""
    op.add_column("locks", sa.Column("process", sa.Text))
    op.add_column("heartbeats", sa.Column("real_at", sa.String(27)))
    op.add_column("heartbeats", sa.Column("holder", sa.Text))
    op.create_table(
        "looks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("real_at", sa.String(27), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
