"""Flapping: a guild's members change status, or go and come, all the time while messages are posted: what of it is
delivered, and what it does to the messages. Quiet stretches and flapping ones take turns in one run. Prints one JSON
object."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import httpx

from bench.crowd import Node, commit, fleet, keep, node, spread
from bench.run import first_in_line
from bench.servers import ROOT

BOTS = 10
GUILDS, PRESENCES, MESSAGES, CONTENT = 1, 1 << 8, 1 << 9, 1 << 15
MESSAGES_PER_S = 50
AROUND_S = 1.0
"""Members flap for so long before and after the messages that are measured."""
SETTLE_S = 2.0
KINDS = ("statuses", "returns")
"""All change their status; or some end their session instead, and begin another."""


def world(members: int, watchers: int) -> dict[str, Any]:
    """A guild of ada's: members that flap, and watchers, a few of whom are bots."""
    users: list[dict[str, Any]] = [{"id": "1001", "username": "ada", "token": "ada-token"}]
    for number in range(1, BOTS + 1):
        users.append({"username": f"bot-{number}", "token": f"bot-token-{number}", "bot": True, "intents": "all"})
    for number in range(1, watchers - BOTS + 1):
        users.append({"username": f"watch-{number}", "token": f"watch-token-{number}"})
    channels = [{"id": str(3001 + number), "name": f"room-{number}", "type": 0} for number in range(20)]
    seen = [{"user": each["username"]} for each in users[1:]]
    guild = {"id": "2001", "name": "Crowd", "owner": "ada", "channels": channels, "members": seen}
    crowd = {"users": members, "username": "flap-{n}", "token": "flap-token-{n}", "join": ["Crowd"]}
    return {"users": users, "guilds": [guild], "generate": [crowd]}


