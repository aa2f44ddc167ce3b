"""Edits of code that people wrote: a field, a command or an event more, a context in its full shape."""
