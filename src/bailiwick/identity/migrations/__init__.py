"""The tables of identity, as one Alembic branch."""
