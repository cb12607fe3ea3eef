"""docs/compat.md is true: its rows are the code's routes, opcodes, codes, intents, events and settings, each shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packaging.compat import PAGE, ROOT, TITLES, WORKS, load, render
from tocsin.config import Settings
from tocsin.model.intents import BOT_LEGAL, Intents
from tocsin_api.app import MODULES

SECTIONS = load()
PROTO = ROOT / "core/tocsin-proto/src"


def _variants(file: str) -> dict[int, str]:
    """Return number and name of each variant of the enum in a Rust file."""
    return {int(number): name for name, number in re.findall(r"^    (\w+) = (\d+),$", (PROTO / file).read_text(), re.M)}


def _numbered(section: str) -> dict[int, str]:
    return {int(what.split(" ")[0]): what.split(" ")[1] for what in SECTIONS[section]}


def _present(section: str) -> set[str]:
    return {what for what, row in SECTIONS[section].items() if row["works"] != "no"}


def _named_in(paths: list[Path]) -> set[str]:
    return {name for path in paths for name in re.findall(r'"([A-Z][A-Z0-9_]+)"', path.read_text())}


def test_the_page_is_as_rendered() -> None:
    assert PAGE.read_text() == render(SECTIONS)


def test_every_row_says_how_far_it_works_and_nothing_else() -> None:
    assert list(SECTIONS) == list(TITLES)
    for rows in SECTIONS.values():
        for what, row in rows.items():
            assert row["works"] in WORKS, what
            assert row.keys() <= {"works", "note", "test", "setting", "value"}, what
            assert row["works"] != "partly" or row.get("note"), f"{what}: partly, but what not?"


def test_every_yes_is_shown_by_a_test_that_exists() -> None:
    for rows in SECTIONS.values():
        for what, row in rows.items():
            if row["works"] == "yes":
                assert "test" in row, what
            if "test" in row:
                path, _, name = row["test"].partition("::")
                word = "fn" if path.endswith(".rs") else "(def|class)"
                assert re.search(rf"\b{word} {name}\(", (ROOT / path).read_text()), row["test"]


def test_the_routes_are_the_apps() -> None:
    served = {
        f"{method} {re.sub(r':str}', '}', path)}"
        for module in MODULES
        for handler in module.HANDLERS
        for path in handler.paths
        for method in handler.http_methods
    }
    assert _present("routes") == served
    assert served.isdisjoint(SECTIONS["routes"].keys() - _present("routes"))


def test_the_opcodes_are_the_cores() -> None:
    assert _numbered("opcodes") == _variants("opcode.rs")


def test_the_close_codes_are_the_cores() -> None:
    assert _numbered("close_codes") == {n: name for n, name in _variants("close_code.rs").items() if n >= 4000}


def test_the_intents_are_all_there_are_and_bots_may_ask_for_those_that_work() -> None:
    assert list(SECTIONS["intents"]) == [str(each.name) for each in Intents]
    for name in _present("intents"):
        assert Intents[name] & BOT_LEGAL, name


def test_the_events_are_those_that_are_sent() -> None:
    sent = _named_in([*(ROOT / "python/tocsin").rglob("*.py")])
    sent |= _named_in(
        [*(ROOT / "core/tocsin-gateway/src").rglob("*.rs"), *(ROOT / "core/tocsin-codec/src").rglob("*.rs")]
    )
    assert _present("events") - sent == set()
    assert (SECTIONS["events"].keys() - _present("events")) & sent == set()


@pytest.mark.parametrize("what", [what for what, row in SECTIONS["limits"].items() if "setting" in row])
def test_a_limit_is_the_settings_default(what: str) -> None:
    row = SECTIONS["limits"][what]
    assert getattr(Settings(), row["setting"]) == row["value"]
