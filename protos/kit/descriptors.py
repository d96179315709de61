"""Makes the descriptor set for languages that can't take the options of protovalidate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

VALIDATE = "buf/validate/validate.proto"


def without_validation(descriptor_set: bytes) -> bytes:
    """Take the rules of buf.validate out of a descriptor set, and what defines them."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptor_set).file:
        pool.Add(file)
    # Read with the options that the set itself defines, or they could not be told apart.
    kind = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
    files: Any = kind.FromString(descriptor_set)
    rules = [
        extension
        for name in ("FieldOptions", "MessageOptions", "OneofOptions")
        for extension in pool.FindAllExtensions(
            pool.FindMessageTypeByName(f"google.protobuf.{name}")
        )
        if extension.full_name.startswith("buf.validate.")
    ]
    kept = [file for file in files.file if file.name != VALIDATE]
    for file in kept:
        imported = [name for name in file.dependency if name != VALIDATE]
        del file.dependency[:]
        file.dependency.extend(imported)
        for options in _options(file.message_type):
            for rule in rules:
                if rule.containing_type.name == options.DESCRIPTOR.name:
                    options.ClearExtension(rule)
    plain: bytes = kind(file=kept).SerializeToString(deterministic=True)
    return plain


def _options(messages: Any) -> Iterator[Any]:
    for message in messages:
        for part in (message, *message.field, *message.oneof_decl):
            if part.HasField("options"):
                yield part.options
        yield from _options(message.nested_type)
