"""What is wrong with a program file, noted at its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from loyalty_service.program_file.source import Path, ProgramSource
from loyalty_service.program_file.values import nearest


def note_repeated(source: ProgramSource, values: object) -> None:
    """Note what stands in the file a second time and may stand there once."""
    if not isinstance(values, dict):
        return
    for section, key in (("stores", "id"), ("incentives", "id"), ("incentives", "engine_id")):
        entries = values.get(section)
        first: dict[int | str, int] = {}
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            value = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(value, int | str) and first.setdefault(value, index) != index:
                source.note((section, index, key), f"is taken by {section}[{first[value]}]")
    listed = values.get("identifiers")
    words = listed[:10] if isinstance(listed, list) else []
    for index, word in enumerate(words):
        if word in words[:index]:
            source.note(("identifiers", index), "stands here a second time")


def note_unknown_stores(source: ProgramSource, values: object) -> None:
    """Note the stores of rules that the file does not have; what has another shape is told of."""
    known = {store.get("id") for _, store in _entries(values, "stores")}
    for index, incentive in _entries(values, "incentives"):
        rules = incentive.get("rules")
        listed = rules.get("stores") if isinstance(rules, dict) else None
        for place, store_id in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(store_id, int) and store_id not in known:
                path = ("incentives", index, "rules", "stores", place)
                source.note(path, "is no store of this file")


def _entries(values: object, section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    entries = values.get(section) if isinstance(values, dict) else None
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index, entry


def note_detail(source: ProgramSource, detail: ErrorDetails, model: type[BaseModel]) -> None:
    """Note what does not fit the *model* of the whole file, in words for its writer."""
    path = detail["loc"]
    match detail["type"]:
        case "missing":
            source.note(path, "is required", at_key=True)
        case "extra_forbidden":
            source.note(path, _unknown_key(path, model), at_key=True)
        case "model_type" | "dict_type":
            source.note(path, "must be a mapping, lines of `key: value`")
        case "list_type":
            source.note(path, "must be a list, lines that begin with `-`")
        case "too_long":
            source.note(path, f"must have at most {detail['ctx']['max_length']:,} entries")
        case "too_short":
            source.note(path, f"must have at least {detail['ctx']['min_length']:,} entries")
        case _ if path[-1:] == ("[key]",):
            source.note(path[:-1], f"as a key, {detail['msg']}", at_key=True)
        case _:
            source.note(path, detail["msg"])


def _unknown_key(path: Path, model: type[BaseModel]) -> str:
    known = _known_keys(model, path[:-1])
    near = nearest(path[-1], known)
    return f"is unknown{near}" if near else f"is unknown; known are {', '.join(known)}"


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    known = {field.alias or name: field for name, field in model.model_fields.items()}
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return list(known)
    nested = next(_models(known[names[0]].annotation))
    return _known_keys(nested, tuple(names[1:]))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
