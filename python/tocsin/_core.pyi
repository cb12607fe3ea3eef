"""The Rust core: sockets, sessions, fan-out. Only `tocsin.gateway` imports it."""

from collections.abc import Sequence
from typing import Literal, Self, TypeAlias, final

__all__ = [
    "ATTACHED",
    "BUS_AWAY",
    "BUS_BEHIND",
    "BUS_FOUND",
    "BUS_MESSAGES",
    "BUS_NOT_TAKEN",
    "BUS_OPENED",
    "BUS_REGISTERED",
    "CLAIM",
    "CLOSED",
    "COMMAND",
    "DETACHED",
    "IDENTIFY",
    "POLICY",
    "Batch",
    "Bus",
    "Compressor",
    "EncodedDispatch",
    "Fragment",
    "Gateway",
    "GatewayConfig",
    "MemberList",
    "Patterns",
    "SharedBodies",
    "SubscriptionIndex",
    "etf_to_json",
    "json_to_etf",
    "token_digest",
]

# Requests handed to Python by `Gateway.drain`. First item is the kind, one of the constants below.
IDENTIFY: int  # (IDENTIFY, session, session_id, d, peer, version)
COMMAND: int  # (COMMAND, session, op, d)             op 0 (TYPING_START: d = {"t":..,"d":..}), 3, 4, 8, 14, 31, 37, 43
POLICY: int  # (POLICY, ticket, scope_kind, scope_id, seq, name, body)
CLOSED: int  # (CLOSED, session, reason)             the session has ended for good
DETACHED: int  # (DETACHED, session, close_code)        its socket is gone; it may still be resumed
ATTACHED: int  # (ATTACHED, session)                    resumed on a new socket
BUS_OPENED: int  # (BUS_OPENED, incarnation, why)      first, restart, gap or expired; unread until Bus.go_on
BUS_REGISTERED: int  # (BUS_REGISTERED, ticket, done)
BUS_BEHIND: int  # (BUS_BEHIND, scope_kind, scope_id, watermark)
BUS_AWAY: int  # (BUS_AWAY, why)                     "" when it is back
BUS_MESSAGES: int  # (BUS_MESSAGES, [(guild, channel, author, body)])
CLAIM: int  # (CLAIM, session, session_id, token_digest, seq)   a resume of a session that this node does not have
BUS_FOUND: int  # (BUS_FOUND, ticket, (user_id, intents, compress, shard, memo) or why there is none)
BUS_NOT_TAKEN: int  # (BUS_NOT_TAKEN, session, why)

Request: TypeAlias = (
    tuple[Literal[1], int, str, bytes, str, int]
    | tuple[Literal[2], int, int, bytes]
    | tuple[Literal[3], int, int, int, int, str, bytes]
    | tuple[Literal[4], int, str]
    | tuple[Literal[5], int, int]
    | tuple[Literal[6], int]
    | tuple[Literal[7], int, str]
    | tuple[Literal[8], int, bool]
    | tuple[Literal[9], int, int, int]
    | tuple[Literal[10], str]
    | tuple[Literal[11], list[tuple[int, int, int, bytes]]]
    | tuple[Literal[12], int, str, bytes, int]
    | tuple[Literal[13], int, tuple[int, int, bool, tuple[int, int] | None, bytes] | str]
    | tuple[Literal[14], int, str]
)

@final
class GatewayConfig:
    """Everything the Rust half needs, validated once. All durations in ms, all sizes in bytes."""

    def __new__(
        cls,
        *,
        host: str = ...,  # 127.0.0.1
        port: int = 0,
        workers: int = 1,
        heartbeat_interval_ms: int = 41250,
        identify_timeout_ms: int = 15000,
        handshake_timeout_ms: int = 10000,
        resume_window_ms: int = 120000,
        replay_max_events: int = 1000,
        replay_max_bytes: int = 4194304,
        outbound_max_bytes: int = 4194304,
        payload_max_bytes: int = 15360,
        send_limit: int = 120,
        send_window_ms: int = 60000,
        host_queue_max: int = 65536,
        max_connections: int = 1000000,
        compression: str = ...,  # shared
        debug_inflate: bool = False,
        session_tag: bytes | None = None,  # 4 bytes that the ids of this node's sessions begin with
        traces: bool = False,  # note what traced events go through
    ) -> Self: ...

@final
class Fragment:
    """Members of a JSON object that many bodies share, encoded and compressed once.

    Args:
        members: JSON without braces, `"a":1,"b":2`; may be empty.
    """

    def __new__(cls, members: bytes, /) -> Fragment: ...
    def __bytes__(self) -> bytes: ...

