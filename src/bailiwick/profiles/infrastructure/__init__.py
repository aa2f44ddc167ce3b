"""How profiles are stored and read, and whom they ask."""
