"""ContentStore: files that people give, by key; and the one that keeps them in a folder.

Which keys are in use is the database's knowledge; a file without its row is served to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from pathlib import Path
from typing import Protocol

from tocsin.errors import StoreFull, StoreUnavailable
from tocsin.figures import ContentFigures

_KEY = re.compile(r"[a-z]+/\d+")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class ContentStore(Protocol):
    """Keeps bytes by key, such as `emojis/123`."""

    figures: ContentFigures

    async def put(self, key: str, data: bytes) -> None:
        """Keep `data`, on disk before this returns. Raises `errors.StoreUnavailable`: nothing of it is there."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Return what is kept, or None."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the key; one that is not there is no error."""
        ...


class FolderContent:
    """A file a key, in a folder that is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self.figures = ContentFigures()
        self._root = root

    async def put(self, key: str, data: bytes) -> None:
        """Write beside and rename, so that no half of a file is ever read."""
        path = self._path(key)

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = _beside(path)
            try:
                with beside.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(path)
            except OSError:
                # Of no use to anybody, and it takes the room that others need.
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)
                raise

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            refused = StoreFull if error.errno in _NO_ROOM else StoreUnavailable
            refusal = refused(f"cannot write {path}: {error.strerror or error}")
            self.figures.refuse(refusal)
            raise refusal from error

    async def get(self, key: str) -> bytes | None:
        """Return the file's bytes, or None."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError:
            return None

    async def delete(self, key: str) -> None:
        """Remove the file, and what a process that was killed had written of it."""
        path = self._path(key)

        def remove() -> None:
            for each in (path, _beside(path)):
                each.unlink(missing_ok=True)

        await asyncio.to_thread(remove)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"no content key: {key!r}")
        return self._root / key


def _beside(path: Path) -> Path:
    return path.with_suffix(".part")
