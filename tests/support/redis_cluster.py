"""RedisCluster: masters and replicas of one's own on ephemeral ports; masters can be killed, slots moved."""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

SLOTS = 16384
PATIENCE_S = 30.0
NODE_TIMEOUT_MS = 10_000
"""Long: on a busy machine nobody is given up by mistake. Tests that kill a master tell its replica to take over."""


class Member:
    """One `redis-server`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        folder.mkdir(parents=True)
        self.folder, self._flags = folder, flags
        self.port = self.bus_port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `--bus` takes."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on other ports where somebody else has taken those that were free."""
        while not self.answers():
            self.port, self.bus_port = _free_ports()
            self._launch()
            wait_until(lambda: self.answers() or not self.runs())

    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def _launch(self) -> None:
        ours = [
            *("--port", str(self.port), "--cluster-port", str(self.bus_port), "--bind", "127.0.0.1"),
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--save", "", "--repl-diskless-sync-delay", "0", "--dir", str(self.folder)),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", *ours, *self._flags], cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )

    def answers(self) -> bool:
        """Whether it answers at all."""
        try:
            return self.runs() and bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def ask(self, *words: str | int) -> Any:
        """Return the answer to one command, as redis-py reads it."""
        with redis.Redis.from_url(self.url, socket_timeout=PATIENCE_S, protocol=2, decode_responses=True) as link:
            return link.execute_command(*words)

    @property
    def name(self) -> str:
        """What the cluster calls it."""
        return str(self.ask("CLUSTER MYID"))

    def info(self) -> dict[str, str]:
        """What it thinks of the cluster."""
        found: dict[str, str] = self.ask("CLUSTER INFO")
        return found

    def kill(self) -> None:
        """SIGKILL, at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)


class RedisCluster:
    """So many masters, the slots in equal parts, each with a replica where asked."""

    def __init__(self, folder: Path, masters: int = 3, *, replicas: bool = False, flags: tuple[str, ...] = ()) -> None:
        self.masters = [Member(folder / f"master-{number}", *flags) for number in range(masters)]
        self.replicas = [Member(folder / f"replica-{number}", *flags) for number in range(masters if replicas else 0)]

    @property
    def members(self) -> list[Member]:
        """All of them."""
        return [*self.masters, *self.replicas]

    def start(self) -> None:
        """Start them and join them, and wait until all agree."""
        for member in self.members:
            member.start()
        share = -(-SLOTS // len(self.masters))
        for number, master in enumerate(self.masters):
            master.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
            master.ask("CLUSTER ADDSLOTSRANGE", number * share, min((number + 1) * share, SLOTS) - 1)
        first = self.masters[0]
        for member in self.members[1:]:
            member.ask("CLUSTER MEET", "127.0.0.1", first.port, first.bus_port)
        self.agree()
        for master, replica in zip(self.masters, self.replicas, strict=False):
            replica.ask("CLUSTER REPLICATE", master.name)
        for replica in self.replicas:
            wait_until(functools.partial(_says, replica, "master_link_status:up"))
        self.agree()

    def agree(self) -> None:
        """Wait until all members know all others, and who has which slots."""
        count = str(len(self.members))

        def agreed() -> bool:
            infos = [member.info() for member in self.members]
            whole = all(
                (each["cluster_state"], each["cluster_known_nodes"], each["cluster_slots_ok"])
                == ("ok", count, str(SLOTS))
                for each in infos
            )
            return whole and len({str(_owners(member)) for member in self.members}) == 1

        wait_until(agreed)

    def master_of(self, key: str) -> Member:
        """The living member that has a key's slot."""
        slot = key_slot(key.encode())
        for member in self.members:
            if member.answers():
                for first, last, port in _owners(member):
                    if first <= slot <= last:
                        return next(each for each in self.members if each.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def replicate(self, master: Member) -> None:
        """Wait until a master's replica has all that the master was told so far."""
        replica = self.replicas[self.masters.index(master)]
        place = _place(master)
        wait_until(lambda: _place(replica) >= place)

    def fail_over(self, master: Member) -> Member:
        """SIGKILL a master and let its replica take over; return that."""
        replica = self.replicas[self.masters.index(master)]
        master.kill()
        replica.ask("CLUSTER FAILOVER", "TAKEOVER")
        wait_until(functools.partial(_says, replica, "role:master"))
        return replica

    def move(self, key: str, to: Member) -> None:
        """Move a key's slot, with all its keys, to another master, as `redis-cli --cluster reshard` does."""
        slot, source = key_slot(key.encode()), self.master_of(key)
        to.ask("CLUSTER SETSLOT", slot, "IMPORTING", source.name)
        source.ask("CLUSTER SETSLOT", slot, "MIGRATING", to.name)
        while keys := source.ask("CLUSTER GETKEYSINSLOT", slot, 10):
            source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
        for member in (to, source, *(each for each in self.masters if each not in (to, source))):
            member.ask("CLUSTER SETSLOT", slot, "NODE", to.name)

    def kill(self) -> None:
        """SIGKILL all."""
        for member in self.members:
            member.kill()


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.01)


def _says(member: Member, what: str) -> bool:
    name, _, value = what.partition(":")
    return bool(member.ask("INFO", "replication").get(name) == value)


def _place(member: Member) -> int:
    place: int = member.ask("INFO", "replication")["master_repl_offset"]
    return place


def _owners(member: Member) -> list[tuple[int, int, int]]:
    """First slot, last slot and their master's port, as a member knows them."""
    answer = member.ask("CLUSTER SLOTS")
    return sorted((first, last, master[1]) for first, last, master, *_ in answer)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@contextlib.contextmanager
def running_cluster(
    folder: Path, masters: int = 3, *, replicas: bool = False, flags: tuple[str, ...] = ()
) -> Iterator[RedisCluster]:
    """A cluster for a `with` block."""
    cluster = RedisCluster(folder, masters, replicas=replicas, flags=flags)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
