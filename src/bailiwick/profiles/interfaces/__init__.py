"""How profiles are reached from outside."""
