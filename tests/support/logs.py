"""What servers in this process log while a trial runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def only_errors_logged() -> Iterator[None]:
    """Keep everything below errors from the terminal, where thousands of lines would bury them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)
