"""How tasks are reached from outside."""
