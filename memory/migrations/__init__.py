"""Alembic migrations, applied on opening."""
