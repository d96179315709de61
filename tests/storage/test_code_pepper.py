"""The secret beside the embedded database: made whole, kept, and never replaced in silence."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from loyalty_service.bootstrap import database_of, open_store, require_peppers
from loyalty_service.cli import main
from loyalty_service.config import Settings
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.storage.alone import OpenElsewhereError
from loyalty_service.storage.connections import writing
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.peppers import PepperError, require_known
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.tables import KeptAnswerTable
from tests.support.ledger import rows
from tests.support.lived_store import live
from tests.support.stores import PEPPER


def _keep(file: Path, content: bytes) -> None:
    """Write a secret for its owner's eyes."""
    file.touch(mode=0o600)
    file.write_bytes(content)


def test_pepper_is_made_once(tmp_path: Path) -> None:
    """The first use makes it, alone in its folder, for its owner's eyes; the next one finds it."""
    settings = Settings(data_dir=tmp_path / "new")

    made = settings.pepper()

    assert len(made) == 64
    assert settings.pepper() == made
    assert [path.name for path in settings.data_dir.iterdir()] == ["code-pepper"]
    assert stat.S_IMODE(settings.pepper_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "\n" * 40, "x" * 31, "é" * 32])
def test_file_without_a_pepper_is_refused(tmp_path: Path, content: str) -> None:
    """An empty or damaged file would make codes that anyone can guess: it is named instead."""
    settings = Settings(data_dir=tmp_path)
    _keep(settings.pepper_file, content.encode())

    for use in (settings.pepper, settings.known_pepper):
        with pytest.raises(OperatorError, match=rf"{settings.pepper_file} holds no code pepper"):
            use()
    assert settings.pepper_file.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("name", ["code-pepper", "code-peppers-other"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "link to nothing", "endless"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str, kind: str) -> None:
    """Whatever stands where a pepper should is named: nothing waits for it or makes another."""
    settings = Settings(data_dir=tmp_path)
    _keep(settings.pepper_file, b"p" * 32)
    place = tmp_path / name
    place.unlink(missing_ok=True)
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place, 0o600)
    else:
        targets = {"loop": name, "link to nothing": "nothing", "endless": "/dev/zero"}
        place.symlink_to(targets[kind])

    with pytest.raises(OperatorError, match=rf"{place} .*(not a file|read|nowhere)"):
        settings.peppers()


def test_mark_of_an_editor_is_refused_among_other_peppers(tmp_path: Path) -> None:
    """An invisible mark at its beginning makes another secret of one: it is not announced."""
    settings = Settings(data_dir=tmp_path)
    _keep(settings.pepper_file, b"p" * 32)
    _keep(settings.other_peppers_file, b"\xef\xbb\xbf" + b"o" * 32)

    with pytest.raises(OperatorError, match="not a code pepper"):
        settings.peppers()


def test_end_of_a_line_is_no_part_of_it(tmp_path: Path) -> None:
    """A file that a shell wrote holds the same secret as the variable."""
    _keep(Settings(data_dir=tmp_path).pepper_file, b"p" * 32 + b"\n")

    assert Settings(data_dir=tmp_path).pepper() == b"p" * 32


@pytest.mark.parametrize("moment", ["fsync", "link"])
def test_crash_leaves_no_half_pepper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whatever fails on the way, there is no file by that name, and the next start makes one."""

    def fail(*_: Any) -> None:
        raise OSError("gone")

    settings = Settings(data_dir=tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(os, moment, fail)
        with pytest.raises(OSError, match="gone"):
            settings.pepper()

    assert list(tmp_path.iterdir()) == []
    assert len(settings.pepper()) == 64


def test_pepper_that_another_process_made_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that make one at once, both use the same."""
    settings = Settings(data_dir=tmp_path)
    link = os.link

    def overtaken(source: Path, target: Path) -> None:
        _keep(Path(target), PEPPER)
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)

    assert settings.pepper() == PEPPER
    assert [path.name for path in tmp_path.iterdir()] == ["code-pepper"]


