"""Use cases of incentives."""
