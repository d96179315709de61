"""The client kit: OpenAPI, made from the descriptors, the errors and the transcripts."""
