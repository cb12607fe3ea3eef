"""Logs: one JSON object a line away from a terminal, and never a token."""

from __future__ import annotations

import errno
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tocsin.config import Settings
from tocsin.logs import configure_logs, log_figures


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_each_line_is_json_without_secrets(stream: io.StringIO) -> None:
    configure_logs(Settings(), stream)
    structlog.get_logger("x").info("hello", token="s3cret", n=1)
    logging.getLogger("library").warning("careful %s", "now")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["token"], first["n"], first["level"]) == ("hello", "***", 1, "info")
    assert (second["event"], second["logger"]) == ("careful now", "library")


def test_the_level_is_kept(stream: io.StringIO) -> None:
    configure_logs(Settings(log_level="error"), stream)
    structlog.get_logger("x").warning("quiet")
    logging.getLogger("library").warning("quiet")
    assert stream.getvalue() == ""


def test_a_traceback_is_part_of_its_line(stream: io.StringIO) -> None:
    configure_logs(Settings(), stream)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger("x").exception("failed")
    [line] = stream.getvalue().splitlines()
    assert "broken" in json.dumps(json.loads(line)["exception"])


class FullDisk(io.StringIO):
    """Nothing can be written while it is full."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_full_disk_under_the_log_is_no_trouble_of_those_who_log(stream: io.StringIO) -> None:
    out = FullDisk()
    configure_logs(Settings(), out)

    def failures() -> int:
        return int(log_figures().split()[-1])

    before = failures()
    out.full = True
    structlog.get_logger("x").error("lost")
    logging.getLogger("library").error("lost too")
    assert failures() > before
    out.full = False
    structlog.get_logger("x").info("there is room")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["there is room"]


def test_the_console_form_is_no_json(stream: io.StringIO) -> None:
    configure_logs(Settings(log_format="console"), stream)
    structlog.get_logger("x").info("hello", n=1)
    assert "hello" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
