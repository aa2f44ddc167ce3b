"""A context that sabotages the product it is loaded into: for tests that must be seen to fail."""