@final
class Batch:
    """An ordered list of commands for the dispatcher. Filled by Python, moved out by `Gateway.submit`."""

    def __new__(cls) -> Self: ...
    def __len__(self) -> int: ...
    # -- bus: an event in the node's inbox. Exactly one audience: guild[+channel] or users.
    def publish(
        self,
        name: str,
        body: bytes,
        *,
        scope_kind: int,
        scope_id: int,
        seq: int = 0,
        guild: int = 0,
        channel: int = 0,
        users: Sequence[int] = ...,
        exclude_user: int = 0,
        author: int = 0,
        mentions: Sequence[int] = ...,
        gated: bool = False,
        state: bool = False,
        traced: bool = False,  # note what it goes through, at each node
    ) -> None: ...
    # -- answers to IDENTIFY
    def accept(
        self,
        session: int,
        *,
        user_id: int,
        bot: bool,
        intents: int,
        shard: tuple[int, int] | None,
        token_digest: bytes,
        compress: bool,
        ready: bytes,
        # (guild_id, cohort, GUILD_CREATE or None): its own members as JSON without braces, at least one, and the others
        guilds: Sequence[tuple[int, int, tuple[bytes, Sequence[Fragment]] | None]],
    ) -> None: ...
    def reject(self, session: int, close_code: int) -> None: ...
    # -- answers to CLAIM: a place for the session, at which it waits for Bus.take; or invalid_session
    def adopt(
        self,
        session: int,
        *,
        user_id: int,
        bot: bool,
        intents: int,
        shard: tuple[int, int] | None,
        token_digest: bytes,
        compress: bool,
        memo: bytes,
        seq: int,
        guilds: Sequence[tuple[int, int]],  # (guild_id, cohort)
        powerless: Sequence[int],  # guilds where it holds no permission that events of all the guild go by
    ) -> None: ...
    def disown(self, session: int) -> None: ...  # op 9 false to what was adopted
    def memo(self, session: int, memo: bytes) -> None: ...  # kept with a session, for whoever takes it over
    def invalid_session(self, session: int) -> None: ...  # op 9 false before READY; the connection stays
    # -- index
    def set_channel(self, guild: int, channel: int, cohorts: Sequence[int]) -> None: ...  # or a role: who holds it
    def remove_channel(self, guild: int, channel: int) -> None: ...
    def remove_guild(self, guild: int) -> None: ...
    def assign(self, session: int, guild: int, cohort: int) -> None: ...  # join, or move between cohorts
    def unassign(self, session: int, guild: int) -> None: ...
    def set_passive(self, session: int, guild: int, passive: bool) -> None: ...  # who comes is active; moves keep it
    # -- dispatches decided by Python. First given wins: sessions, users, cohorts, (guild, channel), guild.
    def dispatch(
        self,
        name: str,
        body: bytes,
        *,
        sessions: Sequence[int] = ...,
        users: Sequence[int] = ...,
        cohorts: Sequence[int] = ...,
        guild: int = 0,
        channel: int = 0,
        exclude_user: int = 0,
        author: int = 0,
        mentions: Sequence[int] = ...,
        gated: bool = False,
        ungated: bool = False,
        bots_only: bool = False,
    ) -> None: ...
    def decide(self, ticket: int) -> None: ...  # what follows, up to resolve, is said of the event of the ticket
    # certain: whoever comes later would have been told the same, but for users, cohorts, and with by_cohort those
    # cohorts that came later
    def resolve(
        self,
        ticket: int,
        *,
        certain: bool = False,
        users: Sequence[int] = ...,
        by_cohort: bool = False,
        cohorts: Sequence[int] = ...,
    ) -> None: ...
    # -- sessions
    def end_session(self, session: int, close_code: int) -> None: ...  # close and forget
    def reconnect(self, session: int) -> None: ...  # op 7; the session is kept
    def invalidate(self, session: int, resumable: bool) -> None: ...  # op 9 to a live session; false also ends it
    def drop_connection(self, session: int, close_code: int) -> None: ...  # 0 = cut the TCP; the session is kept
    # half a dispatch's frame, then the end of the TCP; the session is kept. Of the next event of a name, "*" for any;
    # without one at once
    def break_frame(self, session: int, event: str | None = None) -> None: ...
    def stall(self, session: int, for_ms: int) -> None: ...  # no output for so many ms

