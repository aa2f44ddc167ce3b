"""A context whose jobs run in the workers of another system."""
