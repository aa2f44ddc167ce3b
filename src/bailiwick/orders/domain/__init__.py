"""The rules of carts, orders, refunds and coupons."""
