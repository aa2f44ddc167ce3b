"""The rules of profiles."""
