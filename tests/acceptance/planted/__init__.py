"""A context that sabotages the shop: for tests that must be seen to fail."""
