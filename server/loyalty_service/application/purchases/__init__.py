"""What tills of the ES contract do with the purchase of a session."""
