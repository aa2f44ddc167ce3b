"""What a project may rely on, how that is kept, and how a project moves to a newer version."""
