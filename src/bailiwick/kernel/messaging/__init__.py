"""Facts and work: events written with the change that caused them, delivered at least once, applied once."""
