"""Migrations: one line of them for each context, there and back, in step with the code, safe under load."""
