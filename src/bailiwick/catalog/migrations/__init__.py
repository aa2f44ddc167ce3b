"""The tables of the catalogue, as one Alembic branch."""
