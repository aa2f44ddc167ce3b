"""Tasks: what a person has to do, and how far it has got."""
