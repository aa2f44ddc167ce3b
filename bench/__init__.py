"""How fast the product is, measured in pairs against a floor that does nothing but the work itself."""
