"""The regular expressions of the core, for services that may not import it."""

from __future__ import annotations

from tocsin import _core
from tocsin.service.automod_match import Compile

compile_patterns: Compile = _core.Patterns
"""Compiles those of a rule. Raises `ValueError`."""
