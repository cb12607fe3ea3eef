"""Images are known by their first bytes, whatever they are called."""

from __future__ import annotations

import base64

import pytest

from tocsin.service.images import Image, of_data_uri, sniff

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (32).to_bytes(4, "big") + (48).to_bytes(4, "big")
JPEG = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08" + (7).to_bytes(2, "big") + (9).to_bytes(2, "big") + b"\x03"
VP8X = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + (99).to_bytes(3, "little") + (49).to_bytes(3, "little")
VP8L = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + (19 | 29 << 14).to_bytes(4, "little") + bytes(8)
VP8 = b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + (5).to_bytes(2, "little") + (6).to_bytes(2, "little")
GIF = b"GIF89a" + (8).to_bytes(2, "little") + (9).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("data", "image"),
    [
        (PNG, Image("png", 32, 48)),
        (GIF, Image("gif", 8, 9, animated=True)),
        (JPEG, Image("jpeg", 9, 7)),
        (VP8X, Image("webp", 100, 50, animated=True)),
        (VP8L, Image("webp", 20, 30)),
        (VP8, Image("webp", 5, 6)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"", None),
    ],
)
def test_kind_and_size_are_read_from_the_head(data: bytes, image: Image | None) -> None:
    assert sniff(data) == image


def test_a_head_that_is_cut_off_is_no_image_and_no_error() -> None:
    for data in (PNG, GIF, JPEG, VP8X, VP8L, VP8):
        for end in range(9):
            assert sniff(data[:end]) is None


def test_a_data_uri_holds_an_image_or_nothing() -> None:
    encoded = base64.b64encode(PNG).decode()
    assert of_data_uri(f"data:image/png;base64,{encoded}") == (PNG, Image("png", 32, 48))
    for wrong in (encoded, f"data:text/html;base64,{encoded}", "data:image/png;base64,%%%", "data:image/png;base64,"):
        assert of_data_uri(wrong) is None
