"""Pledges: sums that people promise to give."""
