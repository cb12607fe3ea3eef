"""Word lists of the operator, as they are read at start-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.errors import ConfigError
from tocsin.service.automod_presets import Presets


def test_there_is_a_list_for_each_file_without_blank_lines_and_comments(tmp_path: Path) -> None:
    assert Presets().lists == {}
    (tmp_path / "slurs.txt").write_text("# comment\n\n one two \n*three*\n")
    lists = Presets(str(tmp_path)).lists
    assert {preset: terms.keywords for preset, terms in lists.items()} == {3: ("one two", "*three*")}


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "must hold 1 to"), ("fine\n**\n", "line 2"), ("x" * 61, "line 1"), ("\udcff", "cannot read")],
)
def test_a_list_that_cannot_be_used_stops_the_start_with_the_settings_name(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "profanity.txt").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=rf"^automod_presets: .*{said}"):
        Presets(str(tmp_path))


def test_a_folder_without_lists_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"automod_presets: .* has none of profanity.txt"):
        Presets(str(tmp_path / "nowhere"))
