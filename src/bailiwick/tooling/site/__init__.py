"""The documentation as a site that asks nobody else for anything."""
