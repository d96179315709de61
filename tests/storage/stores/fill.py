"""
Fills a store with whatever tills and apps can do, and keeps it as this server left it.

`python -m tests.storage.stores.fill FOLDER` writes the rows and, beside them, what was asked under
which key and what was answered. Chance and time are decided: the same server writes the same.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

from loyalty.v1 import code_service_pb2, member_service_pb2, session_service_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.bootstrap import serve
from loyalty_service.domain.keys import Role
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.store import Store
from loyalty_service.sweeper import sweep
from loyalty_service.transport.rpcs import RPCS, Rpc, rpc_kept_as
from tests.fault.determined import Chance, determined
from tests.support.doing import create_key
from tests.support.programs import PROGRAM_ID, put_program
from tests.support.server import Caller, give_points, identify_request, settings_in
from tests.support.stores import PEPPER
from tests.support.transactions import COFFEE, line, reward_line, unclaimed_request, update_request

SECRET = "lk_kept"
START_MS = 1_767_600_000_000
STEP_MS = 1000
DAYS_MS = 2 * 86_400_000


class Life:
    """A partner that does everything once, and notes what it asked and was answered."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.calls: list[dict[str, Any]] = []
        self._channel: Any = None
        self._store: Any = None

    async def live(self, database_url: str, folder: Path) -> None:
        """Serve a migrated database, and do everything on it."""
        async with Store(Database.from_text(database_url), PEPPER) as store:
            await put_program(store)
            command = CreateKey(PROGRAM_ID, "partner", Role.ADMIN, secret=SECRET)
            await store.write(lambda unit, now_ms: create_key(unit, command, now_ms))
        settings = settings_in(folder, database_url=database_url)
        async with (
            serve(settings) as running,
            grpc.aio.insecure_channel(f"127.0.0.1:{running.grpc_port}") as self._channel,
        ):
            self._store = running.store
            await self._everything()

    async def _everything(self) -> None:
        """Leave behind a transaction, a code and a receipt of every kind."""
        session = session_service_pb2.StartAnonymousSessionRequest(correlation_id="visit")
        await self._call("SessionService/StartAnonymousSession", session)
        request = member_service_pb2.EnrollMemberRequest(name="Guest", email="guest@example.com")
        enrolled = await self._call("MemberService/EnrollMember", request)
        guest = enrolled["member"]["loyaltyId"]
        await give_points(self._store, guest, 9000)
        await self._claim(guest)
        await self._void(await self._claim(guest))
        await self._take_back(await self._claim(guest))
        await self._void(await self._open(guest))
        await self._record()
        await self._void((await self._record())["transactionId"])
        code = (await self._record())["receiptCode"]
        receipt = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code=code)
        await self._call("TransactionService/ClaimReceipt", receipt)
        await self._open(guest)
        await self._issue(guest)
        self.now_ms += DAYS_MS
        # What was open until now is voided, and the code that nobody used expires.
        await sweep(self._store)
        await self._open(guest)
        await self._issue(guest)

    async def _issue(self, guest: str) -> str:
        selected = code_service_pb2.SelectedIncentive(incentive_id=COFFEE)
        request = code_service_pb2.IssueCodeRequest(loyalty_id=guest, order=[selected])
        code: str = (await self._call("CodeService/IssueCode", request))["otp"]
        return code

    async def _open(self, guest: str) -> str:
        request = identify_request(await self._issue(guest), f"order-{len(self.calls)}")
        opened: str = (await self._call("IdentifyService/IdentifyMember", request))["transactionId"]
        return opened

    async def _claim(self, guest: str) -> str:
        opened = await self._open(guest)
        pending = update_request(opened, "PENDING", reward_line(quantity=2), line(8.49))
        await self._call("TransactionService/ReportOrder", pending)
        claimed = update_request(opened, "CLAIMED", reward_line(), line(8.49))
        await self._call("TransactionService/ReportOrder", claimed)
        return opened

    async def _void(self, transaction_id: str) -> None:
        request = pb.VoidTransactionRequest(loyalty_transaction_id=transaction_id)
        await self._call("TransactionService/VoidTransaction", request)

    async def _take_back(self, transaction_id: str) -> None:
        request = pb.ReturnLinesRequest(loyalty_transaction_id=transaction_id)
        request.lines.add(reference_id="1")
        await self._call("TransactionService/ReturnLines", request)

    async def _record(self) -> Any:
        return await self._call(
            "TransactionService/RecordUnclaimedOrder", unclaimed_request(line(12.5))
        )

    async def _call(self, method: str, request: Any) -> Any:
        """Make a call under a key of its own, a second after the last one."""
        key = f"key-{len(self.calls)}"
        self.now_ms += STEP_MS
        values = MessageToDict(request)
        answer = await ask(Caller(self._channel, SECRET), method, values, key)
        self.calls.append({"method": method, "key": key, "request": values, "answer": answer})
        return answer


def rpc_of(method: str) -> Rpc:
    """Find an RPC by its name today, or by the one that stores know it by."""
    return RPCS.get(method) or rpc_kept_as(method)


async def ask(caller: Caller, method: str, values: Any, key: str) -> Any:
    """
    Make a call, named as `Service/Method` today or in stores, under a key.

    Request and answer are as in JSON.
    """
    rpc = rpc_of(method)
    request = ParseDict(values, rpc.request_class())
    unary = caller.channel.unary_unary(
        f"/loyalty.v1.{rpc.name}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=rpc.answer_class.FromString,
    )
    return MessageToDict(await unary(request, metadata=caller.metadata(idempotency_key=key)))


def main(folder: Path) -> None:
    """Fill a store and keep it under the name of its schema."""
    life = Life()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "store.db"
        url = f"sqlite:///{file}"
        with determined(Chance("kept"), lambda: life.now_ms):
            _, revision = migrate(Database.from_text(url))
            asyncio.run(life.live(url, Path(scratch)))
        with sqlite3.connect(file) as connection:
            rows = "\n".join(connection.iterdump()) + "\n"
    kept = {"key": SECRET, "pepper": PEPPER.decode(), "calls": life.calls}
    (folder / f"{revision}.sql").write_text(rows, encoding="utf-8")
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{revision}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
