"""Python is not entered for a handshake or a heartbeat: both are answered while the GIL is held (design §3)."""

from __future__ import annotations

import select
import subprocess
import sys

from tests.support.raw_client import RawClient, op

HOLD = """
import sys
from tocsin import _core

gateway = _core.Gateway(_core.GatewayConfig(workers=1))
gateway.start()
print(gateway.port, flush=True)
sys.stdin.readline()
print("holding", flush=True)
sum(range(1 << 60))  # one call that never lets go of the GIL
print("released", flush=True)
"""


def test_heartbeats_are_answered_while_the_gil_is_held() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = f"ws://127.0.0.1:{int(process.stdout.readline())}"
            with RawClient(url) as before:
                before.open()
                process.stdin.write(b"\n")
                process.stdin.flush()
                assert process.stdout.readline() == b"holding\n"
                with RawClient(url) as after:
                    after.open()
                    for client in (before, after):
                        for _ in range(20):
                            client.send(op(1))
                            assert client.read_payload()["op"] == 11
            assert select.select([process.stdout], [], [], 0)[0] == []
            assert process.poll() is None
        finally:
            process.kill()
