"""Turns messages of the contract into JSON schemas: names, limits, comments and all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from field_rules import IGNORE_ALWAYS, field_rules

Schema = dict[str, Any]

INT32_MAX = 2**31 - 1

_NUMBER = "JSON callers may send a number"
"""What the comment of a text says whose numbers Envoy turns into text."""

_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
}
"""How JSON writes messages of protobuf's own."""

# Numbers of the fields in which descriptors list their parts: what a comment's path is made of.
_OF_FILE = {4: "message_type", 5: "enum_type", 6: "service"}
_OF_PART: Mapping[type[Any], Mapping[int, str]] = {
    DescriptorProto: {2: "field", 3: "nested_type", 4: "enum_type", 8: "oneof_decl"},
    EnumDescriptorProto: {2: "value"},
    ServiceDescriptorProto: {2: "method"},
}


def comments_of(files: FileDescriptorSet) -> dict[str, str]:
    """Give the comment of everything that has one, by its full name."""
    return {name: text for file in files.file for name, text in _comments(file)}


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        name = _name_at(file, list(location.path))
        if name and location.leading_comments:
            yield name, _unwrapped(location.leading_comments)


def _name_at(file: FileDescriptorProto, path: list[int]) -> str:
    """Name what a comment is about; nothing unless it is a service, message, enum or part."""
    found: Any = file
    parts: Mapping[int, str] = _OF_FILE
    names = [file.package]
    for kind, number in zip(path[::2], path[1::2], strict=False):
        if kind not in parts:
            return ""
        found = getattr(found, parts[kind])[number]
        names.append(found.name)
        parts = _OF_PART.get(type(found), {})
    return "" if len(path) % 2 or not path else ".".join(names)


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph."""
    paragraphs = [
        " ".join(map(str.strip, part.splitlines())).strip() for part in re.split(r"\n\s*\n", text)
    ]
    return "\n\n".join(part for part in paragraphs if part)


def reachable(message: Descriptor) -> set[Descriptor]:
    """Collect a message and all those in its fields, but protobuf's own."""
    found: set[Descriptor] = set()
    pending = [message]
    while pending:
        one = pending.pop()
        if one in found or one.full_name.startswith("google."):
            continue
        found.add(one)
        pending.extend(field.message_type for field in one.fields if field.message_type)
    return found


_PLAIN: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64"},
}
"""Types without rules; a type that stands nowhere is one that the contract has not used yet."""


class Schemas:
    """
    The schemas of all messages that come in or go out.

    A message that does both has two: what is accepted is more than what is answered.

    Args:
        requests: Messages that come in.
        answers: Messages that go out.
        comments: By full name.
    """

    def __init__(
        self, requests: list[Descriptor], answers: list[Descriptor], comments: Mapping[str, str]
    ) -> None:
        self._comments = comments
        self._in = set().union(*map(reachable, requests))
        self._out = set().union(*map(reachable, answers))

    def name(self, message: Descriptor, *, request: bool) -> str:
        """Give the name of a message's schema: a nested one has those that it is in before it."""
        name = message.full_name.removeprefix(f"{message.file.package}.").replace(".", "")
        both = message in self._in and message in self._out
        return f"{name}Input" if request and both else name

    def all(self) -> dict[str, Schema]:
        """Give every schema by its name."""
        found = {
            self.name(message, request=request): self.message(message, request=request)
            for messages, request in ((self._in, True), (self._out, False))
            for message in messages
        }
        return dict(sorted(found.items()))

    def message(
        self, message: Descriptor, *, request: bool, without: frozenset[str] = frozenset()
    ) -> Schema:
        """Give the schema of a message, *without* the fields that do not come in its body."""
        fields = [field for field in message.fields if field.name not in without]
        schema: Schema = {"type": "object", "description": self._comments[message.full_name]}
        schema["properties"] = {
            field.json_name: self.field(field, request=request) for field in fields
        }
        if required := [field.json_name for field in fields if self.required(field, request)]:
            schema["required"] = required
        return schema

    def required(self, field: FieldDescriptor, request: bool) -> bool:  # noqa: FBT001
        """Tell whether a field is always sent, or always answered."""
        comment = self._comments[field.full_name]
        if request:
            required = field_behavior_pb2.REQUIRED in _behavior(field)
            return required and "Required, except in a claim" not in comment
        return not field.has_presence and "absent from JSON" not in comment

    def field(self, field: FieldDescriptor, *, request: bool) -> Schema:
        """Give the schema of a field, with its comment."""
        comment = self._comments[field.full_name]
        rules = field_rules(field)
        if request and rules.ignore == IGNORE_ALWAYS:
            return {"description": comment}  # Whatever is sent is accepted.
        one = self._value(field, rules, comment, request=request)
        if field.is_repeated:
            one = {"type": "array", "items": one}
            if rules.repeated.HasField("max_items"):
                one["maxItems"] = rules.repeated.max_items
            if rules.repeated.HasField("min_items"):
                one["minItems"] = rules.repeated.min_items
        broken = [f"It {rule.message}." for rule in rules.cel] if request else []
        return {"description": " ".join([comment, *broken])} | one

    def _value(self, field: FieldDescriptor, rules: Any, comment: str, *, request: bool) -> Schema:
        if field.message_type is not None:
            if field.message_type.full_name in _WELL_KNOWN:
                return dict(_WELL_KNOWN[field.message_type.full_name])
            name = self.name(field.message_type, request=request)
            return {"$ref": f"#/components/schemas/{name}"}
        if field.enum_type is not None:
            return self._enum(field.enum_type, rules, comment, request=request)
        if field.type == FieldDescriptor.TYPE_STRING:
            number = {"type": ["string", "number"]} if _NUMBER in comment else {}
            return _string(rules.string) | number if request else {"type": "string"}
        if field.type == FieldDescriptor.TYPE_INT32:
            return _integer(rules.int32, request=request)
        return dict(_PLAIN[field.type])

    def _enum(self, kind: EnumDescriptor, rules: Any, comment: str, *, request: bool) -> Schema:
        refused = set(rules.enum.not_in) if request else {0}
        values = [value for value in kind.values if value.number not in refused]
        words = {"type": "string", "enum": [value.name for value in values]}
        told = [
            f"`{value.name}`: {self._comments.get(f'{kind.full_name}.{value.name}', '')}"
            for value in values
        ]
        words["description"] = "\n".join(told)
        if request and "any case" in comment.lower():
            return {"anyOf": [words, {"type": "string", "description": "In any case."}]}
        del words["description"]
        return words | {"x-enum-descriptions": told}


def _behavior(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def _string(rules: Any) -> Schema:
    schema: Schema = {"type": "string"}
    if rules.uuid:
        schema["format"] = "uuid"
    if rules.email:
        schema["format"] = "email"
    if rules.HasField("min_len"):
        schema["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        schema["maxLength"] = rules.max_len
    if rules.pattern:
        schema["pattern"] = rules.pattern
    if getattr(rules, "in"):
        schema["enum"] = list(getattr(rules, "in"))
    return schema


def _integer(rules: Any, *, request: bool) -> Schema:
    if not request:
        return {"type": "integer", "format": "int32"}
    least, most = -INT32_MAX - 1, INT32_MAX
    if rules.WhichOneof("greater_than"):
        least = rules.gte if rules.HasField("gte") else rules.gt + 1
    if rules.WhichOneof("less_than"):
        most = rules.lte if rules.HasField("lte") else rules.lt - 1
    # A string of digits is read as well.
    return {
        "type": ["integer", "string"],
        "format": "int32",
        "minimum": least,
        "maximum": most,
        "pattern": "^-?[0-9]+$",
    }
