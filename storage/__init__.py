"""The event store and the views on SQLAlchemy Core: SQLite and PostgreSQL."""
