"""FullDisk: a disk that is full for the processes of a test, file by file, without a disk of its own or any rights.

A file system that is small would need a mount. So a library is put before libc (`full_disk.c`), and what would make a
file longer fails as the kernel lets it fail. `tests/cluster/test_disk.py` holds it against a real one.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("full_disk.c")
CONTROL = "FULL_DISK"


def _shared_folder() -> Path:
    """A folder that servers which run as somebody else read too."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-disk-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _library() -> Path:
    made = _shared_folder() / "full_disk.so"
    compiler = os.environ.get("CC", "cc")  # the one that Rust links with
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", made, SOURCE, "-ldl"], check=True)
    made.chmod(0o755)
    return made


class FullDisk:
    """Has room until it is filled. Only processes that were started in its `environment` are concerned."""

    def __init__(self) -> None:
        self._control = _shared_folder() / "full"

    def environment(self, base: Mapping[str, str] = os.environ) -> Mapping[str, str]:
        """What a process needs that is to be concerned."""
        libraries = f"{_library()}:{base.get('LD_PRELOAD', '')}".rstrip(":")
        return {**base, "LD_PRELOAD": libraries, CONTROL: str(self._control)}

    def fill(self, *prefixes: str | Path) -> None:
        """From now on there is no room for files whose paths begin with any of these, and for no others."""
        new = self._control.with_suffix(".new")
        new.write_text("".join(f"{each}\n" for each in prefixes))
        new.chmod(0o644)
        new.replace(self._control)

    def free(self) -> None:
        """There is room again."""
        self._control.unlink(missing_ok=True)
