"""The tables of profiles, as one Alembic branch."""
