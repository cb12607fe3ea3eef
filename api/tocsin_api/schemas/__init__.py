"""Schemas: msgspec structs of request bodies, in Discord's field names; one module per noun, as in routes."""
