"""What the person who runs the service can correct."""

from __future__ import annotations


class OperatorError(Exception):
    """
    Raised for a mistake of the operator, or of their machine; its text says what to correct.

    The command line prints the text and nothing else. Whatever else ends a command is a fault of
    ours, and is shown with its traceback.
    """
