"""Context: what every service is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tocsin.bus.base import Bus, Interest
from tocsin.bus.local import Everything
from tocsin.config import Settings
from tocsin.model.snowflake import SnowflakeFactory
from tocsin.service.automod_match import Compile, no_patterns
from tocsin.service.locks import KeyedLocks
from tocsin.service.windows import SharedWindows
from tocsin.service.world import World
from tocsin.store.base import Store
from tocsin.store.content import ContentStore, FolderContent


@dataclass(frozen=True, slots=True)
class Context:
    """Shared parts, one of each per node. `clock` gives Unix milliseconds; `locks` serialise the changes of a guild.

    `windows` is there where other processes count requests too.
    """

    settings: Settings
    store: Store
    bus: Bus
    world: World
    snowflakes: SnowflakeFactory
    clock: Callable[[], int]
    locks: KeyedLocks = field(default_factory=KeyedLocks)
    interest: Interest = field(default_factory=Everything)
    windows: SharedWindows | None = None
    patterns: Compile = no_patterns
    content: ContentStore = field(init=False)
    """Files that people give."""

    def __post_init__(self) -> None:
        content = FolderContent(Path(self.settings.content or Path(self.settings.data) / "content"))
        object.__setattr__(self, "content", content)  # as a frozen dataclass sets its own
