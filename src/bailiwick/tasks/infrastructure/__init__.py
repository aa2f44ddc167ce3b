"""How tasks are stored and read."""
