"""Alembic migrations, shipped inside the package and run by `tocsin.store.migrate`."""
