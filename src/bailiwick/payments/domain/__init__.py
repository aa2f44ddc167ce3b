"""What a wallet is, how money moves, and what forbids it."""
