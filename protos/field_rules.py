"""Reads what protovalidate checks of a field."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

IGNORE_ALWAYS = 3
"""Of buf.validate.Ignore."""


def field_rules(field: FieldDescriptor) -> Any:
    """Give the rules of *field*, read with the descriptors that the contract itself brings."""
    pool = field.file.pool
    kind = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
    options: Any = kind.FromString(field.GetOptions().SerializeToString())
    return options.Extensions[pool.FindExtensionByName("buf.validate.field")]
