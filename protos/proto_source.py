"""Writes a .proto file from its descriptor, where a package brings only that: without comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_encoding import CEscape

INDENT = "  "
EXTENSION_NUMBER_MAX = 536870911


class ProtoSource:
    """
    The source of a proto2 file.

    Args:
        file: What to write.
        pool: Knows the file and what it imports, to read the options that these define.

    Raises:
        ValueError: The file holds what is not written: services, groups, maps, default values.
    """

    def __init__(self, file: FileDescriptorProto, pool: DescriptorPool) -> None:
        kinds = {kind.type for message in file.message_type for kind in message.field}
        if file.syntax not in {"", "proto2"} or file.service or FieldDescriptor.TYPE_GROUP in kinds:
            raise ValueError(f"{file.name} is more than messages, enums and extensions of proto2")
        self._file = file
        self._pool = pool

    def __str__(self) -> str:
        """Return the whole file."""
        file = self._file
        lines = [
            f"// Written by protos/generate.py from the descriptor of {file.name}. Do not edit.",
            'syntax = "proto2";',
            f"package {file.package};",
            *(f'import "{name}";' for name in file.dependency),
            *(f"option {option};" for option in self._options(file.options)),
            *self._extensions(file.extension),
        ]
        for message in file.message_type:
            lines.extend(self._message(message))
        for enum in file.enum_type:
            lines.extend(self._enum(enum))
        return "\n".join(lines) + "\n"

    def _extensions(self, fields: Sequence[FieldDescriptorProto]) -> Iterator[str]:
        for field in fields:
            yield f"extend {_type(field.extendee)} {{"
            yield INDENT + self._field(field)
            yield "}"

    def _message(self, message: DescriptorProto) -> Iterator[str]:
        if message.nested_type or message.extension:
            raise ValueError(f"{message.name} has nested messages, maps or extensions")
        yield f"message {message.name} {{"
        yield from (f"{INDENT}option {option};" for option in self._options(message.options))
        for enum in message.enum_type:
            yield from (INDENT + line for line in self._enum(enum))
        for number, fields in groupby(message.field, _oneof_of):
            if number is None:
                yield from (INDENT + self._field(field) for field in fields)
                continue
            oneof = message.oneof_decl[number]
            yield f"{INDENT}oneof {oneof.name} {{"
            options = self._options(oneof.options)
            yield from (f"{INDENT * 2}option {option};" for option in options)
            yield from (INDENT * 2 + self._field(field) for field in fields)
            yield f"{INDENT}}}"
        # Of messages, unlike enums, a range ends before its end.
        for reserved in message.reserved_range:
            yield f"{INDENT}reserved {reserved.start} to {reserved.end - 1};"
        yield from (f'{INDENT}reserved "{name}";' for name in message.reserved_name)
        for extensions in message.extension_range:
            last = extensions.end - 1
            end = "max" if last == EXTENSION_NUMBER_MAX else last
            yield f"{INDENT}extensions {extensions.start} to {end};"
        yield "}"

    def _enum(self, enum: EnumDescriptorProto) -> Iterator[str]:
        yield f"enum {enum.name} {{"
        yield from (f"{INDENT}option {option};" for option in self._options(enum.options))
        for value in enum.value:
            yield f"{INDENT}{value.name} = {value.number}{self._suffix(value.options)};"
        for reserved in enum.reserved_range:
            yield f"{INDENT}reserved {reserved.start} to {reserved.end};"
        yield from (f'{INDENT}reserved "{name}";' for name in enum.reserved_name)
        yield "}"

    def _field(self, field: FieldDescriptorProto) -> str:
        if field.default_value:
            raise ValueError(f"{field.name} has a default value")
        kind = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
        label = FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
        words = "" if field.HasField("oneof_index") else f"{label} "
        words += _type(field.type_name) or kind
        return f"{words} {field.name} = {field.number}{self._suffix(field.options)};"

    def _suffix(self, options: Any) -> str:
        found = ", ".join(self._options(options))
        return f" [{found}]" if found else ""

    def _options(self, options: Any) -> Iterator[str]:
        """Write each option that is set; those of other files are read with the pool."""
        kind = GetMessageClass(self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        for option, value in kind.FromString(options.SerializeToString()).ListFields():
            name = f"({option.full_name})" if option.is_extension else option.name
            yield f"{name} = {_value(option, value)}"


def _oneof_of(field: FieldDescriptorProto) -> int | None:
    return field.oneof_index if field.HasField("oneof_index") else None


def _type(name: str) -> str:
    return name.removeprefix(".")


def _value(option: FieldDescriptor, value: Any) -> str:
    if option.message_type is not None:
        return f"{{ {text_format.MessageToString(value, as_one_line=True).strip()} }}"
    if option.enum_type is not None:
        return str(option.enum_type.values_by_number[value].name)
    if isinstance(value, str):
        return f'"{CEscape(value, as_utf8=True)}"'
    return str(value).lower() if isinstance(value, bool) else str(value)