async def test_lived_store_gets_no_new_pepper(tmp_path: Path) -> None:
    """Beside a store in use a missing pepper is asked for: a new one knows none of its receipts."""
    settings = Settings(data_dir=tmp_path)
    migrate(database_of(settings))
    await live(f"sqlite:///{tmp_path / 'loyalty.db'}")

    with pytest.raises(OperatorError, match=r"code pepper is missing: bring .*/code-pepper back"):
        async with open_store(settings):
            pass
    assert not settings.pepper_file.exists()

    _keep(settings.pepper_file, PEPPER)
    async with open_store(settings):
        assert require_peppers(settings).current == PEPPER


async def test_fresh_store_gets_a_pepper(tmp_path: Path) -> None:
    """A store in which no code was issued has none to lose."""
    settings = Settings(data_dir=tmp_path)
    async with open_store(settings):
        assert settings.pepper_file.exists()
    settings.pepper_file.unlink()
    async with open_store(settings):
        assert settings.pepper_file.exists()


async def test_second_server_changes_nothing(tmp_path: Path) -> None:
    """A server that is refused leaves the pepper of the one that runs the store's."""
    url = f"sqlite:///{tmp_path / 'loyalty.db'}"
    first, second = (Settings(data_dir=tmp_path / name, database_url=url) for name in "ab")
    async with open_store(first, serves=True):
        with pytest.raises(OpenElsewhereError):
            async with open_store(second, serves=True):
                pass
        require_known(database_of(first), first.peppers())


@pytest.mark.parametrize("name", ["code-pepper", "code-peppers-other"])
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_pepper_that_everybody_may_read_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    """A secret that every user may read is refused, with the command that corrects it."""
    settings = Settings(data_dir=tmp_path)
    for file in (settings.pepper_file, settings.other_peppers_file):
        _keep(file, PEPPER)
    (tmp_path / name).chmod(mode)

    with pytest.raises(OperatorError, match=f"`chmod 600 {tmp_path / name}`"):
        settings.peppers()

    (tmp_path / name).chmod(0o640)
    assert settings.peppers().current == PEPPER


@pytest.mark.parametrize(
    ("name", "open_to", "mends"),
    [
        ("", 0o002, "o-w"),
        ("loyalty.db", 0o002, "600"),
        ("loyalty.db", 0o004, "600"),
        ("loyalty.db-wal", 0o002, "600"),
        ("loyalty.db-wal", 0o004, "600"),
    ],
)
async def test_store_that_is_open_to_everybody_is_refused(
    tmp_path: Path, name: str, open_to: int, mends: str
) -> None:
    """Others would read it or put another in place; a group may, as containers need it."""
    settings = Settings(data_dir=tmp_path / "data")
    async with open_store(settings):
        pass
    place = settings.data_dir / name
    place.touch(mode=0o600)
    mode = stat.S_IMODE(place.stat().st_mode)
    assert place.is_dir() or mode == 0o600
    place.chmod(mode | open_to)

    with pytest.raises(OperatorError, match=f"`chmod {mends} {place}`"):
        async with open_store(settings):
            pass

    place.chmod(mode | 0o060)
    async with open_store(settings):
        pass


def test_folder_is_never_made_for_everybody(tmp_path: Path) -> None:
    """A container without a umask makes no folder that its next start refuses."""
    before = os.umask(0)
    try:
        Settings(data_dir=tmp_path / "data").make_data_dir()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("text", "others"),
    [
        (f"{'a' * 32},{'b' * 32}", ("a" * 32, "b" * 32)),
        (f" {'a' * 32} , ", ("a" * 32,)),
        (
            '["with, a comma, and more than thirty-two"]',
            ("with, a comma, and more than thirty-two",),
        ),
    ],
)
def test_others_are_listed(tmp_path: Path, text: str, others: tuple[str, ...]) -> None:
    """Commas stand between several, or they are a JSON list."""
    settings = Settings(data_dir=tmp_path, other_code_peppers=SecretStr(text))
    assert settings.other_peppers() == tuple(one.encode() for one in others)


@pytest.mark.parametrize("text", ["short", f"{'a' * 32},short", '["short"]', "[nonsense", "[1]"])
def test_others_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    """A list with something that is not a pepper is refused, without showing it."""
    with pytest.raises(ValueError, match="must be code peppers of at least 32") as refused:
        Settings(data_dir=tmp_path, other_code_peppers=SecretStr(text))
    assert "aaaa" not in str(refused.value)


def _command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


async def _open(settings: Settings) -> None:
    async with open_store(settings):
        pass


