"""The kernel's own tables, as one Alembic branch."""
