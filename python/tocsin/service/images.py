"""Images: what kind of image some bytes are and how large, from their first bytes; and data URIs."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

_DATA_URI = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,", re.IGNORECASE)
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


class Image(NamedTuple):
    """A recognised image; `kind` is png, jpeg, gif or webp. Sizes in pixels."""

    kind: str
    width: int
    height: int
    animated: bool = False


def sniff(data: bytes) -> Image | None:
    """Return what image the bytes are, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return Image("png", int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        return Image("gif", int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"), animated=True)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    return None


def _webp(data: bytes) -> Image | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Image("webp", width, height, animated=bool(data[20] & 2))
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Image("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return Image("webp", width, height)
    return None


def _jpeg(data: bytes) -> Image | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in _JPEG_SIZES:
            height, width = (int.from_bytes(data[where : where + 2], "big") for where in (at + 5, at + 7))
            return Image("jpeg", width, height)
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def of_data_uri(uri: str) -> tuple[bytes, Image] | None:
    """Return the bytes and the image of a `data:image/...;base64,` URI; None when it is not one."""
    found = _DATA_URI.match(uri)
    if found is None:
        return None
    try:
        data = base64.b64decode(uri[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        return None
    image = sniff(data)
    return None if image is None else (data, image)
