"""How the catalogue is reached from outside."""
