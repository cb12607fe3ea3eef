"""The fault proxy does to octets what it is told, and loses none that it was not told to lose."""

from __future__ import annotations

import asyncio
import contextlib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from tests.cluster.faultproxy import DEAF, DOWN, FINE, UP, FaultProxy, Faults, Way, running_proxy

EVERYTHING = bytes(range(256)) * 400


class Line(NamedTuple):
    """A connection through a proxy: the ends of who connected, and of the target."""

    proxy: FaultProxy
    near: asyncio.StreamReader
    near_out: asyncio.StreamWriter
    far: asyncio.StreamReader
    far_out: asyncio.StreamWriter


@contextlib.asynccontextmanager
async def line(faults: Faults = FINE, seed: int = 0) -> AsyncIterator[Line]:
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    target = await asyncio.start_server(lambda *ends: arrived.put_nowait(ends), "127.0.0.1", 0)
    async with target, FaultProxy(("127.0.0.1", target.sockets[0].getsockname()[1]), seed) as proxy:
        proxy.set(faults)
        near, near_out = await asyncio.open_connection("127.0.0.1", proxy.port)
        far, far_out = await arrived.get()
        yield Line(proxy, near, near_out, far, far_out)
        await gone(near_out, far_out)


async def gone(*ends: asyncio.StreamWriter) -> None:
    for end in ends:
        end.transport.abort()
        with contextlib.suppress(OSError):
            await end.wait_closed()


def answer(url: str) -> int:
    try:
        with urllib.request.urlopen(url, data=b'{"up": 1}', timeout=10) as reply:
            status: int = reply.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def silent(reader: asyncio.StreamReader, seconds: float = 0.05) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    "way",
    [Way(), Way(chop=7), Way(latency_ms=5, jitter_ms=20), Way(rate_bytes_s=2_000_000), Way(latency_ms=2, chop=1448)],
)
async def test_what_comes_late_or_in_pieces_comes_whole_and_in_order(way: Way) -> None:
    async with line(Faults(up=way, down=way)) as ends:
        ends.near_out.write(EVERYTHING)
        ends.near_out.write_eof()
        assert await ends.far.read(-1) == EVERYTHING
        ends.far_out.write(EVERYTHING)
        ends.far_out.write_eof()
        assert await ends.near.read(-1) == EVERYTHING


async def test_latency_and_rate_cost_at_least_their_time() -> None:
    loop = asyncio.get_running_loop()
    async with line(Faults(down=Way(latency_ms=80))) as ends:
        began = loop.time()
        ends.far_out.write(b"x")
        await ends.near.readexactly(1)
        assert loop.time() - began >= 0.079
        ends.proxy.set(Faults(down=Way(rate_bytes_s=100_000)))
        began = loop.time()
        ends.far_out.write(bytes(20_000))
        await ends.near.readexactly(20_000)
        assert loop.time() - began >= 0.199


async def test_a_black_hole_is_of_one_direction_and_loses_nothing() -> None:
    async with line(Faults(up=DEAF)) as ends:
        ends.near_out.write(b"lost?")
        ends.near_out.write_eof()
        assert await silent(ends.far)
        ends.far_out.write(b"heard")
        assert await ends.near.readexactly(5) == b"heard"
        ends.proxy.set(FINE)
        assert await ends.far.read(-1) == b"lost?"


async def test_after_so_many_octets_both_ends_are_reset() -> None:
    async with line(Faults(down=Way(cut_after=1000))) as ends:
        ends.far_out.write(bytes(5000))
        with pytest.raises(ConnectionResetError):
            await ends.near.readexactly(1001)
        with pytest.raises(ConnectionResetError):
            await ends.far.readexactly(1)


async def test_a_reset_is_an_rst_and_a_half_close_leaves_the_other_half() -> None:
    async with line() as ends:
        ends.near_out.write(b"x")
        await ends.far.readexactly(1)
        assert ends.proxy.half_close(UP) == 1
        assert await ends.far.read(-1) == b""
        ends.far_out.write(b"still")
        assert await ends.near.readexactly(5) == b"still"
    async with line() as ends:
        ends.near_out.write(b"x")
        await ends.far.readexactly(1)
        assert ends.proxy.reset() == 1
        for reader in (ends.near, ends.far):
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
    async with line() as ends:
        ends.near_out.write(b"x")
        await ends.far.readexactly(1)
        assert ends.proxy.half_close(DOWN) == 1
        assert await ends.near.read(-1) == b""


async def test_who_is_refused_gets_an_rst() -> None:
    async with line() as ends:
        ends.proxy.set(Faults(refuse=True))
        reader, writer = await asyncio.open_connection("127.0.0.1", ends.proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        await gone(writer)
        assert ends.proxy.refused == 1


async def test_the_same_seed_gives_the_same_pauses() -> None:
    async def pauses(seed: int) -> list[float]:
        proxy = FaultProxy("nowhere", seed)
        return [proxy._dice.random() for _ in range(20)]

    assert await pauses(7) == await pauses(7)
    assert await pauses(7) != await pauses(8)


async def test_a_proxy_by_itself_obeys_its_control_port() -> None:
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    target = await asyncio.start_server(lambda *ends: arrived.put_nowait(ends), "127.0.0.1", 0)
    async with target:
        with running_proxy(("127.0.0.1", target.sockets[0].getsockname()[1])) as proxy:
            near, near_out = await asyncio.open_connection("127.0.0.1", proxy.port)
            far, far_out = await arrived.get()
            proxy.set(Faults(up=DEAF))
            near_out.write(b"x")
            assert await silent(far)
            proxy.set(FINE)
            assert await far.readexactly(1) == b"x"
            assert proxy.counters()["connections"] == 1
            for path, status in (("/nothing", 404), ("/faults", 400)):
                assert answer(proxy._control + path) == status
            assert proxy.reset() == 1
            with pytest.raises(ConnectionResetError):
                await near.readexactly(1)
            await gone(near_out, far_out)
