"""Judge: compares what sessions were told with what was due to them, one by one and in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.oracle.ear import Ear
from tests.oracle.model import EXACT, Due, Expected, Listener, Logged, Operation

SAMPLES = 12


@dataclass
class Verdict:
    """What a run came to. Times are milliseconds after the 2xx of the operation; 0 where it came before that.

    `leaks`: told and not due; `missing`: due and not told; `disordered`: sessions that got the right events in a wrong
    order, or a wrong idea of the channels in sight; `out_of_log`: calls that the log holds in another order than their
    answers allow.
    """

    sessions: int = 0
    deliveries: int = 0
    logged: int = 0
    operations: int = 0
    resumes: int = 0
    late: int = 0
    leaks: int = 0
    missing: int = 0
    disordered: int = 0
    out_of_log: int = 0
    broken: int = 0
    revoked_ms: list[float] = field(default_factory=list)
    last_delivery_ms: list[float] = field(default_factory=list)
    granted_ms: list[float] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether nothing at all was wrong."""
        return not (self.leaks or self.missing or self.disordered or self.out_of_log or self.broken)

    def note(self, text: str) -> None:
        """Keep one of the first faults to show."""
        if len(self.samples) < SAMPLES:
            self.samples.append(text)

    def summary(self) -> dict[str, Any]:
        """The counts, and p50, p99 and the largest of each time."""
        found = asdict(self)
        for name in ("revoked_ms", "last_delivery_ms", "granted_ms"):
            values = sorted(found[name])
            found[name] = {
                "count": len(values),
                **{label: round(_at(values, share), 3) for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
            }
        return {**found, "right": self.right}


def _at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def judge_session(
    verdict: Verdict, ear: Ear, guild: int, expected: Expected, operations: list[Operation], late: bool
) -> None:
    """Compare one session's record of one guild with what was due. `late`: it identified while the log ran."""
    due, sights = expected
    record = [
        i for i, (name, at) in enumerate(zip(ear.names, ear.guilds, strict=True)) if at == guild and name in EXACT
    ]
    start = len(due) - len(record) if late else 0
    who = f"session of {ear.who} ({ear.transport}, cuts {ear.cuts}{', late' if late else ''}) in {guild}"
    fault = _first_fault(ear, record, due, start)
    if fault is None:
        if ear.sees_guilds:
            _check_snapshots(verdict, who, ear, guild, record, sights, start)
        _time(verdict, ear, record, due[start:], operations)
        return
    told = Counter((ear.names[i], ear.ids[i]) for i in record)
    wanted = Counter((each.name, each.id) for each in due)
    leaks = told - wanted
    if late:
        # Where its log begins is told by the first event that is due at all.
        begin = next((i for i, each in enumerate(due) if (each.name, each.id) in told), len(due))
        wanted = Counter((each.name, each.id) for each in due[begin:])
    missing = wanted - told
    verdict.leaks += leaks.total()
    verdict.missing += missing.total()
    verdict.disordered += not leaks and not missing
    verdict.note(
        f"{who}: {fault}; leaked {leaks.total()} {list(leaks)[:3]}, missing {missing.total()} {list(missing)[:3]}"
    )


def _first_fault(ear: Ear, record: list[int], due: list[Due], start: int) -> str | None:
    """Return what is wrong first, or None. Events of one stage may come in any order."""
    if start < 0 or len(due) - start != len(record):
        return f"told {len(record)} of {len(due)} due"
    at = start
    while at < len(due):
        end = at + 1
        while end < len(due) and due[end].stage == due[at].stage:
            end += 1
        told = sorted((ear.names[i], ear.ids[i]) for i in record[at - start : end - start])
        if told != sorted((each.name, each.id) for each in due[at:end]):
            return f"event {at}: told {told[:3]}, due {due[at:end][:3]}"
        at = end
    return None


def _check_snapshots(
    verdict: Verdict, who: str, ear: Ear, guild: int, record: list[int], sights: list[frozenset[int]], start: int
) -> None:
    """Check the channels that GUILD_CREATE showed, at the beginning and at each return."""
    shown = [(start, ear.first[guild])] if guild in ear.first else []
    shown += [(start + n + 1, ear.told[i]) for n, i in enumerate(record) if i in ear.told]
    for at, channels in shown:
        if channels != sights[at]:
            verdict.leaks += len(channels - sights[at])
            verdict.missing += len(sights[at] - channels)
            verdict.note(f"{who}: GUILD_CREATE before event {at} shows {set(channels)}, in sight are {set(sights[at])}")


def _time(verdict: Verdict, ear: Ear, record: list[int], due: list[Due], operations: list[Operation]) -> None:
    """Note how long operations took to show."""
    last: dict[int, float] = {}
    for i, each in zip(record, due, strict=True):
        if each.name == "MESSAGE_CREATE":
            last[each.channel] = ear.at[i]
        if each.operation < 0:
            continue
        done = operations[each.operation].done
        effect = max(0.0, (ear.at[i] - done) * 1000)
        if each.name in ("CHANNEL_CREATE", "GUILD_CREATE"):
            verdict.granted_ms.append(effect)
        elif each.name in ("CHANNEL_DELETE", "GUILD_DELETE"):
            verdict.revoked_ms.append(effect)
            heard = [last.get(each.id, 0.0)] if each.name == "CHANNEL_DELETE" else [*last.values()]
            verdict.last_delivery_ms.append(max(0.0, (max(heard, default=0.0) - done) * 1000))


def judge_rest(verdict: Verdict, ear: Ear, guilds: Iterable[int]) -> None:
    """Check that all else a session was told was of guilds and channels it had been told of then."""
    watched = set(guilds)
    sight = {guild: set(channels) for guild, channels in ear.first.items()}
    for i, name in enumerate(ear.names):
        guild, channel = ear.guilds[i], ear.channels[i]
        if guild not in watched:
            continue
        if name == "GUILD_CREATE":
            sight[guild] = set(ear.told[i])
        elif name == "GUILD_DELETE":
            sight.pop(guild, None)
        elif name == "CHANNEL_CREATE":
            sight[guild].add(ear.ids[i])
        elif name == "CHANNEL_DELETE":
            sight[guild].discard(ear.ids[i])
        elif name not in EXACT and (guild not in sight or (channel and channel not in sight[guild])):
            verdict.leaks += 1
            verdict.note(f"session of {ear.who}: {name} of channel {channel} in {guild}, which it does not see")
        elif name == "PASSIVE_UPDATE_V1" and (hidden := ear.told[i] - sight[guild]):
            verdict.leaks += 1
            verdict.note(f"session of {ear.who}: {name} of channels {set(hidden)} in {guild}, which it does not see")


def judge_log(
    verdict: Verdict,
    log: Sequence[Logged],
    made: Sequence[int],
    posts: Mapping[int, tuple[float, float]],
    operations: Sequence[Operation],
) -> None:
    """Check that the log's order is one that the calls allow: what was answered before another was sent comes first."""
    latest = 0.0
    for entry, number in zip(log, made, strict=True):
        if number >= 0:
            sent, done = operations[number].sent, operations[number].done
        elif entry.name == "MESSAGE_CREATE" and entry.id in posts:
            sent, done = posts[entry.id]
        else:
            continue
        if done < latest:
            verdict.out_of_log += 1
            verdict.note(f"{entry} was answered before an earlier one of the log was sent")
        latest = max(latest, sent)


def judge(
    ears: Sequence[tuple[Ear, bool]],
    due: Mapping[int, Mapping[Listener, Expected]],
    covers: Mapping[int, set[int]],
    operations: Mapping[int, list[Operation]],
) -> Verdict:
    """Judge every session. `due`: by guild and listener; `covers`: by the session's number, the guilds of its shard."""
    verdict = Verdict(sessions=len(ears), operations=sum(len(each) for each in operations.values()))
    for number, (ear, late) in enumerate(ears):
        verdict.resumes += ear.cuts
        verdict.late += late
        verdict.deliveries += sum(name in EXACT for name in ear.names)
        if ear.wrong:
            verdict.broken += 1
            verdict.note(f"session of {ear.who} ({ear.transport}): {ear.wrong}")
            continue
        listener = Listener(ear.who, ear.sent["intents"], ear.passive)
        for guild, expected in due.items():
            wanted = expected[listener] if guild in covers[number] else ([], [frozenset[int]()])
            judge_session(verdict, ear, guild, wanted, operations[guild], late)
        if ear.sees_guilds:
            judge_rest(verdict, ear, due)
    return verdict
