"""Settings of clients as protobuf: what of the wire format it takes to change some fields and keep the others.

Fields are not read, but for the versions of types 1 and 2: field 1, in which 3 is the version of the data
(Discord's PreloadedUserSettings and FrecencyUserSettings).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

VERSIONS, DATA_VERSION = 1, 3
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_NUMBER = (1 << 29) - 1
_MAX_VERSION = (1 << 31) - 1


class Field(NamedTuple):
    """A field as it is on the wire: its number, all of its octets, and where its value begins in them."""

    number: int
    octets: bytes
    value_at: int

    @property
    def kind(self) -> int:
        """The wire type."""
        return self.octets[0] & 7


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a varint and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at == len(data):
            raise ValueError("the end is missing")
        octet = data[at]
        at += 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value, at
    raise ValueError("a number is too long")


def _encoded(value: int) -> bytes:
    octets = bytearray()
    while value > 127:
        octets.append(value & 127 | 128)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def split(data: bytes) -> list[Field]:
    """Return the fields of a message, in their order.

    Raises:
        ValueError: it is no message of this wire format; groups, which proto3 has not, are none either.
    """
    fields, at = [], 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number <= _MAX_NUMBER:
            raise ValueError("no such field")
        value_at = at
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _BYTES:
            length, value_at = _varint(data, at)
            at = value_at + length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("no such wire type")
        if at > len(data):
            raise ValueError("the end is missing")
        fields.append(Field(number, data[start:at], value_at - start))
    return fields


def _joined(fields: Iterable[Field]) -> bytes:
    return b"".join(each.octets for each in sorted(fields, key=lambda each: each.number))


def _replaced(before: Iterable[Field], by: list[Field]) -> list[Field]:
    named = {each.number for each in by}
    return [each for each in before if each.number not in named] + by


def merge(before: bytes, patch: bytes, *, versioned: bool) -> bytes:
    """Return a message with the fields that `patch` has, whole, and the others as they were.

    A field that a client empties comes as an empty message, which replaces what there was. With `versioned`, the data's
    version is one more than before, whatever the patch says.

    Raises:
        ValueError: the patch is no message.
    """
    fields = _replaced(_readable(before), split(patch))
    if versioned:
        versions = _replaced(_versions(_readable(before)), _versions(split(patch)))
        number = min(data_version(before) + 1, _MAX_VERSION)
        versions = _replaced(versions, split(_encoded(DATA_VERSION << 3 | _VARINT) + _encoded(number)))
        inner = _joined(versions)
        octets = _encoded(VERSIONS << 3 | _BYTES) + _encoded(len(inner)) + inner
        fields = _replaced(fields, split(octets))
    return _joined(fields)


def data_version(settings: bytes) -> int:
    """Return the version of the data of versioned settings, 0 where they have none."""
    found = [each for each in _versions(_readable(settings)) if each.number == DATA_VERSION and each.kind == _VARINT]
    return _varint(found[-1].octets, found[-1].value_at)[0] if found else 0


def _versions(fields: Iterable[Field]) -> list[Field]:
    """Return the fields of the versions. Raises ValueError where field 1 is no message."""
    versions: list[Field] = []
    for each in fields:
        if each.number == VERSIONS:
            if each.kind != _BYTES:
                raise ValueError("the versions are no message")
            versions = _replaced(versions, split(each.octets[each.value_at :]))
    return versions


def _readable(settings: bytes) -> list[Field]:
    """Return the fields of what is kept, none where an earlier version of this server kept what is no message."""
    try:
        fields = split(settings)
        _versions(fields)
    except ValueError:
        return []
    return fields
