"""Generators: a new project, a new context, and what extends one."""
