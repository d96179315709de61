"""How messages of webhooks are kept in order until they have arrived."""
