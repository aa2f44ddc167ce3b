"""SQLAlchemy Core as the language, statements at the driver's speed, on PostgreSQL and on SQLite."""
