"""The stages that the client tests play on."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clients.stage import Node, Stage, open_stage, running_node, stage_on

# Before they are imported, so that a failure there shows what came.
pytest.register_assert_rewrite("tests.clients.scenarios", "tests.clients.recorder", "tests.clients.compiled_bot")


@pytest.fixture(autouse=True)
def libraries_leaks() -> Iterator[None]:
    """Collect what a library left open here, where it is known whose it is, and not in some later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running_node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture
async def stage(node: Node) -> AsyncIterator[Stage]:
    async with stage_on(node) as stage:
        yield stage


@pytest.fixture
async def own_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage whose node no other test uses, to revoke tokens on."""
    async with open_stage(tmp_path / "node") as stage:
        yield stage
