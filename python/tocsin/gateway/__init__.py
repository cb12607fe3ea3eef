"""The control side of a gateway node."""
