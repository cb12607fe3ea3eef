"""EtfClient: a RawClient that speaks ETF (protocol.md §5.4)."""

from __future__ import annotations

import json
from typing import Any

from tests.support.raw_client import BINARY, CLOSE, DroppedError, RawClient, frame
from tocsin._core import etf_to_json, json_to_etf


def etf_op(code: int, d: Any = None, **extra: Any) -> bytes:
    """A binary frame with a gateway payload, all keys and strings binaries."""
    return frame(BINARY, json_to_etf(json.dumps({"op": code, "d": d, **extra}).encode()))


class EtfClient(RawClient):
    """One TCP connection to the gateway with `encoding=etf`."""

    def open(self, query: str = "v=10&encoding=etf") -> dict[str, Any]:
        return super().open(query)

    def read_payload(self) -> dict[str, Any]:
        opcode, data = self.read_frame()
        if opcode == CLOSE:
            raise DroppedError(int.from_bytes(data[:2], "big"), data[2:])
        assert opcode == BINARY, (opcode, data)
        # Atoms at the top, which Elixir's clients match on.
        assert data.startswith(b"\x83t\0\0\0\x04s\x01s"), data
        payload: dict[str, Any] = json.loads(etf_to_json(data))
        return payload

    def identify(self, token: str, *, intents: int = 0, **extra: Any) -> dict[str, Any]:
        properties = {"os": "linux", "browser": "tests", "device": "tests"}
        self.send(etf_op(2, {"token": token, "intents": intents, "properties": properties, **extra}))
        ready: dict[str, Any] = self.read_until(0, "READY")["d"]
        return ready
