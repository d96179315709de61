"""Names that others chose confuse nobody who reads what a command prints."""

from __future__ import annotations

import pytest

from loyalty_service.cli import terminal
from loyalty_service.cli.guesses import waiting_terminals
from loyalty_service.domain.guessing import Scope, ScopeKind


@pytest.mark.parametrize(
    "name", ["Eve \u202eecila\u202c", "Eve \u200becila", "Eve \x1b[2Kecila", "Eve \u2028ecila"]
)
def test_characters_that_nobody_sees_are_left_out(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No name turns a line around, hides a part of it or begins another one."""
    terminal.out.print(f"{name} now has 1 points available.\nSecond line")
    told = capsys.readouterr().out
    assert told.replace("[2K", "") == "Eve ecila now has 1 points available.\nSecond line\n"


def test_names_in_other_scripts_are_printed() -> None:
    """Letters, marks and pictures stay as they are."""
    for name in ("Zoë", "李小龍", "फ़रहान", "O'Neil-Żak 🙂"):
        assert terminal.shown(name) == name


def test_terminal_is_told_from_what_the_command_says_itself() -> None:
    """A terminal that is called like all of a store is printed in quotes."""
    of_all = Scope(ScopeKind.STORE, "store", "demo-ca", "key", 9999)
    of_one = Scope(ScopeKind.TERMINAL, "one", "demo-ca", "key", 9999, "all without regulars")
    assert waiting_terminals(of_all) == "all without regulars"
    assert waiting_terminals(of_one) == '"all without regulars"'
