"""The gRPC door: parsing, authentication, rendering, and errors in both dialects."""
