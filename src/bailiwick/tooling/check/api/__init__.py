"""The published API: what of it changed, and whether its clients go on working."""
