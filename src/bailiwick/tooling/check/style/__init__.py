"""The design rules that no linter knows. Each is a function from source files to what is wrong in them."""