def _forgotten(url: str) -> list[tuple[str, str]]:
    """Read which peppers somebody with a name forgot, and why."""
    told = rows(url, "SELECT subject, reason FROM event WHERE kind = 55 AND actor > ''")
    return [tuple(row) for row in told]


def _require_told(url: str, old: str, new: str) -> None:
    """Require that events tell who made the new pepper and why, and what was sealed with it."""
    assert _forgotten(url) == [(old, "it leaked")]
    rotated, resealed = rows(
        url, "SELECT subject, reason, detail FROM event WHERE kind IN (57, 58) AND actor > ''"
    )
    assert tuple(rotated[:2]) == (new, "a year old")
    assert json.loads(rotated.detail) == {"before": old, "after": new}
    assert resealed.subject == new
    assert json.loads(resealed.detail) == {"kept": 1, "resealed": 1, "closed": 0}


def test_pepper_is_replaced_by_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rotate, restart, reseal, forget: what was kept is opened until the end, and after it."""
    monkeypatch.setenv("LOYALTY_DATA_DIR", str(tmp_path))
    settings = Settings(data_dir=tmp_path)
    _keep(settings.pepper_file, PEPPER)
    url = database_of(settings).url.render_as_string()
    migrate(database_of(settings))
    asyncio.run(_open(settings))
    old = name_of(check_of(PEPPER))
    key = ("scope", "key")
    with writing(database_of(settings)) as connection:
        sealed = Seal(PEPPER).close(b"an answer", *key)
        row = {"scope": key[0], "idempotency_key": key[1], "method": "", "fingerprint": b""}
        connection.execute(insert(KeptAnswerTable), [row | {"answer": sealed, "created_ms": 1}])

    assert _command(monkeypatch, "pepper", "rotate", "--reason", "a year old") == 0

    peppers = settings.peppers()
    assert peppers.current != PEPPER
    assert peppers.others == (PEPPER,)
    assert f"{old} is still known" in capsys.readouterr().out
    new = name_of(check_of(peppers.current))
    assert _command(monkeypatch, "backup", str(tmp_path.parent / "saved.db")) == 1
    told = capsys.readouterr().err
    assert f"{new} is new" in told
    assert "restart the server" in told
    assert "every server" not in told
    assert _command(monkeypatch, "pepper", "list") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Here: {new} (not yet the database's), {old}"
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("code-pepper*")} == {0o600}
    asyncio.run(_open(settings))
    assert _command(monkeypatch, "pepper", "list") == 0
    told = capsys.readouterr().out
    assert "current" in told
    assert told.splitlines()[-1] == f"Here: {new}, {old}"
    assert _command(monkeypatch, "pepper", "forget", "00000000") == 1
    told = capsys.readouterr().err
    assert "knows no pepper 00000000" in told
    assert "Forget it?" not in told
    assert _command(monkeypatch, "pepper", "forget", "--yes", name_of(check_of(peppers.current)))
    assert "only a retired one can be forgotten" in capsys.readouterr().err

    assert _command(monkeypatch, "pepper", "reseal") == 0
    assert "1 answers are kept: 1 were sealed again" in capsys.readouterr().out
    assert _command(monkeypatch, "pepper", "forget", "--yes", "--reason", "it leaked", old) == 0
    _require_told(url, old, new)

    assert settings.peppers() == Peppers(peppers.current)
    asyncio.run(_open(settings))
    (kept,) = rows(url, "SELECT answer FROM remembered_answer")
    assert Seal(peppers.current).open(kept.answer, *key) == b"an answer"
    _keep(settings.pepper_file, PEPPER)
    with pytest.raises(PepperError):
        asyncio.run(_open(settings))


@pytest.mark.parametrize("moment", ["first", "second"])
def test_rotation_that_is_cut_short_loses_no_pepper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Wherever it ends, the old pepper is in one of the files."""
    settings = Settings(data_dir=tmp_path)
    _keep(settings.pepper_file, PEPPER)
    renamed = Path.replace
    left = ["first", "second"].index(moment)

    def fail(path: Path, target: Path) -> Path:
        nonlocal left
        if not left:
            raise OSError("gone")
        left -= 1
        return renamed(path, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="gone"):
            settings.rotate_pepper()

    assert PEPPER in settings.peppers().known
    assert not list(tmp_path.glob(".code*"))
