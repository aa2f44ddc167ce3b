"""The catalogue: what is sold, at which price, and how much of it there is."""
