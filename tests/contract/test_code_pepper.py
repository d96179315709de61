"""The secret beside the embedded database: made whole, kept, and never replaced in silence."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from server.bootstrap import open_store, require_peppers
from server.config import Settings
from server.storage.migrate import migrate
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
        with pytest.raises(ValueError, match=rf"{settings.pepper_file} holds no code pepper"):
            use()
    assert settings.pepper_file.read_text(encoding="utf-8") == content


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
    migrate(settings.database())
    await live(f"sqlite:///{tmp_path / 'loyalty.db'}")

    with pytest.raises(ValueError, match=r"code pepper is missing: bring .*/code-pepper back"):
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
