"""Routes: one module per noun, each with its `HANDLERS`."""
