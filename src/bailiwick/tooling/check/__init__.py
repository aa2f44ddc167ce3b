"""`bailiwick check`: the rules that keep a project easy to change, and what each of them finds."""
