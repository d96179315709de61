"""Domain errors as gRPC statuses and as both contracts' bodies."""
