"""First schema: everything `tocsin.store.schema` held at 0.1.0."""

from alembic import op

from tocsin.store.schema import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables of the first release."""
    METADATA.create_all(op.get_bind())


def downgrade() -> None:
    """Drop them all."""
    METADATA.drop_all(op.get_bind())
