"""The product of acme."""
