"""How committed events reach the gateways."""
