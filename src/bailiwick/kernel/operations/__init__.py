"""For operators: what waits and why, what was given up, what happened, and the few things to do about it."""
