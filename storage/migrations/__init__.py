"""Alembic's environment for the store's fixed tables."""
