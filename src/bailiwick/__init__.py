"""A business backend of working bounded contexts on a small kernel."""
