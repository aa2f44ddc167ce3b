"""What builds on the product and watches over it: generators, checks, the map, clients and upgrades."""
