"""Streams that share their work, read by clients' decoders: some thousand payloads; `make verify-streams` a million."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.streams import scene
from tests.streams.decode import records, streams, write_records
from tests.streams.decoders import DECODERS, Decoder, MissingError, WrongError

PAYLOADS = 6_000
CONNECTIONS = 14
"""JSON and ETF from each of the scene's first sequence numbers."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int]]:
    """A scene by transport: its folder and how many payloads it has."""
    found = {}
    for transport in ("zlib", "zstd"):
        folder = tmp_path_factory.mktemp(transport)
        found[transport] = (folder, scene.play(folder, f"{transport}-stream", PAYLOADS, CONNECTIONS))
    return found


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_every_payload_comes_out_of_clients_decoders(decoder: Decoder, played: dict[str, tuple[Path, int]]) -> None:
    folder, count = played[decoder.transport]
    try:
        report = decoder.check(folder, count + 1)
    except MissingError as error:
        pytest.skip(str(error))
    assert report.messages == count >= PAYLOADS
    # The scene has its share of payloads that nothing makes smaller.
    assert report.payload_bytes > 1.5 * report.stream_bytes


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_a_payload_that_differs_is_found(decoder: Decoder, played: dict[str, tuple[Path, int]], tmp_path: Path) -> None:
    first = streams(played[decoder.transport][0])[0]
    messages, payloads = list(records(first))[:50], list(records(first.with_suffix(".expect")))[:50]
    payloads[40] = payloads[40][:-1] + b"?"
    write_records(tmp_path / "0.stream", messages)
    write_records(tmp_path / "0.expect", payloads)
    try:
        with pytest.raises(WrongError, match=r"0\.stream: message 40 is not its payload"):
            decoder.check(tmp_path, 50)
    except MissingError as error:
        pytest.skip(str(error))


def test_a_scene_has_what_streams_stumble_over(played: dict[str, tuple[Path, int]]) -> None:
    for folder, _ in played.values():
        heads, longest = set(), 0
        for stream in streams(folder):
            for payload in records(stream.with_suffix(".expect")):
                heads.add(payload[:12])
                longest = max(longest, len(payload))
        for s in (9, 10, 99, 100, 999, 1000, 9_999, 10_000, 99_999, 100_000):
            assert any(head.startswith(b'{"s":%d,' % s) for head in heads), s
        assert any(head[0] == 131 for head in heads)
        assert longest > 100_000
