"""Lets `python -m server` be the command line."""

from server.cli import main

main()
