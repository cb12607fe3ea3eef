"""TestServer: a node in a process of its own, in memory, and all that can be done to its sessions on purpose.

A process, because the bot's loop and interpreter lock then stay the bot's alone, a breakpoint in the bot does not stop
the server, and what runs is what `tocsin serve` runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tocsin.model.snowflake import SnowflakeFactory
from tocsin.testing.guild import BotAccount, Guild, make_bot
from tocsin.testing.portal import Portal

START_S = 60.0
STOP_S = 10.0
MEMORY = Path("/dev/shm")
"""A file system in memory, where an fsync costs nothing."""

NUMBER = 1023
"""The worker bits of the ids made here: no server's that is started here."""

FLAGS = (
    "--http-port=0", "--gateway-port=0", "--workers=1", "--drain-spread-ms=0", "--message-rate-limit=0",
    "--global-rate-limit=0", "--identify-max-concurrency=100000", "--session-start-limit=1000000",
    "--log-level=warning", "--log-format=json",
)  # fmt: skip


class HasId(Protocol):
    """A bot or a person."""

    @property
    def id(self) -> str:
        """The user id."""
        ...


Who = HasId | str
"""A bot, a person, or the id of a user: all sessions of theirs."""


class TestServer:
    """A running server. `http` and `gateway` are its URLs, `api` the root of its routes."""

    __test__ = False

    def __init__(self, process: subprocess.Popen[bytes], data: Path, ready: Mapping[str, Any], start_s: float) -> None:
        self.process = process
        self.data = data
        self.start_s = start_s
        self.http: str = ready["http"]
        self.gateway: str = ready["gateway"]
        self.control_token: str = json.loads((data / "node.json").read_text())["control_token"]
        self.portal = Portal(self.http)
        self.new_id: Callable[[], str] = _ids()
        self._limited = False

    @property
    def api(self) -> str:
        """The root of the API's routes."""
        return f"{self.http}/api/v10"

    def control(self, route: str, body: Any) -> Any:
        """Post to a control route and return its answer. Raises `portal.Refused`."""
        return self.portal.request_now("POST", f"/_tocsin/{route}", f"Tocsin {self.control_token}", body)

    async def control_later(self, route: str, body: Any) -> Any:
        """As `control`, on the portal's loop."""
        return await self.portal.request("POST", f"/_tocsin/{route}", f"Tocsin {self.control_token}", body)

    def make_bot(self, name: str = "bot") -> BotAccount:
        """Make a bot's account."""
        return make_bot(self, name)

    def make_guild(self, bot: BotAccount, **given: Any) -> Guild:
        """Make a guild with a bot in it; arguments as of `Guild`."""
        return Guild(self, bot, **given)

    def revoke(self, token: str) -> None:
        """Revoke a token: its sessions are closed with 4004, and it is refused from now on."""
        self.control("revoke", {"token": token})

    # -- faults: each returns how many sessions it met

    def _fault(self, fault: str, who: Who | None, **more: Any) -> int:
        user_id = who if who is None or isinstance(who, str) else who.id
        met: int = self.control("faults", {"fault": fault, "user_id": user_id, **more})["sessions"]
        return met

    def cut(self, who: Who) -> int:
        """Cut the TCP connections without a word; the sessions may be resumed."""
        return self._fault("cut", who)

    def reconnect(self, who: Who) -> int:
        """Send op 7."""
        return self._fault("reconnect", who)

    def invalid_session(self, who: Who, *, resumable: bool = False) -> int:
        """Send op 9; unless resumable, the sessions are gone."""
        return self._fault("invalid_session", who, resumable=resumable)

    def close(self, who: Who, code: int = 4000) -> int:
        """Close the connections with a code; the sessions may be resumed."""
        return self._fault("close", who, code=code)

    def half_frame(self, who: Who, event: str | None = None) -> int:
        """End the connections in the middle of a dispatch's frame, compressed where the connection is.

        Args:
            who: whose.
            event: the next event of this name is broken off, `*` for any, and comes again with a resume. Without one it
                is done at once, with half of the last event.
        """
        return self._fault("half_frame", who, event=event)

    def stall(self, who: Who, seconds: float) -> int:
        """Send nothing for a while, not even acknowledgements; then all that waited."""
        return self._fault("stall", who, for_ms=round(seconds * 1000))

    def rate_limit(
        self,
        who: Who | None = None,
        route: str | None = None,
        *,
        requests: int = 1,
        retry_after: float = 0.1,
        scope: str = "user",
    ) -> None:
        """Answer 429 to the next requests. It ends with the test.

        Args:
            who: whose requests; None for anyone's, also the actors'.
            route: such as `POST /channels/{channel_id}/messages`, a real path will do; None for any.
            requests: how many; 0 for none any more.
            retry_after: in seconds, what the answers say.
            scope: user, shared or global: what the answers say.
        """
        self._limited = True
        more = {"route": route, "requests": requests, "retry_after_ms": round(retry_after * 1000), "scope": scope}
        self._fault("rate_limit", who, **more)

    def end_rate_limits(self) -> None:
        """End what `rate_limit` began."""
        if self._limited:
            self._fault("rate_limit", None, requests=0)
            self._limited = False

    # -- life

    def stop(self) -> None:
        """End the process and remove its files."""
        self.portal.close()
        self.process.send_signal(signal.SIGINT)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)


def _ids() -> Callable[[], str]:
    factory = SnowflakeFactory(NUMBER, lambda: time.time_ns() // 1_000_000)
    return lambda: str(factory.next())


def launch(
    data: Path,
    *flags: str,
    module: str = "tocsin",
    verb: str = "serve",
    start_s: float = START_S,
    environment: Mapping[str, str] = os.environ,
) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a node on a data folder and wait until it accepts; return what its ready file says. It logs there.

    Args:
        module: what Python runs.
        verb: `serve`, `gateway` or `api`.
        start_s: how long it may take.
        environment: of the process, without its TOCSIN_* variables.

    Raises:
        RuntimeError: it did not start; its log is in the message.
    """
    ready = data / "ready.json"
    ready.unlink(missing_ok=True)
    log_path = data / "server.log"
    until = time.monotonic() + start_s
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, verb, f"--data={data}", f"--ready-file={ready}", *flags],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={key: value for key, value in environment.items() if not key.startswith("TOCSIN_")},
        )
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            process.wait()
            raise RuntimeError(f"the server did not start:\n{log_path.read_text(errors='replace')[-4000:]}")
        time.sleep(0.005)
    return process, json.loads(ready.read_bytes())


def start(*flags: str) -> TestServer:
    """Start a server and wait until it accepts.

    Args:
        flags: of `tocsin serve`, after those that switch limits off and choose free ports.

    Raises:
        RuntimeError: it did not start; its log is in the message.
    """
    began = time.monotonic()
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    data = Path(tempfile.mkdtemp(prefix="tocsin-", dir=memory))
    try:
        process, ready = launch(data, *FLAGS, *flags)
    except RuntimeError:
        shutil.rmtree(data, ignore_errors=True)
        raise
    return TestServer(process, data, ready, time.monotonic() - began)


@contextlib.contextmanager
def running(*flags: str) -> Iterator[TestServer]:
    """A server for a `with` block."""
    server = start(*flags)
    try:
        yield server
    finally:
        server.stop()
