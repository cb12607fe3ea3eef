"""Context: what every service is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.bus.base import Bus
from tocsin.config import Settings
from tocsin.model.snowflake import SnowflakeFactory
from tocsin.service.world import World
from tocsin.store.base import Store


@dataclass(frozen=True, slots=True)
class Context:
    """Shared parts, one of each per node. `clock` gives Unix milliseconds."""

    settings: Settings
    store: Store
    bus: Bus
    world: World
    snowflakes: SnowflakeFactory
    clock: Callable[[], int]
