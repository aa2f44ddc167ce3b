"""What every bounded context builds on. The kernel knows no context."""
