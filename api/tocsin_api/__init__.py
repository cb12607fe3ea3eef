"""The message API on Litestar."""