@final
class Gateway:
    """The running gateway half: worker threads and the dispatcher.

    Raises:
        OSError: from `start` when the port cannot be bound.
        RuntimeError: when used before `start` or after `stop`.
    """

    def __new__(cls, config: GatewayConfig) -> Self: ...
    @property
    def port(self) -> int: ...
    def start(self) -> None: ...
    def fileno(self) -> int: ...  # readable when requests wait
    def drain(self, max: int = 256) -> list[Request]: ...
    def let_presences_wait(self, patient: bool) -> None: ...  # op 3 wakes nobody for now; drain after ending that
    def submit(self, batch: Batch) -> None: ...  # empties the batch
    def stats(self) -> dict[str, int]: ...  # connections, sessions, detached_sessions, host_queue, ...
    def metrics(self) -> str: ...  # Prometheus text exposition
    # what traced events went through since last asked: body, receivers, workers, Unix ns of (arrived, ordered, handed
    # to workers, first begun, last given), and of (first write, last write) if anybody got it
    def passages(self) -> list[tuple[bytes, int, int, tuple[int, int, int, int, int], tuple[int, int] | None]]: ...
    def begin_drain(self, spread_ms: int) -> None: ...  # stop accepting, op 7 spread over the time, then close 4000
    def stop(self) -> None: ...  # joins the threads; idempotent

@final
class Bus:
    """A node's part of the bus over Redis Streams (docs/adr/0014). It begins at once; what it has to say comes by
    `Gateway.drain`.

    Args:
        gateway: started; what the inbox brings goes to its dispatcher.
        url: `redis://` or `redis+unix://`.
        node: unique in the cluster, new at each start.
        tag: the gateway's `session_tag`.
        session_ttl_ms: how long other nodes may take over the sessions of one that died.

    Raises:
        ConnectionError: there is no Redis, or it is too old, or it evicts keys.
        RuntimeError: used after `stop`.
    """

    def __new__(
        cls,
        gateway: Gateway,
        url: str,
        node: str,
        tag: bytes,
        *,
        prefix: str,
        partitions: int,
        inbox_ttl_ms: int,
        watermark_ttl_ms: int,
        queue_max_bytes: int,
        session_ttl_ms: int,
    ) -> Bus: ...
    def publish(self, batch: Batch) -> None: ...  # its events, and nothing else of it; empties the batch
    def register(self, ticket: int, incarnation: int, scopes: Sequence[tuple[int, int]]) -> None: ...
    def begin(self, scope_kind: int, scope_id: int, after: int, over_hole: bool) -> None: ...  # its log goes on there
    def find(self, ticket: int, session_id: str, token_digest: bytes, seq: int) -> None: ...  # answer: BUS_FOUND
    def take(self, ticket: int, session: int) -> None: ...  # ATTACHED or BUS_NOT_TAKEN follow
    def go_on(self, incarnation: int) -> None: ...
    def waiting(self) -> tuple[int, int]: ...  # octets to be published; ephemeral events dropped for want of room
    def figures(self) -> dict[str, tuple[str, int]]: ...  # name: (meaning, value)
    def stop(self, grace_ms: int) -> None: ...  # publishes what waits; idempotent

@final
class SubscriptionIndex:
    """Who gets an event: sessions by guild, channel and cohort, as each worker of the gateway holds them.

    A cohort is the sessions of a guild that may see the same; it belongs to one guild. Ids are integers of 64 bits
    (cohorts: 32) and the caller's. Joining, leaving and moving take the same time however many sessions there are.

    Raises:
        OverflowError: from any method, an id is negative or too large.
    """

    def __new__(cls) -> Self: ...
    def set_channel(self, guild: int, channel: int, cohorts: Sequence[int]) -> None: ...  # who may view it
    def remove_channel(self, guild: int, channel: int) -> None: ...
    def remove_guild(self, guild: int) -> None: ...  # with its channels and everyone's membership
    def assign(self, session: int, guild: int, cohort: int) -> None: ...  # join, or move between cohorts
    def unassign(self, session: int, guild: int) -> None: ...
    def remove_session(self, session: int) -> None: ...
    def cohort_of(self, session: int, guild: int) -> int | None: ...
    def channel_sessions(self, guild: int, channel: int) -> list[int]: ...  # in no order
    def count_channel_sessions(self, guild: int, channel: int) -> int: ...  # goes through them, makes no list
    def guild_sessions(self, guild: int) -> list[int]: ...
    def cohort_sessions(self, cohorts: Sequence[int]) -> list[int]: ...
    def sizes(self) -> tuple[int, int, int]: ...  # guilds, cohorts, sessions: zeros once all is gone

