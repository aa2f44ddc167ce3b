"""How identity is reached from outside."""
