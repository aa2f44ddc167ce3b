"""How carts, orders and coupons are stored and read."""
