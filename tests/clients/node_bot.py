"""NodeBot: an unmodified library for Node, driven by a file of tests/clients/js."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.clients.process_bot import ProcessBot

DIRECTORY = Path(__file__).parent / "js"


def require_node(package: str) -> None:
    """Fail, with the way out, where Node or the package is not installed."""
    if shutil.which("node") is None:
        pytest.fail("`node` is not on the PATH: the tests with Node's libraries need Node 20 or newer")
    if not (DIRECTORY / "node_modules" / package / "package.json").is_file():
        pytest.fail(f"{package} is not installed: run `npm ci --prefix tests/clients/js`, as `make test` does")


def loads(package: str) -> bool:
    """Whether Node can use a package. Those of C++ are optional, so npm goes on where they cannot be built."""
    command = ["node", "-e", f"require('{package}')"]
    return subprocess.run(command, cwd=DIRECTORY, capture_output=True, check=False).returncode == 0


def need_erlpack() -> None:
    """Skip where erlpack is not built, without which oceanic.js speaks no ETF."""
    if not loads("erlpack"):
        pytest.skip("erlpack did not build here: `npm rebuild erlpack --prefix tests/clients/js` tells why")


class NodeBot(ProcessBot):
    """One bot process of Node."""

    @classmethod
    async def start(cls, driver: str, *, base_url: str, token: str) -> Self:
        """Start `driver` (a file of tests/clients/js) against a server; wait for "ready"."""
        return await cls.launch(["node", driver], directory=DIRECTORY, base_url=base_url, token=token)
