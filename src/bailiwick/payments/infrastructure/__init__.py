"""How payments are stored and read."""
