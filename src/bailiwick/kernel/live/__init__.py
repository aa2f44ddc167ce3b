"""Live updates: what concerns a user reaches them at once, on whichever worker they are connected."""
