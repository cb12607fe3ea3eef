"""Pure nouns of the wire and of the store: no I/O, no clock."""
