"""The console: web pages for the help desk and head office, over the RPCs that operators have."""
