"""How payments are reached from outside."""
