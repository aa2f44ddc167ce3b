"""The HTTP edge: a thin path from the socket to a use case and back."""
