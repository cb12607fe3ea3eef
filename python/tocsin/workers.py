"""Workers: the processes of `tocsin api`: started one after another, started again when they die, ended together.

A worker is `python -m tocsin.workers`. It reads its order from its standard input, which then stays open: its end tells
the worker that nobody looks after it any more. It writes one line to its standard output when it serves.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from tocsin.config import RANGES, Settings
from tocsin.errors import ConfigError, TocsinError
from tocsin.logs import configure_logs
from tocsin.service.node_file import NodeFile, announce, new_control_token, withdraw

PAUSE_S = (0.1, 5.0)
"""How long to wait before a worker is started again: at first, and at most."""
STEADY_S = 30.0
"""A worker that lived for so long died of something new."""

log = structlog.get_logger("tocsin")


class Order(msgspec.Struct):
    """What a worker is to be."""

    settings: Settings
    index: int
    control_token: str


def worker_settings(settings: Settings, index: int, port: int) -> Settings:
    """Return the settings of one worker: a name and a number of its own, and the port of all."""
    return msgspec.structs.replace(
        settings,
        node_id=f"{settings.node_id}-{index}",
        node_number=settings.node_number + index,
        http_port=port,
        workers=1,
        seed="",
        ready_file="",
    )


def worker_count(settings: Settings) -> int:
    """Return how many workers there are to be.

    Raises:
        errors.ConfigError: there are not enough numbers for them.
    """
    count = settings.workers or len(os.sched_getaffinity(0))
    highest = RANGES["node_number"][1]
    if settings.node_number + count - 1 > highest:
        raise ConfigError(f"node_number: {count} workers take {settings.node_number} and those after it, to {highest}")
    return count


class Workers:
    """Runs the workers on the current loop. `http_url` is where they all listen.

    Raises:
        errors.ConfigError: as `worker_count`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._count = worker_count(settings)
        self._token = new_control_token()
        self._port = 0
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._ending = False

    @property
    def http_url(self) -> str:
        """`http://host:port`, or `public_http_url`."""
        from tocsin.gateway.node import url_host

        given = self._settings.public_http_url.rstrip("/")
        return given or f"http://{url_host(self._settings.host)}:{self._port}"

    @property
    def gateway_url(self) -> str:
        """What clients are told."""
        return self._settings.public_gateway_url

    async def run(self, on_ready: Callable[[Workers], None]) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code: 0, or that of the worker that could not start.

        Raises:
            OSError: the port or a file cannot be had.
        """
        from tocsin.http import reserve

        loop = asyncio.get_running_loop()
        asked = asyncio.Event()

        def on_signal() -> None:
            asked.set()
            for process in self._processes.values():
                _signal(process)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        # Held as long as any worker may start: the port stays ours.
        with reserve(self._settings.host, self._settings.http_port) as held:
            self._port = held.getsockname()[1]
            try:
                # The first one brings the schema up to date and loads the seed.
                code = await self._start(0, self._settings.seed)
                if code is None:
                    rest = await asyncio.gather(*(self._start(index) for index in range(1, self._count)))
                    code = next((each for each in rest if each is not None), None)
                if code is not None:
                    return 0 if asked.is_set() else code
                self._announce()
                on_ready(self)
                keepers = [asyncio.create_task(self._keep(index)) for index in range(self._count)]
                await asked.wait()
                self._ending = True
                log.info("draining")
                await asyncio.gather(*keepers)
                return 0
            finally:
                self._ending = True
                await self._stop()
                withdraw(self._settings.data, self._settings.ready_file)

    def _announce(self) -> None:
        settings = self._settings
        file = NodeFile(
            pid=os.getpid(),
            http=self.http_url,
            gateway=self.gateway_url,
            node=settings.node_id,
            control_token=self._token,
        )
        announce(settings.data, settings.ready_file, file)
        log.info("ready", http=self.http_url, gateway=self.gateway_url, node=settings.node_id, workers=self._count)

    async def _start(self, index: int, seed: str = "") -> int | None:
        """Start a worker; return None once it serves, or the code it exited with."""
        settings = msgspec.structs.replace(worker_settings(self._settings, index, self._port), seed=seed)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tocsin.workers",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C comes to us alone, and from us to all
        )
        self._processes[index] = process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(Order(settings, index, self._token)) + b"\n")
            await process.stdin.drain()
            told = await process.stdout.readline()
        except ConnectionError:
            told = b""
        return None if told else await process.wait()

    async def _keep(self, index: int) -> None:
        """Start a worker again as often as it ends, until all are to end."""
        pause, began = PAUSE_S[0], time.monotonic()
        while True:
            code = await self._processes[index].wait()
            if self._ending:
                return
            log.error("a worker ended", worker=index, code=code)
            if time.monotonic() - began > STEADY_S:
                pause = PAUSE_S[0]
            await asyncio.sleep(pause)
            pause, began = min(pause * 2, PAUSE_S[1]), time.monotonic()
            if self._ending:
                return
            await self._start(index)

    async def _stop(self) -> None:
        for process in self._processes.values():
            _signal(process)
        await asyncio.gather(*(process.wait() for process in self._processes.values()))


def _signal(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()


def run_workers(settings: Settings, on_ready: Callable[[Workers], None]) -> int:
    """Run `tocsin api` until told to end; return the exit code.

    Raises:
        errors.ConfigError, OSError: as `Workers`.
    """
    configure_logs(settings)
    return asyncio.run(Workers(settings).run(on_ready))


def main() -> int:
    """Be a worker; return the exit code. What keeps it from starting is said on standard error, as of every command."""
    from tocsin.runtime import Role, Worker, run

    gc.disable()  # as in `tocsin serve`
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)

    def on_ready(node: Any) -> None:
        os.write(sys.stdout.fileno(), b"ready\n")

    try:
        return run(
            order.settings,
            on_ready,
            role=Role.API,
            worker=Worker(order.index, order.control_token),
            lifeline=sys.stdin.fileno(),
        )
    except (TocsinError, OSError) as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1


if __name__ == "__main__":
    sys.exit(main())
