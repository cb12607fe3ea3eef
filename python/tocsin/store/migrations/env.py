"""Alembic's environment: runs the revisions in the transaction that `tocsin.store.migrate` opened."""

from alembic import context

from tocsin.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
