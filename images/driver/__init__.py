"""The build driver: what images there are, what goes into each, and the building and checking of them."""
