"""The text of a program file: YAML whose every value has a place, and the mistakes in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

FILE_CHARACTERS_MAX = 16 * 1024 * 1024

VALUES_MAX = 5_000_000
"""Values in a file, those of an alias counted where it stands: as many take half a minute."""

MISTAKES_MAX = 1_000
"""Mistakes that are noted: nobody corrects more of them at once."""

Path = tuple[int | str, ...]

_YAML_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")


@dataclass(frozen=True, slots=True)
class Mistake:
    """
    One thing to correct in a program file.

    Attributes:
        line: Line of the file, from 1.
        column: Character of the line, from 1.
        field: Path of the field, for instance `incentives[2].points`; empty for the file.
        message: What the value must be, in English, without a full stop.
        source: The line as it stands in the file.
    """

    line: int
    column: int
    field: str
    message: str
    source: str


class ProgramFileError(Exception):
    """Raised when a program file can't be applied; it carries every mistake, in file order."""

    def __init__(self, file_name: str, mistakes: Iterable[Mistake]) -> None:
        self.file_name = file_name
        self.mistakes = tuple(sorted(mistakes, key=lambda found: (found.line, found.column)))
        super().__init__(file_name, self.mistakes)

    def __str__(self) -> str:
        """Show every mistake on its own line."""
        return "\n".join(render_mistakes(self))


def render_mistakes(
    error: ProgramFileError, *, mistakes_max: int | None = None, source: bool = False
) -> list[str]:
    """
    Write mistakes as lines for a terminal, `program.yaml:12:5: incentives[2].points: must be ...`.

    *source* adds the line of the file and a mark below the character. Mistakes beyond
    *mistakes_max* are counted in a last line.
    """
    shown = error.mistakes[:mistakes_max]
    lines = [line for mistake in shown for line in _render(error.file_name, mistake, source=source)]
    left = len(error.mistakes) - len(shown)
    return [*lines, f"{error.file_name}: {left:,} more mistakes"] if left else lines


def _render(file_name: str, mistake: Mistake, *, source: bool) -> Iterator[str]:
    field = f"{mistake.field}: " if mistake.field else ""
    yield f"{file_name}:{mistake.line}:{mistake.column}: {field}{mistake.message}"
    if source and mistake.source:
        number = f"{mistake.line:>6}"
        indent = re.sub(r"[^\t]", " ", mistake.source[: mistake.column - 1])
        yield f"{number} | {mistake.source}"
        yield f"{' ' * len(number)} | {indent}^"


def field_path(path: Path) -> str:
    """Write a path as an operator reads it: `incentives[2].plus["Kiosk vendor"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A scalar that is neither text nor a plain number nor true or false."""

    text: str


