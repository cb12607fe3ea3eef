"""The content store: bytes come back, keys are nothing but keys, and half a file is never there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.errors import StoreUnavailable
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


async def test_a_folder_that_cannot_be_made_is_said_to_be_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        await FolderContent(tmp_path / "file").put("emojis/1", b"")
