"""Payments: wallets, and the journals that move money between them, by double entry."""