class ProgramSource:
    """A program file's YAML, which knows the place of every value."""

    def __init__(self, text: str, file_name: str) -> None:
        self._file_name = file_name
        self._lines = text.splitlines()
        self._converted: dict[int, object] = {}
        self._sizes: dict[int, int] = {}
        self._children: dict[int, dict[str, tuple[Node, Node]]] = {}
        self.mistakes: dict[tuple[Path, int, int], Mistake] = {}
        self._root = self._compose(text)

    def values(self) -> object:
        """Convert the YAML to plain values, exactly; note what YAML allows and the file doesn't."""
        if self._size(self._root) > VALUES_MAX:
            self._give_up(1, 1, f"must have at most {VALUES_MAX:,} values, with those of aliases")
        return self._value(self._root, ())

    @property
    def full(self) -> bool:
        """Whether so many mistakes are noted that no more are."""
        return len(self.mistakes) >= MISTAKES_MAX

    def note(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note a mistake, unless the same value has one already."""
        if self.full:
            return
        line, column = self._place(path, at_key=at_key)
        self._note_at(path, line, column, message)

    def _note_at(self, path: Path, line: int, column: int, message: str) -> None:
        if self.full:
            return
        source = self._lines[line - 1] if line <= len(self._lines) else ""
        mistake = Mistake(line, column, field_path(path), message, source)
        self.mistakes.setdefault((path, line, column), mistake)

    def _compose(self, text: str) -> Node:
        if len(text) > FILE_CHARACTERS_MAX:
            self._give_up(1, 1, f"must have at most {FILE_CHARACTERS_MAX:,} characters")
        try:
            root = _compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self._give_up(line, column, f"is not YAML: {_yaml_problem(error)}")
        except YAMLError as error:
            before = text[: getattr(error, "position", 0)].splitlines() or [""]
            problem = str(error).splitlines()[0]
            self._give_up(len(before), len(before[-1]) + 1, f"is not YAML: {problem}")
        except RecursionError:
            self._give_up(1, 1, "is nested too deeply")
        if root is None:
            self._give_up(1, 1, "is empty")
        return root

    def _give_up(self, line: int, column: int, message: str) -> NoReturn:
        self._note_at((), line, column, message)
        raise ProgramFileError(self._file_name, self.mistakes.values())

    def _size(self, node: Node) -> int:
        """Count the values of a node; one that is inside itself counts once there."""
        if isinstance(node, ScalarNode):
            return 1
        known = self._sizes.get(id(node))
        if known is None:
            self._sizes[id(node)] = 1
            parts = [item[-1] if isinstance(item, tuple) else item for item in node.value]
            known = self._sizes[id(node)] = 1 + sum(map(self._size, parts))
        return known

    def _value(self, node: Node, path: Path) -> object:
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._converted:  # An alias; or, while it is None, one inside itself.
            known = self._converted[id(node)]
            if known is None:
                self.note(path, "must not contain itself")
            return known
        self._converted[id(node)] = None
        self._converted[id(node)] = value = self._collection(node, path)
        return value

    def _collection(self, node: Node, path: Path) -> object:
        if node.tag not in {f"{_YAML_TAG}map", f"{_YAML_TAG}seq"}:
            return _Unreadable(str(node.tag))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, item in node.value:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if not isinstance(key, ScalarNode):
                self._note_at((*path, "?"), line, column, "must have plain text as its key")
            elif key.value in values:
                self._note_at((*path, key.value), line, column, "is written twice")
            else:
                values[key.value] = self._value(item, (*path, key.value))
        return values

    def _scalar(self, node: ScalarNode, path: Path) -> object:
        kind = str(node.tag).removeprefix(_YAML_TAG)
        if kind == "null":
            self.note(path, "has no value; fill it in or leave the field out")
            return None
        if kind in {"str", "timestamp"}:
            return str(node.value)
        if kind == "bool" and node.value.lower() in {"true", "false"}:
            return bool(node.value.lower() == "true")
        number = _NUMBER.fullmatch(node.value) if kind in {"int", "float"} else None
        if number is None:
            return _Unreadable(node.value)
        return Decimal(node.value) if number[1] else int(node.value)

    def _place(self, path: Path, *, at_key: bool) -> tuple[int, int]:
        key = node = self._root
        for part in path:
            child = self._child(node, part)
            if child is None:
                at_key = True
                break
            key, node = child
        blank = isinstance(node, ScalarNode) and node.tag == f"{_YAML_TAG}null"
        mark = (key if at_key or blank else node).start_mark
        return mark.line + 1, mark.column + 1

    def _child(self, node: Node, part: int | str) -> tuple[Node, Node] | None:
        """Find the key and the value that *part* names; a list's items are their own keys."""
        if isinstance(node, MappingNode):
            known = self._children.get(id(node))
            if known is None:
                known = self._children[id(node)] = {}
                for key, item in node.value:
                    if isinstance(key, ScalarNode):
                        known.setdefault(key.value, (key, item))
            return known.get(part) if isinstance(part, str) else None
        if isinstance(node, ScalarNode) or not isinstance(part, int):
            return None
        item = node.value[part]
        return item, item


def _compose(text: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)  # The round-trip type marks folds in the text itself.
    yaml.composer.warn_double_anchors = False  # Legal YAML: the latest anchor wins.
    root: Node | None = yaml.compose(text)
    return root


def _yaml_problem(error: MarkedYAMLError) -> str:
    return " ".join(part for part in (error.context, error.problem) if part)
