"""What people and operators do with accounts."""
