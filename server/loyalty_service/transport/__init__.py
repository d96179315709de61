"""The gRPC side: parsing, authentication, rendering, and errors in both dialects."""
