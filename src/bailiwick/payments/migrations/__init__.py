"""The tables of payments, as one Alembic branch."""
