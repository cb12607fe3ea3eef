"""Evidence: what is needed to find out why a run was wrong, in a folder that outlives it."""

from __future__ import annotations

import json
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.observer import Life, created_s
from tests.cluster.verdict import Log, Logged, Verdict

if TYPE_CHECKING:
    from tests.cluster.observer import Observer
    from tests.cluster.stage import Stage

SUSPECTS = 50
IDS = 200
LINES = 5_000


def keep_evidence(stage: Stage, verdict: Verdict) -> Path:
    """Write down which sessions were wrong and how, what befell the stage when, and the ends of all logs; return where.

    `verdict.json`, `timeline.json`, `sessions.json`, `committed.json` (the logs of the guilds that are concerned), and
    `*.log`.
    """
    folder = Path(tempfile.mkdtemp(prefix="tocsin-nemesis-"))
    logs = stage.committed()
    suspects = [(number, stage.observers[number]) for number in verdict.suspects[:SUSPECTS]]
    guilds = {each.guild for _, each in suspects}
    summary = {**verdict.summary(), "disturbed": stage.disturbed, "refused": stage.refused}
    _write(folder / "verdict.json", {**summary, "holes": [stage.holes_made, stage.holes_found]})
    _write(folder / "timeline.json", [[_moment(at), what] for at, what in stage.timeline])
    _write(folder / "sessions.json", [session(number, each, logs[each.guild]) for number, each in suspects])
    _write(folder / "committed.json", {guild: [_message(each) for each in logs[guild]] for guild in guilds})
    for node in stage.nodes:
        _tail(stage.folder / f"node-{node.number}" / "server.log", folder / f"node-{node.number}.log")
    if stage.postgres is not None:
        _tail(stage.postgres.folder / "log", folder / "postgres.log")
    return folder


def session(number: int, observer: Observer, log: Sequence[Logged]) -> dict[str, Any]:
    """What a session was told over its lives, against what was due."""
    indexed = Log(log)
    return {
        "session": number, "token": observer.token, "guild": observer.guild, "attached": observer.up,
        "at": observer.home, "last": observer.last_id, "lives": [_life(each, indexed) for each in observer.lives],
    }  # fmt: skip


def _life(life: Life, log: Log) -> dict[str, Any]:
    told = life.ids.tolist()
    known = set(told)
    places = [log.place[each] for each in told if each in log.place]
    inside = log.due[min(places) : max(places) + 1] if places else []
    after = log.due[max(places) + 1 :] if places else log.due
    return {
        "id": life.session_id, "home": life.home, "guild_there": _moment(life.ready_s), "end": life.end, "s": life.s,
        "faults_of_s": life.faults[:IDS], "told": len(told), "first": told[:1], "last": told[-1:],
        "missing_between": _some(each for each in inside if each not in known),
        "missing_after": _some(after),
        "not_due": _some(each for each in told if each not in log.place),
        "twice": _some(each for each in known if told.count(each) > 1) if len(known) < len(told) else [],
    }  # fmt: skip


def _some(ids: Iterable[int]) -> list[list[Any]]:
    found = list(ids)
    shown = [[each, _moment(created_s(each))] for each in found[:IDS]]
    return [*shown, [f"and {len(found) - IDS} more"]] if len(found) > IDS else shown


def _message(each: Logged) -> list[Any]:
    return [each.id, _moment(created_s(each.id)), each.seen]


def _moment(at_s: float) -> str:
    return f"{time.strftime('%H:%M:%S', time.gmtime(at_s))}.{int(at_s * 1000) % 1000:03}" if at_s else ""


def _write(path: Path, what: object) -> None:
    path.write_text(json.dumps(what, indent=1, default=str))


def _tail(log: Path, to: Path) -> None:
    if log.exists():
        with log.open(errors="replace") as file:
            to.write_text("".join(deque(file, LINES)))
