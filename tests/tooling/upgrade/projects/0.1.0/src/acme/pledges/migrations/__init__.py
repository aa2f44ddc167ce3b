"""The versions of the tables of pledges."""
