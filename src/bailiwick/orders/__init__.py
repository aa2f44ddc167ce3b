"""Orders: what customers want, from the cart to the delivery or the refund."""
