"""How the catalogue is stored, searched and read."""
