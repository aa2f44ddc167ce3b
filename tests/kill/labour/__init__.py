"""A context in which every effect is a row, so that what was lost and what was done twice can be counted."""
