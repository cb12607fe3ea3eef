"""Use-cases: check, then write rows and events in one commit."""
