"""The content store: bytes come back, keys are nothing but keys, and half a file is never there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tocsin.errors import StoreFull, StoreUnavailable
from tocsin.store.content import FolderContent


async def test_what_is_put_comes_back_until_it_is_deleted(tmp_path: Path) -> None:
    content = FolderContent(tmp_path / "content")
    assert await content.get("emojis/1") is None
    await content.put("emojis/1", b"first")
    await content.put("emojis/1", b"second")
    assert await content.get("emojis/1") == b"second"
    assert [each.name for each in (tmp_path / "content" / "emojis").iterdir()] == ["1"]
    await content.delete("emojis/1")
    await content.delete("emojis/1")
    assert await content.get("emojis/1") is None


@pytest.mark.parametrize("key", ["../secret", "emojis/../1", "emojis/1/2", "/etc/passwd", "emojis/a", "emojis/1\n"])
async def test_a_key_never_leaves_the_folder(tmp_path: Path, key: str) -> None:
    content = FolderContent(tmp_path)
    for question in (content.get(key), content.put(key, b""), content.delete(key)):
        with pytest.raises(ValueError, match="no content key"):
            await question


@pytest.mark.parametrize(
    ("code", "kind", "reason"), [(errno.ENOSPC, StoreFull, "full"), (errno.EIO, StoreUnavailable, "unavailable")]
)
async def test_of_a_file_that_does_not_fit_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StoreUnavailable], reason: str
) -> None:
    content = FolderContent(tmp_path)
    await content.put("emojis/1", b"first")

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        # A file system may say it only when it is to be sure.
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreUnavailable) as raised:
            await content.put("emojis/1", b"second")
    assert type(raised.value) is kind
    assert [each.name for each in (tmp_path / "emojis").iterdir()] == ["1"]
    assert await content.get("emojis/1") == b"first"
    assert f'tocsin_content_refused_total{{reason="{reason}"}} 1' in content.figures.text()
    await content.put("emojis/1", b"third")
    assert await content.get("emojis/1") == b"third"


async def test_what_a_killed_process_had_written_goes_with_its_key(tmp_path: Path) -> None:
    content = FolderContent(tmp_path)
    (tmp_path / "attachments").mkdir()
    (tmp_path / "attachments" / "1.part").write_bytes(b"half")
    await content.delete("attachments/1")
    assert [*(tmp_path / "attachments").iterdir()] == []


async def test_a_folder_that_cannot_be_made_is_said_to_be_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        await FolderContent(tmp_path / "file").put("emojis/1", b"")
