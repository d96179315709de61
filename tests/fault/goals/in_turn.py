"""G1: two servers behind one Envoy are restarted in turn, named in a list or by DNS."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from ruamel.yaml import YAML

from loyalty_service.edge_files import edge_files
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.tools.audit import audit
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.support.banks import SECRET, ServerProcess, prepare_bank, process_environment
from tests.support.http import HttpClient, free_port
from tests.support.ledger import rows
from tests.support.names import name_server

HOSTS = ("127.0.0.1", "127.0.0.2")
TILLS = 12
PAUSE_S = 0.1
"""Between two calls of a till, so that fewer guests are enrolled than a key may in a minute."""

NOTICE_S = "2"
"""LOYALTY_SHUTDOWN_NOTICE_S as it is unless set: Envoy looks every second."""

BETWEEN_S = 1.5
SETTLE_S = 10.0


@dataclass
class _Tills:
    """Enroll guests without end; a call that fails is sent again under its key."""

    port: int
    keys: str
    outcomes: Counter[int] = field(default_factory=Counter)
    again: int = 0

    async def run(self) -> None:
        """Call until cancelled, and end what was begun."""
        self._ends = asyncio.Event()
        numbers = count()
        client = HttpClient("127.0.0.1", self.port)
        await asyncio.gather(*(self._work(client, numbers) for _ in range(TILLS)))

    def end(self) -> None:
        """Let every till finish its call."""
        self._ends.set()

    async def _work(self, client: HttpClient, numbers: Any) -> None:
        while not self._ends.is_set():
            headers = {
                "x-api-key": SECRET,
                "content-type": "application/json",
                "idempotency-key": f"{self.keys}-{next(numbers)}",
            }
            status = 0
            while status != 200:
                self.again += status != 0
                answer = await client.request("POST", "/loyalty/members", '{"name":"G"}', headers)
                status = answer.status
                self.outcomes[status] += 1
            await asyncio.sleep(PAUSE_S)


async def run(trial: Trial) -> None:
    """
    Restart both servers in turn with the schema migrated once more between, then kill one.

    Nobody hears of a restart: every call is answered at the first try. When one is killed, only
    calls under way are sent again.
    """
    for form in ("list", "DNS"):
        for number in range(trial.choose(5, 1)):
            await _try(trial, form, number)
            if trial.problems:
                return


async def _try(trial: Trial, form: str, number: int) -> None:
    url = trial.new_database()
    await prepare_bank(url, [])
    port = free_port()
    folder = trial.folder / f"{form}-{number}"
    folder.mkdir()

    async def start(host: str) -> ServerProcess:
        where = {"LOYALTY_GRPC_HOST": host, "LOYALTY_GRPC_PORT": str(port)}
        environment = process_environment(url, folder, LOYALTY_SHUTDOWN_NOTICE_S=NOTICE_S, **where)
        # What the test's own settings say is overruled.
        return await ServerProcess.start(environment | where)

    servers = dict(zip(HOSTS, await asyncio.gather(*map(start, HOSTS)), strict=True))
    try:
        async with name_server(HOSTS) as (names, dns_port):
            adapt = partial(_by_name, port, dns_port) if form == "DNS" else partial(_listed, port)
            async with EnvoyProcess(folder=folder, grpc_port=port, adapt=adapt) as envoy:
                tills = _Tills(envoy.http_port, f"{form}-{number}")
                calling = asyncio.create_task(tills.run())
                await _each_serves(envoy)
                for host in HOSTS:
                    # The next version's schema comes first, while servers of this one go on.
                    await asyncio.to_thread(migrate, Database.from_text(url))
                    await servers[host].stop()
                    servers[host] = await start(host)
                    await _each_serves(envoy)
                    await asyncio.sleep(BETWEEN_S)
                restarted = Counter(tills.outcomes)
                await servers[HOSTS[0]].kill()
                await asyncio.sleep(BETWEEN_S)
                tills.end()
                await calling
                trial.require(form == "list" or names.asked, "nobody asked the name server")
    finally:
        for server in servers.values():
            await server.kill()
    failed = restarted.total() - restarted[200]
    trial.require(not failed, f"{form}: {failed} calls were not answered while a server restarted")
    trial.require(
        tills.again - failed <= TILLS, f"{form}: {tills.again} calls failed, {TILLS} were under way"
    )
    (members,) = rows(url, "SELECT count(*) AS number FROM member")
    done = tills.outcomes[200]
    trial.require(members.number == done, f"{form}: {members.number} members after {done} calls")
    findings = await asyncio.to_thread(audit, Database.from_text(url))
    trial.problems += [str(problem) for problem in findings.problems]
    trial.figure(f"{form}: calls while both restarted", restarted.total())
    trial.figure(f"{form}: failed then", failed)
    trial.figure(f"{form}: sent again after a kill", tills.again - failed)


async def _each_serves(envoy: EnvoyProcess) -> None:
    """Wait until Envoy takes both servers for healthy."""
    async with asyncio.timeout(SETTLE_S):
        while True:
            told = await envoy.ask("/clusters")
            healthy = [host for host in HOSTS if f"{host}:" in told]
            if len(healthy) == len(HOSTS) and told.count("health_flags::healthy") >= len(HOSTS):
                return
            await asyncio.sleep(0.05)


def _listed(port: int, config: dict[str, Any]) -> None:
    """Name both in a list, as envoy/README.md tells an operator to."""
    cluster = config["static_resources"]["clusters"][0]
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
        for host in HOSTS
    ]


def _by_name(port: int, dns_port: int, config: dict[str, Any]) -> None:
    """Take the part of dns.yaml, with this trial's port and name server."""
    part = YAML(typ="safe").load(edge_files()["dns.yaml"])["cluster"]
    (place,) = part["load_assignment"]["endpoints"][0]["lb_endpoints"]
    place["endpoint"]["address"]["socket_address"]["port_value"] = port
    part["typed_dns_resolver_config"] = {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": "type.googleapis.com/"
            "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": dns_port}}],
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }
    config["static_resources"]["clusters"][0] |= part


GOALS = (
    Goal(
        "G1",
        "Restarted in turn",
        "Two servers behind one Envoy, named in a list or by DNS, are restarted in turn under "
        "load: every call is answered at the first try.",
        run,
        (POSTGRESQL,),
    ),
)
