"""
Follow what happens in a loyalty program, with Python's standard library alone.

`pages` asks for events, and goes on where it ended; `receive` is a webhook that checks signatures.
Both keep what a member has in a small database, each event once, together with where to go on.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import sqlite3
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

OLD_S = 300
"""A message whose time is further away is not taken: somebody may be sending an old one again."""

PAUSE_S = 2.0
ACCOUNTS = ("available", "held", "debt")


class Kept:
    """What is known of members, and which events made it so."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)
        with self._database as database:
            database.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
            database.execute("CREATE TABLE IF NOT EXISTS place (token TEXT)")
            database.execute(
                "CREATE TABLE IF NOT EXISTS balance (member TEXT, account TEXT, points INTEGER, "
                "sequence INTEGER, PRIMARY KEY (member, account))"
            )

    def token(self) -> str:
        """Tell where to go on; empty at first."""
        row = self._database.execute("SELECT token FROM place").fetchone()
        return row[0] if row else ""

    def take(self, events: list[Any], token: str = "") -> int:
        """Keep events, and where to go on, in one transaction; return how many were new."""
        new = 0
        with self._database as database:
            for event in events:
                try:
                    database.execute("INSERT INTO seen VALUES (?)", (event["id"],))
                except sqlite3.IntegrityError:
                    continue  # It came before.
                new += 1
                self._take_balances(event["data"])
                print(event["time"], event["type"], event.get("subject", ""), flush=True)
            if token:
                database.execute("DELETE FROM place")
                database.execute("INSERT INTO place VALUES (?)", (token,))
        return new

    def _take_balances(self, data: Mapping[str, Any]) -> None:
        """The largest sequence is the newest, in whatever order events come."""
        for account in ACCOUNTS:
            if account in data:
                balance = data[account]
                self._database.execute(
                    "INSERT INTO balance VALUES (?, ?, ?, ?) ON CONFLICT (member, account) "
                    "DO UPDATE SET points = excluded.points, sequence = excluded.sequence "
                    "WHERE excluded.sequence >= balance.sequence",
                    (data["loyaltyId"], account, balance["points"], balance["sequence"]),
                )


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Tell whether a message is from who knows the secret, and is not an old one."""
    try:
        moment = int(headers["webhook-timestamp"])
        signed = f"{headers['webhook-id']}.{moment}.".encode() + body
        signatures = headers["webhook-signature"].split(" ")
    except (KeyError, TypeError, ValueError):
        return False
    if abs(now_s - moment) > OLD_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    own = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # While a secret is replaced there is a signature of each.
    return any(hmac.compare_digest(own, one) for one in signatures)


def pages(kept: Kept, base: str, key: str, *, once: bool) -> None:
    """Ask for events from where the last run has ended."""
    while True:
        asked = {"pageSize": "500", **({"pageToken": token} if (token := kept.token()) else {})}
        request = Request(f"{base}/loyalty/events?{urlencode(asked)}", headers={"x-api-key": key})  # noqa: S310 - the operator names it.
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            page = json.load(answer)
        if page["hasGap"]:
            print("some events are not kept any more: ask for the members", file=sys.stderr)
        kept.take(page["events"], page["nextPageToken"])
        if page["hasMore"]:
            continue
        if once:
            return
        time.sleep(PAUSE_S)


def receive(kept: Kept, port: int, secret: str) -> None:
    """Take messages until stopped."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if not is_signed(secret, self._lower(), body, time.time()):
                self.send_response(401)
            else:
                # Only once it is kept: else nobody would send it again.
                kept.take([json.loads(body)])
                self.send_response(204)
            self.end_headers()

        def _lower(self) -> dict[str, str]:
            return {name.lower(): value for name, value in self.headers.items()}

        def log_message(self, *_words: object) -> None:
            """Print nothing for each message."""

    server = HTTPServer(("127.0.0.1", port), Hook)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


def main() -> None:
    """Follow as the arguments say."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keep", type=Path, default=Path("events.db"), help="Where to keep it.")
    ways = options.add_subparsers(dest="way", required=True)
    asking = ways.add_parser("pages", help="Ask for events.")
    asking.add_argument("--server", default="http://127.0.0.1:8080")
    asking.add_argument("--key", default="sandbox-admin-key")
    asking.add_argument("--once", action="store_true", help="End when there is no more.")
    told = ways.add_parser("receive", help="Be a webhook.")
    told.add_argument("--port", type=int, default=9000)
    told.add_argument("--secret", required=True)
    chosen = options.parse_args()
    kept = Kept(chosen.keep)
    if chosen.way == "pages":
        pages(kept, chosen.server, chosen.key, once=chosen.once)
    else:
        receive(kept, chosen.port, chosen.secret)


if __name__ == "__main__":
    main()
