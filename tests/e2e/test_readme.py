"""README and the pages it leads to: calls work as printed, and what is listed is what there is."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import click
import pytest
import pytest_asyncio
import typer

from loyalty_service.cli import app
from loyalty_service.config import Settings
from loyalty_service.sandbox.demo_data import KEYS, MEMBERS, SINGLE_KEYS
from loyalty_service.sandbox.fixed_codes import FIXED_CODES
from loyalty_service.sandbox.kinds import FAULT_CODES, KINDS, Step
from loyalty_service.storage.lock_order import Rank
from loyalty_service.transport.errors.catalogue import ROWS
from loyalty_service.transport.errors.error_row import ErrorRow
from tests.fault.plan import all_goals
from tests.support.http import HttpClient
from tests.support.server import Front, run_front

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted(
        found
        for pattern in ("*.md", "docs/**/*.md", "envoy/*.md", "tests/**/*.md")
        for found in ROOT.glob(pattern)
    )
}
PROGRAMS = Path(sys.executable).parent
HTTP, GRPC = "127.0.0.1:8080", "127.0.0.1:50051"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTURE = re.compile(r"(\w+)=\$\((.*?)\s*\|\s*sed -n?E 's/(.*)/\\1/p?'\)", re.DOTALL)
ASSIGNMENT = re.compile(r"(\w+)='([^']*)'", re.DOTALL)
CALL = re.compile(rf"(?!make )(\w+='|.*({re.escape(HTTP)}|{re.escape(GRPC)}))", re.DOTALL)
"""What reaches the sandbox, or is a variable for it; what is built first has tests of its own."""

HEREDOC = re.compile(r"\S+/bin/python - <<'(\w+)'\n(.*)\n\1", re.DOTALL)

# What differs from run to run: identifiers made now, times, and what only the caller is told.
MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"20(?!21-08-10)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "<time>"),
)
MASKED_FIELDS = ("otp", "receiptCode", "transferId", "nextPageToken", "access_token")


@dataclass(frozen=True, slots=True)
class Example:
    """A block to paste into a shell, and the answer that its page shows for it."""

    line: int
    command: str
    kind: str
    answer: str


def examples(text: str) -> Iterator[Example]:
    """Find the shell blocks; a block of JSON or text right after one is its answer."""
    blocks = list(FENCE.finditer(text))
    for block, following in zip(blocks, [*blocks[1:], None], strict=False):
        if block[1] != "sh":
            continue
        answered = following is not None and not text[block.end() : following.start()].strip()
        kind, answer = (following[1], following[2]) if answered and following else ("", "")
        if kind == "sh":
            kind, answer = "", ""
        line = text[: block.start()].count("\n") + 2
        yield Example(line, block[2].strip(), kind, answer)


@dataclass(slots=True)
class Shell:
    """Runs what a page prints, on other ports and without a shell or curl."""

    http: str
    grpc: str
    variables: dict[str, str] = field(default_factory=dict)

    async def run(self, command: str) -> tuple[int, str]:
        """Run a command; return the HTTP status, or 0 where there is none, and the output."""
        if captured := CAPTURE.fullmatch(command):
            _, output = await self.run(captured[2])
            found = re.search(captured[3].removeprefix(".*").removesuffix(".*"), output)
            assert found is not None, f"{captured[1]} is not in {output}"
            self.variables[captured[1]] = found[1]
            return 0, ""
        if assigned := ASSIGNMENT.fullmatch(command):
            self.variables[assigned[1]] = assigned[2]
            return 0, ""
        if script := HEREDOC.fullmatch(command):
            return 0, await self._program(sys.executable, "-c", self._moved(script[2]))
        words = [self._expanded(word) for word in shlex.split(command.replace("\\\n", " "))]
        if words[0] == "curl":
            return await self._curl(words[1:])
        assert words[0] == ".venv/bin/grpcurl", f"nobody knows how to run {words[0]}"
        return 0, await self._program(PROGRAMS / "grpcurl", *map(self._moved, words[1:]))

    def _expanded(self, word: str) -> str:
        return re.sub(r"\$([A-Z]+)", lambda name: self.variables[name[1]], word)

    def _moved(self, text: str) -> str:
        return text.replace(GRPC, self.grpc).replace(HTTP, self.http)

    async def _curl(self, words: list[str]) -> tuple[int, str]:
        options = click.Command(
            "curl",
            params=[
                click.Option(["-s", "silent"], is_flag=True),
                click.Option(["-X", "method"]),
                click.Option(["-H", "headers"], multiple=True),
                click.Option(["-d", "body"]),
                click.Option(["-u", "user"]),
                click.Argument(["url"]),
            ],
        )
        given = options.make_context("curl", words).params
        headers = dict(header.split(": ", 1) for header in given["headers"])
        if given["user"] is not None:
            told = base64.b64encode(given["user"].encode()).decode()
            headers["authorization"] = f"Basic {told}"
        body = given["body"]
        if body is not None:
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
        address, path = re.fullmatch(r"http://([^/]+)(/.*)", given["url"]).groups()  # type: ignore[union-attr]
        assert address == HTTP
        host, _, port = self.http.partition(":")
        method = given["method"] or ("GET" if body is None else "POST")
        answer = await HttpClient(host, int(port)).request(method, path, body, headers)
        return answer.status, answer.body.decode()

    async def _program(self, *command: str | Path) -> str:
        """Run a program to its end; return what it wrote to the terminal."""
        ran = await asyncio.to_thread(
            subprocess.run,
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT / "generated",  # Where `-c` looks for modules first.
            text=True,
            timeout=30,
            check=False,
        )
        return ran.stdout


def masked(value: Any) -> Any:
    """Hide what differs from run to run."""
    if isinstance(value, dict):
        return {
            name: "<masked>" if name in MASKED_FIELDS else masked(part)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [masked(part) for part in value]
    if isinstance(value, str):
        for pattern, mask in MASKS:
            value = pattern.sub(mask, value)
    return value


def section(page: str, title: str) -> str:
    """Give the text of a section of a page."""
    found = f"\n{PAGES[page]}".partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, f"{page} has no section {title}"
    return found


def rows(text: str) -> list[list[str]]:
    """Give the cells of the rows of all tables of a text, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    lines += [line for line in text.splitlines() if re.match(r"\| [A-Z]", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def calls(text: str) -> list[Example]:
    """Give the examples of a text that reach the sandbox, and the variables that they need."""
    return [example for example in examples(text) if CALL.match(example.command)]


REPLAYED = {page: found for page, text in PAGES.items() if (found := calls(text))}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fresh_front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """A sandbox that nobody has called before."""
    async with run_front(tmp_path_factory.mktemp("readme"), reflection=True) as running:
        yield running


def test_pages_with_calls_are_found() -> None:
    """README and the pages about calls have calls to replay, and most of them show an answer."""
    assert {"README.md", "docs/orders.md", "docs/errors.md", "docs/sandbox.md"} <= set(REPLAYED)
    assert sum(bool(example.kind) for found in REPLAYED.values() for example in found) >= 15


@pytest.mark.parametrize("page", REPLAYED)
async def test_calls_answer_as_printed(fresh_front: Front, page: str) -> None:
    """Pasted one after the other, the calls of a page answer what the page shows."""
    shell = Shell(f"127.0.0.1:{fresh_front.envoy.http_port}", fresh_front.server.address)
    for example in REPLAYED[page]:
        status, output = await shell.run(example.command)
        place = f"{page}:{example.line}"
        if example.kind == "json":
            answer, shown = json.loads(output), json.loads(example.answer)
            assert masked(answer) == masked(shown), place
            assert status in {0, shown.get("statusCode", 200)}, place
        elif example.kind == "text":
            assert masked("".join(output.split())) == masked("".join(example.answer.split())), place
        else:
            assert output == "", f"{place} shows no answer"


async def test_what_needs_a_key_does_more_without_one(fresh_front: Front) -> None:
    """Each call that the page says needs a key makes a second of what it makes when sent again."""
    guest = await fresh_front.server.admin.enroll()
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": "sent again"}
    calls: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("/loyalty/identify", {"identifier": guest, "posVendor": vendor}, "transactionId"),
        ("/otp", {"loyaltyId": guest}, "otp"),
        ("/loyalty/members", {"name": "Again"}, "member"),
    )
    for path, body, made in calls:
        without = [(await fresh_front.post(path, body)).json()[made] for _ in range(2)]
        key = f"again at {path}"
        under = [
            (await fresh_front.post(path, body, idempotency_key=key)).json()[made] for _ in range(2)
        ]
        assert without[0] != without[1], path
        assert under[0] == under[1], path


@pytest.mark.parametrize("page", PAGES)
def test_commands_to_paste_exist(page: str) -> None:
    """A page names only make targets and commands that there are."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for example in examples(PAGES[page]):
        program, name, inner, *_ = [*example.command.split(), "", ""]
        if program == "make":
            assert re.search(rf"^{name}:", makefile, re.MULTILINE), example.command
        if program == ".venv/bin/loyalty":
            assert {name, f"{name} {inner}"} & commands(), example.command


def commands() -> set[str]:
    """List the command line's commands as they are typed."""
    found = set()
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        inner = getattr(command, "commands", {})
        found |= {f"{name} {part}" for part in inner}
        if not inner or command.invoke_without_command:
            found.add(name)
    return found


def test_command_line_table_is_complete() -> None:
    """The table has every command, and no other."""
    listed = [
        cells[0].strip("`").removeprefix("loyalty ") for cells in rows(PAGES["docs/commands.md"])
    ]

    assert sorted(listed) == sorted(commands())


def test_configuration_table_is_complete() -> None:
    """The table has every setting with its default, and no other."""
    listed = {cells[0].strip("`"): cells[1].strip("`") for cells in rows(PAGES["docs/settings.md"])}

    assert listed == {
        f"LOYALTY_{name.upper()}": written(setting.default)
        for name, setting in Settings.model_fields.items()
    }


def written(default: object) -> str:
    """Write a default as one would set it."""
    if default is None or default == "":
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_sandbox_tables_are_complete() -> None:
    """The tables have every fixed key, member and code, with its role, points and member."""
    listed = rows(PAGES["docs/sandbox.md"])

    keys = {cells[0].strip("`"): cells[1] for cells in listed if "-key" in cells[0]}
    assert keys == {key: role.value for key, role in (KEYS | SINGLE_KEYS).items()}
    members = {
        cells[1].strip("`"): (cells[0], int(cells[2])) for cells in listed if "-" in cells[1]
    }
    assert members == MEMBERS
    codes = {cells[0].strip("`"): cells[1] for cells in listed if cells[0].strip("`").isdigit()}
    kinds = {cells[0].strip("`"): cells for cells in rows(PAGES["docs/sandbox-control.md"])}
    faulty = {cell.strip("`"): "Odile" for kind in KINDS for cell in kinds[kind][1:3]}
    assert codes | faulty == {
        code: MEMBERS[fixed.loyalty_id][0] for code, fixed in FIXED_CODES.items()
    }
    for code, fault in FAULT_CODES.items():
        assert f"`{code}`" in kinds[fault.kind.value][1 if fault.step is Step.IDENTIFY else 2]


def layout() -> set[str]:
    """List the paths that the tree of the layout names."""
    match = re.search(
        r"```text\n(protos/.*?)```", section("docs/architecture.md", "Layers"), re.DOTALL
    )
    assert match is not None
    found, folder = set(), ""
    for line in match[1].splitlines():
        path = line.split()[0]
        folder = "" if not line.startswith(" ") else folder
        found.add(folder + path)
        folder = path if line == path else folder
    return found


def test_layout_is_what_there_is() -> None:
    """The tree names what exists, and every room of the server."""
    named = layout()
    rooms = {
        f"server/loyalty_service/{path.name}{'/' if path.is_dir() else ''}"
        for path in (ROOT / "server" / "loyalty_service").iterdir()
        if not path.name.startswith("_")
    }

    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert rooms <= named


def test_table_of_errors_is_complete() -> None:
    """The page has every error with its words, and whether it tells when to try again."""
    listed = [
        [cell.strip("`") for cell in cells]
        for cells in rows(section("docs/errors.md", "Every error"))
    ]

    assert listed == [
        [
            row.reason,
            row.code.name,
            str(row.http),
            row.rbi,
            row.es,
            row.message,
            "yes" if tells_a_wait(row) else "no",
        ]
        for row in ROWS
    ]


def tells_a_wait(row: ErrorRow) -> bool:
    """Tell whether an error says how long to wait."""
    return row.retry_after_ms is not None or "retry_after_ms" in {
        one.name for one in fields(row.error)
    }


def test_lock_order_is_the_one_there_is() -> None:
    """The page has every rank in its order."""
    listed = [
        cells[0].strip("`") for cells in rows(section("docs/architecture.md", "The lock order"))
    ]

    assert listed == [rank.name for rank in Rank]


def test_every_document_is_linked() -> None:
    """README leads to every document for operators and callers."""
    documents = {page for page in PAGES if re.fullmatch(r"docs/[^/]+\.md", page)}
    linked = re.findall(r"\]\(([^)\s]+)\)", section("README.md", "Where to go next"))
    operations = {page for page in PAGES if page.startswith("docs/operations/")}
    pages = re.findall(r"\]\((operations/[^)#\s]+)\)", PAGES["docs/operations.md"])

    assert documents <= set(linked)
    assert operations == {f"docs/{page}" for page in pages}


def test_page_of_trials_is_complete() -> None:
    """The tables have every goal with its module, and no other."""
    text = PAGES["tests/fault/README.md"].partition("## Which goals there are")[2]
    listed = {tuple(row[:2]) for row in rows(text)}

    assert listed == {
        (f"`goals/{goal.run.__module__.rpartition('.')[2]}.py`", f"{goal.number} {goal.title}")
        for goal in all_goals()
    }


def test_readme_is_short() -> None:
    """README is three screens at most: what it is, how to start, three calls, and where to go."""
    assert len(PAGES["README.md"].splitlines()) <= 250


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every link into the repository names a file, and in it a title, that is there."""
    source = ROOT / page
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        found = source.parent / path if path else source
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """List the anchors that GitHub gives to the titles of a page."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


PATH = re.compile(r"`((?:docs|envoy|generated|protos|server|tests)/[\w./-]*\w/?)`")
PACKAGE = "server/loyalty_service/"
ROOMS = "application|cli|domain|observability|program_file|sandbox|storage|transport"
ROOM = re.compile(rf"`((?:{ROOMS})/[\w/]*(?:\.py|/))`")
LATER = {"protos/loyalty/v2/"}
"""What pages name before it is there."""


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page: str) -> None:
    """A file of the repository that a page names is there."""
    if page == "CHANGELOG.md":
        return  # Of a release it names what there was.
    named = set(PATH.findall(PAGES[page]))
    if not page.startswith("docs/decisions/"):
        named |= {PACKAGE + path for path in ROOM.findall(PAGES[page])}

    assert {path for path in named - LATER if not (ROOT / path).exists()} == set()
