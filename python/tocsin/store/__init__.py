"""The durable truth: rows, scopes' sequences, the outbox."""
