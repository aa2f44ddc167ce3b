"""Profiles: how people present themselves to others, and the username that is theirs alone."""