def counters(server: Node) -> dict[str, float]:
    """What the node counts of presences."""
    text = httpx.get(f"{server.url}/metrics", timeout=60).text
    found = {}
    for line in text.splitlines():
        if line.startswith("tocsin_presence_"):
            name, _, value = line.rpartition(" ")
            found[name.removeprefix("tocsin_presence_").removesuffix("_total")] = float(value)
    return found


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Seed, connect all, and let quiet and flapping stretches take turns."""
    stretch = f"open:{MESSAGES_PER_S}:{given.seconds}"
    returns = given.rate * given.share
    length = given.seconds + 2 * AROUND_S
    ready = ("connect", "identify", "beat", "pause")
    loud = (f"flap:{given.rate}:0:{length}", "pause", f"flap:{given.rate - returns}:{returns}:{length}", "pause")
    flags = () if given.guild_limit is None else (f"--presence-guild-limit={given.guild_limit}",)
    counted: list[dict[str, float]] = []
    turns = given.rounds * len(KINDS)
    with (
        node(world(given.members, given.watchers), *flags) as server, fleet(
            given.load, server, given.members, "flap-token-{n}", GUILDS | PRESENCES,
            [*ready, *loud * given.rounds], None,
        ) as flappers,
    ):  # fmt: skip
        flappers.paused()
        with (
            fleet(
                given.load, server, BOTS, "bot-token-{n}", GUILDS | PRESENCES | MESSAGES | CONTENT,
                ["connect", "identify", "beat", "pause", *["hear"] * (2 * turns), "pause"], first_in_line,
            ) as bots,
            fleet(
                given.load, server, given.watchers - BOTS, "watch-token-{n}", GUILDS | PRESENCES | MESSAGES,
                ["connect", "identify", "beat", "look:0", f"idle:{SETTLE_S}", "pause",
                 *[stretch, "pause", f"idle:{AROUND_S}", stretch, "pause"] * turns],
                first_in_line,
            ) as watchers,
        ):  # fmt: skip
            bots.paused()
            watchers.paused()
            bots.next()
            counted.append(counters(server))
            for _ in range(turns):
                watchers.next()
                bots.next()
                flappers.go()
                watchers.next()
                flappers.paused()
                bots.next()
                counted.append(counters(server))
            for each in (watchers, bots):
                each.go()
            seen, heard = watchers.done(), bots.done()
        flappers.go()
        flapped = flappers.done()
    first = next(at for at, step in enumerate(seen) if step["step"] == "pause")
    hears = [step for step in heard if step["step"] == "hear"]
    all_turns: list[dict[str, Any]] = [
        {
            "seen": seen[first + 1 + 5 * turn : first + 6 + 5 * turn],
            "heard": hears[2 * turn : 2 * turn + 2],
            "flapped": flapped[len(ready) + 2 * turn : len(ready) + 2 * turn + 2],
            "counted": {key: counted[turn + 1][key] - counted[turn][key] for key in counted[turn]},
        }
        for turn in range(turns)
    ]
    found = figures(given, all_turns[::2])
    returning = figures(given, all_turns[1::2])
    identify = [turn["flapped"][0]["identify_ms"] for turn in all_turns[1::2]]
    returning |= {f"identify_{name}_ms": spread([each[name] for each in identify]) for name in ("p50", "p99")}
    return found | {"returning": returning}


def figures(given: argparse.Namespace, turns: list[dict[str, Any]]) -> dict[str, Any]:
    """What all generators saw in all turns of one kind: a quiet stretch, and one in which members flap."""
    seen = [step for turn in turns for step in turn["seen"]]
    heard = [step for turn in turns for step in turn["heard"]]
    flapped = [step for turn in turns for step in turn["flapped"]]
    said = sum(step.get("changes", 0) for step in flapped)
    returns = sum(step.get("returns", 0) for step in flapped)
    changes = said + 2 * returns  # who goes is offline, who comes is online
    presences = sum(step["presence_updates"] for step in (*seen, *heard, *flapped))
    lists = sum(step["list_updates"] for step in seen)
    opens = [step for step in seen if step["step"].startswith("open")]
    quiet, loud = opens[::2], opens[1::2]
    naive = changes * (given.members + given.watchers - 1)
    cpu = [
        (b["server_cpu"]["total_s"] - a["server_cpu"]["total_s"]) / (given.rate * given.seconds) * 1e6
        for a, b in zip(quiet, loud, strict=True)
    ]
    counted = {
        key: round(sum(turn["counted"].get(key, 0) for turn in turns)) for key in ("updates", "merged", "delayed")
    }
    return {
        "changes": changes,
        "returns": returns,
        "naive": naive,
        "presence_updates": presences,
        "list_updates": lists,
        "percent": round(presences / naive * 100, 4),
        "percent_with_lists": round((presences + lists) / naive * 100, 4),
        "told": counted["updates"],
        "merged": counted["merged"],
        "delayed": counted["delayed"],
        "cpu_us_per_change": spread(cpu, 1),
        "messages": sum(step["published"] for step in opens),
        "cpu_quiet": spread([step["server_cpu"]["total_s"] / step["wall_s"] for step in quiet]),
        "cpu_flapping": spread([step["server_cpu"]["total_s"] / step["wall_s"] for step in loud]),
        **{
            f"{name}_{each}_ms": spread([step["latency_ms"][each] for step in steps])
            for name, steps in (("quiet", quiet), ("flapping", loud))
            for each in ("p50", "p99")
        },
        **{
            f"bots_{name}_{each}_ms": spread([step["latency_ms"][each] for step in heard[at::2]])
            for at, name in enumerate(("quiet", "flapping"))
            for each in ("p50", "p99")
        },
        "rise_percent": spread(
            [(b["latency_ms"]["p99"] / a["latency_ms"]["p99"] - 1) * 100 for a, b in zip(quiet, loud, strict=True)], 1
        ),
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=10_000, help="sessions that flap")
    parser.add_argument("--watchers", type=int, default=100, help="sessions that get the messages, the bots too")
    parser.add_argument("--rate", type=int, default=1000, help="changes of status a second, of all together")
    parser.add_argument(
        "--share", type=float, default=0.1, help="of the changes: sessions that end and begin anew, every second turn"
    )
    parser.add_argument("--seconds", type=float, default=6, help="of one stretch")
    parser.add_argument("--rounds", type=int, default=12, help="pairs of a quiet and a flapping stretch")
    parser.add_argument("--guild-limit", type=int, help="presence_guild_limit, instead of the default")
    parser.add_argument("--load", type=Path, default=ROOT / "target" / "bench" / "release" / "tocsin-load")
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    given = parser.parse_args()
    if not 0 < given.share <= 1:
        parser.error("--share: above 0, at most 1")
    result = {
        "bench": "flapping",
        "commit": commit(),
        "members": given.members,
        "watchers": given.watchers,
        "bots": BOTS,
        "rate": given.rate,
        "share": given.share,
        "seconds": given.seconds,
        "rounds": given.rounds,
        "messages_per_s": MESSAGES_PER_S,
        "figures": measure(given),
    }
    keep(result, given.out)


if __name__ == "__main__":
    main()
