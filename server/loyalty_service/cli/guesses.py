"""The command about callers who must wait because of wrong codes."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.operators.forgive_codes import ForgiveCodes, forgive_codes
from loyalty_service.application.perform import Run, perform
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.terminal import out, print_table
from loyalty_service.cli.texts import text_or_empty
from loyalty_service.domain.clock import now_ms, rfc3339
from loyalty_service.domain.guessing import Scope, ScopeKind
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.store import Store


def guesses_command(
    forgive: Annotated[
        str, typer.Option(help="Let this key show codes again.", metavar="KEY")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, for the events.", callback=text_or_empty)] = "",
) -> None:
    """
    List who must wait because of too many wrong codes, or end the waits of a key.

    While a store or a key waits, terminals go on where regulars, members of a month with a paid
    order, earned more wrong codes than were shown there.
    """

    async def show(store: Store) -> None:
        if forgive:
            async with store.read() as reader:
                known = {entry.key_id for entry in await reader.api_keys()}
            if forgive not in known:
                raise OperatorError(f"No key is called {forgive}: `loyalty keys list` names them.")
            work = Run(forgive_codes, ForgiveCodes(forgive, reason), by=operator("guesses"))
            ended = (await store.write(partial(perform, run=work))).result
            out.print(f"{ended} waits of key {forgive} ended.")
            return
        async with store.read() as reader:
            told = await reader.code_waits()
        # Of keys, those whose wait is over are kept for a day.
        found = [wait for wait in told if wait.is_on(now_ms())]
        table = Table("key", "store", "terminals", "wrong", "right", "until", box=SIMPLE)
        for wait in found:
            scope, tally = wait.scope, wait.tally
            place = "all" if scope.store_id is None else str(scope.store_id)
            table.add_row(
                scope.key_id,
                place,
                waiting_terminals(scope),
                str(tally.failed),
                str(tally.matched),
                f"{rfc3339(wait.until_ms)[:19]}Z",
            )
        print_table(table, "Nobody must wait.")

    run(partial(with_store, show))


def waiting_terminals(scope: Scope) -> str:
    """Name the terminals at which no code is looked at while a scope waits."""
    if scope.kind is not ScopeKind.TERMINAL:
        return "all without regulars"
    # In quotes, so that no terminal has a name that reads like one of the others.
    return (
        json.dumps(scope.terminal, ensure_ascii=False) if scope.terminal else "those without a name"
    )
