"""What `serve`, `gateway` and `api` do around what they run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from tocsin.config import Settings
from tocsin.errors import ConfigError


def run_holding(settings: Settings, run: Callable[[], int]) -> NoReturn:
    """Run something on the data folder, held for this process, and exit with its code.

    Raises:
        errors.ConfigError: the folder is another's, or a port or a file cannot be had.
    """
    from tocsin.service.node_file import hold_data

    with hold_data(settings.data):
        try:
            code = run()
        except OSError as error:
            raise ConfigError(f"cannot start: {error}") from None
    sys.exit(code)
