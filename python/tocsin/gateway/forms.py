"""Forms: what clients send in op 2, 8, 31 and 43, read strictly; ids may be numbers (protocol.md §1.5, §1.9)."""

from __future__ import annotations

from typing import Any

import msgspec

from tocsin.model.snowflake import MAX_SNOWFLAKE

CLOSE_DECODE = 4002
CLOSE_AUTHENTICATION = 4004
CLOSE_INVALID_SHARD = 4010
CLOSE_SHARDING_REQUIRED = 4011
CLOSE_INVALID_INTENTS = 4013
CLOSE_DISALLOWED_INTENTS = 4014

MAX_SHARDS = 65_536
MAX_USER_IDS = 100
MAX_QUERY_LIMIT = 100
MAX_NONCE_BYTES = 32
MIN_LARGE_THRESHOLD = 25

_decode = msgspec.json.Decoder().decode


class Refused(Exception):
    """A payload that closes the connection."""

    def __init__(self, close_code: int) -> None:
        super().__init__(close_code)
        self.close_code = close_code


class IdentifyForm(msgspec.Struct, frozen=True, kw_only=True):
    """An op 2 payload whose types hold. `intents` is None when absent, `large_threshold` and `capabilities` 0."""

    token: str
    properties: dict[str, Any]
    intents: int | None
    compress: bool
    large_threshold: int
    shard: tuple[int, int] | None
    presence: object
    capabilities: int


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def decode(d: bytes) -> Any:
    """Decode a payload. Raises `Refused` (4002)."""
    try:
        return _decode(d)
    except msgspec.DecodeError:
        raise Refused(CLOSE_DECODE) from None


def read_identify(d: bytes) -> IdentifyForm:
    """Read an op 2 payload.

    Raises:
        Refused: 4002, 4010 for a bad shard, 4013 for intents that are no number.
    """
    body = decode(d)
    if not isinstance(body, dict):
        raise Refused(CLOSE_DECODE)
    token, properties = body.get("token"), body.get("properties")
    if not isinstance(token, str) or not isinstance(properties, dict):
        raise Refused(CLOSE_DECODE)
    intents = body.get("intents")
    if isinstance(intents, str) and intents.isdecimal() and len(intents) < 20:
        intents = int(intents)
    if intents is not None and not _is_int(intents):
        raise Refused(CLOSE_INVALID_INTENTS)
    compress = body.get("compress")
    threshold = body.get("large_threshold")
    capabilities = body.get("capabilities")
    # oceanic.js puts the name of the transport compression here too, which the URL has told already.
    if not (compress is None or isinstance(compress, bool | str)) or not (threshold is None or _is_int(threshold)):
        raise Refused(CLOSE_DECODE)
    return IdentifyForm(
        token=token,
        properties=properties,
        intents=intents,
        compress=compress is True,
        large_threshold=threshold or 0,
        shard=_shard(body.get("shard")),
        presence=body.get("presence"),
        capabilities=capabilities if isinstance(capabilities, int) and _is_int(capabilities) else 0,
    )


def _shard(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(_is_int(each) for each in value):
        raise Refused(CLOSE_INVALID_SHARD)
    index, total = value
    if not 0 <= index < total <= MAX_SHARDS:
        raise Refused(CLOSE_INVALID_SHARD)
    return index, total


def snowflake(value: object) -> int:
    """Read an id given as a string or a number.

    Raises:
        ValueError: it is no id.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SNOWFLAKE:
        raise ValueError("not an id")
    return value


class MembersForm(msgspec.Struct, frozen=True, kw_only=True):
    """An op 8 payload. Either `query` or `user_ids` is given."""

    guild_id: int
    query: str | None
    limit: int
    user_ids: tuple[object, ...]
    presences: bool
    nonce: str | None

    @property
    def wants_all(self) -> bool:
        """Whether it asks for every member."""
        return self.query == "" and self.limit == 0


def read_members(body: object) -> MembersForm:
    """Read an op 8 payload.

    Raises:
        ValueError: a field is missing or of a wrong type.
    """
    if not isinstance(body, dict):
        raise ValueError("an object is expected")
    guild_id = body.get("guild_id")
    if isinstance(guild_id, list):
        if len(guild_id) != 1:
            raise ValueError("exactly one guild")
        guild_id = guild_id[0]
    user_ids = body.get("user_ids")
    if user_ids is not None and not isinstance(user_ids, list):
        user_ids = [user_ids]
    query, limit = body.get("query"), body.get("limit", 0)
    if query is not None and not isinstance(query, str):
        raise ValueError("query is text")
    if query is None and user_ids is None:
        raise ValueError("query or user_ids")
    if user_ids is not None and len(user_ids) > MAX_USER_IDS:
        raise ValueError("at most 100 user_ids")
    if limit is None:
        limit = 0
    if not _is_int(limit) or limit < 0:
        raise ValueError("limit is a number")
    nonce = body.get("nonce")
    if not isinstance(nonce, str) or len(nonce.encode("utf-8", "replace")) > MAX_NONCE_BYTES:
        nonce = None
    return MembersForm(
        guild_id=snowflake(guild_id),
        query=None if user_ids is not None else query,
        limit=limit,
        user_ids=tuple(user_ids or ()),
        presences=body.get("presences") is True,
        nonce=nonce,
    )


def read_guild_ids(body: object) -> list[int]:
    """Read an op 31 payload. Raises `ValueError`."""
    ids = body.get("guild_ids") if isinstance(body, dict) else None
    if not isinstance(ids, list):
        raise ValueError("guild_ids is an array")
    return [snowflake(each) for each in ids]


def read_channel_info(body: object) -> tuple[int, list[str]]:
    """Read an op 43 payload: the guild and the fields that are known. Raises `ValueError`."""
    if not isinstance(body, dict):
        raise ValueError("an object is expected")
    fields = body.get("fields", [])
    if not isinstance(fields, list):
        raise ValueError("fields is an array")
    return snowflake(body.get("guild_id")), [each for each in ("status", "voice_start_time") if each in fields]
