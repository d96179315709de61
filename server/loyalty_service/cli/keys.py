"""The commands about API keys of partners."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.operators.change_key import (
    ChangeKey,
    RoleNotLessError,
    change_key,
)
from loyalty_service.application.operators.create_key import (
    CreatedKey,
    CreateKey,
    CreateKeys,
    create_key,
    create_keys,
)
from loyalty_service.application.operators.revoke_key import RevokeKey, revoke_key
from loyalty_service.application.operators.rotate_key import (
    KeyUnknownError,
    RotateKey,
    RotationOpenError,
    rotate_key,
)
from loyalty_service.application.perform import Run, perform
from loyalty_service.cli.csv_files import print_row, read_rows
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.terminal import err, out, print_table
from loyalty_service.cli.texts import Why, kept_text, text_or_empty
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.keys import Role
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.store import Store

Label = Annotated[
    str,
    typer.Option(help="What you call the key, for lists and events.", callback=text_or_empty),
]

keys = typer.Typer(help="API keys of partners.", no_args_is_help=True)


def _label_or_none(text: str | None) -> str | None:
    return None if text is None else text_or_empty(text)


@keys.command("create")
def create_key_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    partner: Annotated[
        str, typer.Argument(help="Vendor that will hold the key.", callback=kept_text)
    ],
    role: Annotated[Role, typer.Option(help="What the key is for.")],
    store: Annotated[
        list[int] | None, typer.Option(help="Limit the key to a store; may be repeated.")
    ] = None,
    label: Label = "",
    reason: Why = "",
) -> None:
    """Create an API key and print its secret, which is not kept and can't be shown again."""
    command = CreateKey(
        program_id, partner, role, frozenset(store or ()), label=label, reason=reason
    )

    async def create(opened: Store) -> None:
        work = Run(create_key, command, by=operator("keys create"))
        made = await opened.write(partial(perform, run=work))
        created: CreatedKey = made.result
        err.print(f"Key {created.key.key_id} for {partner}. Its secret, shown this once:")
        out.print(created.secret)

    run(partial(with_store, create))


@keys.command("import")
def import_keys_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    file: Annotated[
        Path,
        typer.Argument(help="CSV with the columns partner, role and, if wanted, stores and label."),
    ],
    *,
    reason: Why = "",
) -> None:
    """Create an API key for each line of a file, all or none, and print them as CSV."""
    command = CreateKeys(tuple(_wanted(program_id, file, reason)))

    async def create(opened: Store) -> None:
        work = Run(create_keys, command, by=operator("keys import"))
        made = await opened.write(partial(perform, run=work), timeout_s=60)
        print_row(("key", "partner", "role", "stores", "label", "secret"))
        for one in made.result:
            stores = " ".join(map(str, sorted(one.key.stores)))
            key = one.key
            print_row((key.key_id, key.partner, key.role, stores, key.label, one.secret))
        err.print(f"{len(made.result):,} keys. Their secrets are shown this once.")

    run(partial(with_store, create))


def _wanted(program_id: str, file: Path, reason: str) -> Iterator[CreateKey]:
    """Read the keys of a file; stores are parted by blanks."""
    for number, row in read_rows(file, ("partner", "role"), ("stores", "label")):
        try:
            partner, role = kept_text(row["partner"]), Role(row["role"])
            stores = frozenset(map(int, row.get("stores", "").split()))
            label = text_or_empty(row.get("label", ""))
        except (ValueError, typer.BadParameter) as problem:
            raise OperatorError(f"{file}, line {number}: {problem}.") from None
        yield CreateKey(program_id, partner, role, stores, label=label, reason=reason)


@keys.command("change")
def change_key_command(
    key_id: Annotated[str, typer.Argument(help="The key's name in `loyalty keys list`.")],
    store: Annotated[
        list[int] | None, typer.Option(help="Limit the key to this store; may be repeated.")
    ] = None,
    *,
    all_stores: Annotated[
        bool, typer.Option("--all-stores", help="Let the key act in all stores.")
    ] = False,
    role: Annotated[
        Role | None, typer.Option(help="A role that may do less than the key's own.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="What to call the key; empty for nothing.", callback=_label_or_none),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the events.", callback=kept_text)],
) -> None:
    """Change a key's stores or label, or give it a role that may do less; its secret stays."""
    if all_stores and store:
        raise typer.BadParameter("name stores or --all-stores")
    if not (all_stores or store or role or label is not None):
        raise typer.BadParameter("name stores, --all-stores, --role or --label")
    stores = frozenset(store or ()) if store or all_stores else None

    async def change(opened: Store) -> None:
        command = ChangeKey(key_id, stores, role, reason, label)
        try:
            work = Run(change_key, command, by=operator("keys change"))
            await opened.write(partial(perform, run=work))
        except KeyUnknownError:
            raise OperatorError(f"No live key is called {key_id}.") from None
        except RoleNotLessError as problem:
            old, new = problem.args
            raise OperatorError(
                f"A key of role {old} can't become {new}, which may do more: make a new key."
            ) from None
        out.print(f"Key {key_id} is changed.")

    run(partial(with_store, change))


@keys.command("rotate")
def rotate_key_command(
    key_id: Annotated[str, typer.Argument(help="The key's name in `loyalty keys list`.")],
    *,
    reason: Why = "",
) -> None:
    """Create a second key like this one: hand it over, then revoke this one."""

    async def rotate(opened: Store) -> None:
        try:
            work = Run(rotate_key, RotateKey(key_id, reason), by=operator("keys rotate"))
            made = await opened.write(partial(perform, run=work))
        except KeyUnknownError:
            raise OperatorError(f"No live key is called {key_id}.") from None
        except RotationOpenError as problem:
            raise OperatorError(
                f"{' and '.join(problem.args)} are live already: revoke the older one first."
            ) from None
        created: CreatedKey = made.result
        err.print(
            f"Key {created.key.key_id} for {created.key.partner}. Its secret, shown this once:"
        )
        out.print(created.secret)
        err.print(f"Hand it over, then `loyalty keys revoke {key_id}`.")

    run(partial(with_store, rotate))


@keys.command("list")
def list_keys_command() -> None:
    """List the keys, without their secrets, with the hour in which each was last used."""

    async def show(store: Store) -> None:
        async with store.read() as reader:
            entries = await reader.api_keys()
        table = Table(
            "key", "program", "partner", "label", "role", "stores", "used", "state", box=SIMPLE
        )
        for entry in entries:
            stores = ", ".join(map(str, entry.stores)) or "all"
            state = "revoked" if entry.revoked_ms else "live"
            since = rfc3339(entry.revoked_ms or entry.created_ms)[:10]
            table.add_row(
                entry.key_id,
                entry.program_id,
                entry.partner,
                entry.label,
                entry.role,
                stores,
                "" if entry.used_ms is None else f"{rfc3339(entry.used_ms)[:16]}Z",
                f"{state} since {since}",
            )
        print_table(table, "There are no keys.")

    run(partial(with_store, show))


@keys.command("revoke")
def revoke_key_command(
    key_id: Annotated[str, typer.Argument(help="The key's name in `loyalty keys list`.")],
    *,
    reason: Why = "",
) -> None:
    """End a key for good: on all servers within 5 seconds, usually within one."""

    async def revoke(store: Store) -> None:
        try:
            work = Run(revoke_key, RevokeKey(key_id, reason), by=operator("keys revoke"))
            await store.write(partial(perform, run=work))
        except KeyUnknownError:
            raise OperatorError(f"No live key is called {key_id}.") from None
        out.print(f"Key {key_id} is revoked.")

    run(partial(with_store, revoke))
