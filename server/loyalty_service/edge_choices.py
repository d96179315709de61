"""What an operator chooses of envoy.yaml: where it listens, which servers it calls, and by TLS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from loyalty_service.domain.operator_error import OperatorError

Till = Literal["plaintext", "tls", "mutual"]
"""How tills speak to Envoy: without TLS, with it, or with certificates of their own too."""

_LISTENER = "socket_address: {address: 127.0.0.1, port_value: 8080}"
_TYPE = "      type: STATIC\n"
_ASSIGNMENT = "      load_assignment:\n        cluster_name: loyalty\n"
_CHAIN = "          filters:\n            - name: envoy.filters.network.http_connection_manager\n"
_TURN = "      listener_filters_timeout: 3s\n"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)"
_ADDRESS = re.compile(rf"(?P<host>{_HOST}):(?P<port>\d{{1,5}})", re.ASCII)
_NUMERIC = re.compile(r"[\d.]+|\[.*\]")
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Choices:
    """
    What is changed of envoy.yaml; what is left out stays as it is for the sandbox.

    Attributes:
        listen: HOST:PORT where tills call.
        servers: HOST:PORT of each server.
        dns: HOST:PORT of a name that has all servers' addresses, in place of a list.
        tills: How tills speak to Envoy.
        server_tls: Whether the servers speak TLS.
    """

    listen: str = ""
    servers: tuple[str, ...] = ()
    dns: str = ""
    tills: Till = "plaintext"
    server_tls: bool = False

    def apply(self, text: str, parts: Mapping[str, str]) -> str:
        """
        Change the text of envoy.yaml.

        Args:
            text: The file.
            parts: The texts of tls.yaml and dns.yaml, whose parts are put in.

        Raises:
            OperatorError: An address is none, or two choices exclude each other.
        """
        if self.listen:
            host, port = _split(self.listen)
            bare = host.strip("[]")
            quoted = f'"{bare}"' if ":" in bare else bare
            listener = f"socket_address: {{address: {quoted}, port_value: {port}}}"
            text = _put(text, _LISTENER, listener)
        if self.tills != "plaintext":
            name = "listener" if self.tills == "tls" else "listener_mutual"
            text = _put(text, _CHAIN, _part(parts["tls.yaml"], name, 10) + _CHAIN)
            text = _put(text, _TURN, _TURN + _part(parts["tls.yaml"], "listener_turn", 6))
        if self.server_tls:
            text = _put(text, _TYPE, _TYPE + _part(parts["tls.yaml"], "cluster", 6))
        if self.servers or self.dns:
            text = self._lead_to_servers(text, parts["dns.yaml"])
        return text

    def _lead_to_servers(self, text: str, dns_parts: str) -> str:
        if self.servers and self.dns:
            raise OperatorError("--server and --dns exclude each other: a list, or one name")
        start = text.index(_ASSIGNMENT)
        end = text.index("\n\n", start) + 1
        if self.dns:
            host, port = _split(self.dns)
            part = _part(dns_parts, "cluster", 6)
            part = part.replace("loyalty-servers.example.com", host).replace("50051", port)
            return _put(text[:start] + text[end:], _TYPE, part)
        places = [_split(server) for server in self.servers]
        lines = "".join(
            f"              - endpoint: {{address: {{socket_address: "
            f'{{address: "{host.strip("[]")}", port_value: {port}}}}}}}\n'
            for host, port in places
        )
        listed = f"{_ASSIGNMENT}        endpoints:\n          - lb_endpoints:\n{lines}"
        text = text[:start] + listed + text[end:]
        if all(_NUMERIC.fullmatch(host) for host, _ in places):
            return text
        # Names in a list are looked up too, each for all of its addresses.
        settings = _part(dns_parts, "cluster", 6).partition("      load_assignment:\n")[0]
        return _put(text, _TYPE, settings)


def _split(address: str) -> tuple[str, str]:
    """
    Split HOST:PORT.

    Raises:
        OperatorError: It is not that.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= _PORT_MAX:
        raise OperatorError(f"{address} is not HOST:PORT, as 10.0.0.2:50051")
    return found["host"], found["port"]


def _put(text: str, old: str, new: str) -> str:
    """Replace what is there once."""
    if text.count(old) != 1:
        raise LookupError(f"envoy.yaml does not have this once: {old}")
    return text.replace(old, new)


def _part(text: str, name: str, indent: int) -> str:
    """Take a part's lines, without its comments, as they stand at a depth."""
    lines = text[text.index(f"\n{name}:\n") + len(name) + 3 :].splitlines()
    taken = []
    for line in lines:
        if line and not line.startswith(" "):
            break
        if line.strip() and not line.strip().startswith("#"):
            taken.append(" " * (indent - 2) + line)
    return "\n".join(taken) + "\n"
