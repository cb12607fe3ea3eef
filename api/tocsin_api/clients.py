"""Clients: the address that a request comes from, through the balancers that may say so."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from litestar.types import HTTPScope

from tocsin.config import Network, Settings, networks_of


class Clients:
    """Tells addresses. `trusted_proxies` are believed what they add to X-Forwarded-For; what others say is not read."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = networks_of(settings.trusted_proxies)

    def address_of(self, scope: HTTPScope) -> str:
        """Return the address of the last hop that is no trusted proxy; "" where the server knows none."""
        client = scope.get("client")
        address = client[0] if client else ""
        if not self._trusted or not _within(address, self._trusted):
            return address
        said = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for hop in reversed(said.decode("latin-1").split(",")):
            hop = hop.strip()
            if not _is_address(hop):
                break
            address = hop
            if not _within(hop, self._trusted):
                break
        return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(text: str, networks: Iterable[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks)