@final
class MemberList:
    """A guild's member list by row, group headers among them (protocol.md §1.11).

    Groups are in the order given, members of a group by name (octets of UTF-8, so give it case-folded), then id. A
    group without members has no row. Any change takes microseconds, at a million members too. A step is (kind, row,
    id): 0 the row is gone, 1 a header of group `id` came there, 2 member `id` came there; its row is that of its
    moment. Who is in place already makes no step.

    Raises:
        OverflowError: from any method, an id is negative or too large.
    """

    def __new__(cls, groups: Sequence[int]) -> Self: ...
    def fill(self, members: Sequence[tuple[int, int, str]]) -> None: ...  # (id, group, name) of many, without steps
    def put(self, id: int, group: int, name: str) -> list[tuple[int, int, int]]: ...  # insert, or move
    def remove(self, id: int) -> list[tuple[int, int, int]]: ...
    def row_of(self, id: int) -> int | None: ...
    def rows(self, start: int, count: int) -> list[tuple[bool, int, int]]: ...  # (is a header, id, its count)
    def groups(self) -> list[tuple[int, int]]: ...  # those with members, in order
    @property
    def row_count(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...
    def __len__(self) -> int: ...
    def __contains__(self, id: int, /) -> bool: ...

@final
class Patterns:
    """Regular expressions of Rust's `regex` crate, searched for together in time linear in the text.

    `find` gives the first match that lies in none of the allowed spans, as (pattern, start, end) in code points, of
    those that begin there the first pattern's. The spans are by rising start, none in another. Both let go of the GIL.

    Raises:
        ValueError: one is wrong, or compiled they take more than 512 KiB.
    """

    def __new__(cls, patterns: Sequence[str]) -> Self: ...
    def find(self, text: str, allowed: Sequence[tuple[int, int]]) -> tuple[int, int, int] | None: ...

@final
class EncodedDispatch:
    """An op 0 payload of an event, encoded once for all sessions: each has a head with its `s`, the rest is shared.

    `body` is the JSON of `d`; it is not checked, and what is none becomes nil in a term. With a gate, (author,
    mentions), those who may not see content (`sees_content` false, neither author nor mentioned) share a variant
    without it (protocol.md §2).

    Raises:
        ValueError: the name has over 255 octets.
    """

    def __new__(cls, name: str, body: bytes, *, gate: tuple[int, Sequence[int]] | None = None) -> Self: ...
    @staticmethod
    def head(s: int, *, etf: bool = False) -> bytes: ...
    def shared(self, *, etf: bool = False, user_id: int = 0, sees_content: bool = True) -> bytes: ...
    def payloads(
        self, sequences: Sequence[int], *, etf: bool = False, user_id: int = 0, sees_content: bool = True
    ) -> list[bytes]: ...  # head + shared for each `s`
    def shows_all(self, *, user_id: int, sees_content: bool) -> bool: ...  # whether that user gets it unabridged

@final
class SharedBodies:
    """What many compressed streams share: bodies lately sent, by scope, and the event in hand, searched once.

    `begin` goes on to another event; its `scope` is where to look for matches, 0 for nowhere, and `kept` whether later
    events may refer to it. The body has to be the same octets for a form (below 8) until the next `begin`.

    Raises:
        ValueError: from `compress`: a form above 7, or not as many heads as compressors.
        RuntimeError: a stream is broken, or one compressor is given twice.
    """

    def __new__(cls) -> Self: ...
    def begin(self, scope: int = 0, *, kept: bool = True) -> None: ...
    def compress(
        self, compressors: Sequence[Compressor], heads: Sequence[bytes], body: bytes, *, form: int = 0
    ) -> list[bytes]: ...  # what each stream goes on with
    @property
    def memory_bytes(self) -> int: ...

@final
class Compressor:
    """One connection's `zlib-stream` or `zstd-stream`: what it returns decodes to exactly the payload it was given.

    Payloads have to be compressed in the order in which they are sent, none twice and none left out. A compressor
    goes with the same `SharedBodies` for its life. `compression` is as the setting: `shared`, or `connection` for a
    context of its own; `inspect` inflates what comes out and compares.

    Raises:
        ValueError: a transport, compression or form that there is not.
        RuntimeError: the stream is broken.
    """

    def __new__(cls, transport: str, *, compression: str = ..., inspect: bool = False) -> Self: ...  # shared
    def compress(self, shared: SharedBodies, head: bytes, body: bytes, *, form: int = 0) -> bytes: ...
    def compress_private(self, shared: SharedBodies, payload: bytes) -> bytes: ...  # what no other stream gets
    @property
    def is_broken(self) -> bool: ...

def json_to_etf(json: bytes, *, payload: bool = False) -> bytes:
    """A JSON value as a term (protocol.md §5.4): keys and strings as binaries, as erlpack writes them.

    With `payload`, a gateway payload as ETF clients get it: `op`, `d`, `s`, `t` and the name as atoms, snowflakes as
    integers.

    Raises:
        ValueError: it is not JSON, is nested over 127 levels, or is no payload.
    """

def etf_to_json(term: bytes) -> bytes:
    """A term as JSON, by what erlpack takes; integral floats below 2^53 and ids come out as integers.

    Raises:
        ValueError: it is no such term.
    """

def token_digest(token: str) -> bytes:
    """SHA-256 of a token without its `Bot ` or `Bearer ` prefix: 32 bytes."""
