"""Reads a page of measurements as Prometheus does, with every name as it stands there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# The reader of prometheus_client lets every counter's name end in `_total`, Envoy's do not.
LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of the page."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples_of(page: str) -> Sequence[Sample]:
    """Give all numbers of a page."""
    return [
        Sample(name, dict(LABEL.findall(labels)), float(value))
        for name, labels, value in LINE.findall(page)
    ]
