"""The rules of accounts, roles, passwords, sessions and links."""
