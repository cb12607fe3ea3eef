"""Presets: the word lists of the operator that rules of trigger type 4 look for. tocsin has none of its own.

`automod_presets` names a folder with a text file per preset that the server offers, one keyword a line, written as a
rule's own. Lists are read once, at start-up, and are shared by all guilds.
"""

from __future__ import annotations

from pathlib import Path

from tocsin.errors import ConfigError
from tocsin.model.automod import Preset
from tocsin.service.automod_match import MAX_TERM, Terms, term_of

MAX_WORDS = 50_000


class Presets:
    """The lists there are, by preset."""

    def __init__(self, folder: str = "") -> None:
        """Read the folder's lists; an empty name is none. Raises `errors.ConfigError`."""
        self.lists: dict[int, Terms] = {}
        if not folder:
            return
        for preset in Preset:
            path = Path(folder) / f"{preset.name.lower()}.txt"
            try:
                text = path.read_text("utf-8")
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"automod_presets: cannot read {path}: {error}") from None
            self.lists[int(preset)] = Terms(_words(path, text))
        if not self.lists:
            names = ", ".join(f"{preset.name.lower()}.txt" for preset in Preset)
            raise ConfigError(f"automod_presets: {folder} has none of {names}")


def _words(path: Path, text: str) -> list[str]:
    words = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if len(word) > MAX_TERM or not term_of(word).text:
            raise ConfigError(
                f"automod_presets: {path}, line {number}: must be a keyword of 1 to {MAX_TERM} characters"
            )
        words.append(word)
    if not 1 <= len(words) <= MAX_WORDS:
        raise ConfigError(f"automod_presets: {path} must hold 1 to {MAX_WORDS} keywords, not {len(words)}")
    return words
