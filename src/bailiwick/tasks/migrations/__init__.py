"""The tables of tasks, as one Alembic branch."""
