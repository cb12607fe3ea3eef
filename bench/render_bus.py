"""The page's parts of several nodes over one Redis."""

from __future__ import annotations

from typing import Any

from bench.chart import lines
from bench.figures import Results
from bench.words import spread_text, table_of


def bus(results: Results, found: dict[str, Any]) -> str:
    """What an event costs Redis and the nodes, and when it is there."""
    figures, rounds = found["figures"], found["rounds"]
    said = (
        f"A channel that sessions of k nodes are in, {found['sessions']} at each; messages are posted at the first "
        f"node and measured at the last. One at a time: {found['rate']} a second, due to delivery. In batches: "
        f"{found['outstanding']} are on their way. {rounds} rounds of {found['seconds']:g} s each. Redis' CPU is that "
        "of its process less what it used in as long an idle stretch of the same round; what of it was inside commands "
        "is Redis' own count of time (`INFO commandstats`), the rest is sockets and its event loop. A publish is one "
        "FCALL for up to 32 events, a read one XREAD of a node, a journal's write one XADD of a worker.\n"
    )
    parts = [said]
    for pace, title in (("separate", "One message at a time"), ("batched", "As fast as they are taken")):
        rows = []
        for name, kind in figures.items():
            each = kind[pace]
            commands = each.get("commands")
            inside = ["-"] * 3
            if commands:
                names = ("publish", "read", "journal")
                inside = [f"{commands[f'{what}_us']:.1f} ({commands[f'{what}_calls']:.2f})" for what in names]
            rows.append(
                (
                    name, spread_text(each["per_s"], "", 0, rounds),
                    spread_text(each["redis_us"], "", 1, rounds) if commands else "-",
                    f"{6 + 4 * kind['nodes']}" if commands else "-", *inside,
                    spread_text(each["nodes_us"], "", 0, rounds),
                    spread_text(each["p50_ms"], "", 2, rounds), spread_text(each["p99_ms"], "", 2, rounds),
                )
            )  # fmt: skip
        head = (
            "nodes", "messages/s", "Redis CPU us an event", "6 + 4k", "in publishes: us (calls)", "in reads",
            "in journals' writes", "nodes' CPU us an event, all", "p50 ms", "p99 ms",
        )  # fmt: skip
        parts += [f"### {title}\n", table_of(head, rows)]
    return "\n".join(parts)


def takeover(results: Results, found: dict[str, Any]) -> str:
    """What going on with sessions of a dead node costs, and what the journals cost that make it possible."""
    figures, rounds, sessions = found["figures"], found["rounds"], found["sessions"]
    rows = []
    for name, what in (("local", "where they were"), ("taken", "at another node, theirs was killed")):
        each = figures[name]
        rows.append(
            (
                what, *(spread_text(each[key], "", 0, rounds) for key in ("cpu_us", "redis_us")),
                *(f"{each[f'{part}_us']['median']:.0f}" for part in ("heir", "worker", "rest")),
                *(spread_text(each[key], "", 2, rounds) for key in ("from_kill_s", "back_s")),
                *(spread_text(each[key], "", 0, rounds) for key in ("p50_ms", "p99_ms")),
                f"{each['invalidated']['high']:.0f}",
            )
        )  # fmt: skip
    head = (
        "resumes", "CPU us of the node, a session", "of Redis", "heir's thread", "worker", "Python and the rest",
        "all are back: s after the kill", "s after they connect", "RESUME to RESUMED: p50 ms", "p99 ms", "most op 9",
    )  # fmt: skip
    said = (
        f"{sessions:,} sessions lose their connections, miss {found['missed']} messages each and resume, all at once; "
        f"{rounds} rounds, each with a cluster of its own. That each got what it missed is checked.\n"
    )
    owners = [
        (
            name, spread_text(each["cpu_us"], "", 0, rounds), spread_text(each["delivery_us"], "", 2, rounds),
            *(spread_text(each[f"{part}_us"], "", 0, rounds) for part in ("worker", "publisher", "inbox", "rest")),
        )
        for name, each in figures["owners"].items()
    ]  # fmt: skip
    more = (
        f"What it costs a node that its {sessions:,} sessions may outlive it: {found['rate']} messages a second to all "
        "of them, CPU us of the node for each message; the worker's thread writes the journal.\n"
    )
    owners_head = ("node", "CPU us a message", "a delivery", "worker", "publisher", "inbox", "Python and the rest")
    return f"{said}\n{table_of(head, rows)}\n{more}\n{table_of(owners_head, owners)}"


def restart(results: Results, found: dict[str, Any]) -> str:
    """The CPU of all nodes while each of them is restarted in turn."""
    figures = found["figures"]
    said = (
        f"{found['sessions']:,} sessions at {found['nodes']} nodes, {found['rate']} messages a second to all of them. "
        "Each node in turn is drained and started again; its sessions resume at the others, by op 7. CPU of the three "
        "together as a multiple of what it was before, when replay logs were full, over the worst 1 and the worst 5 "
        "s, with the starts of Python's processes and without (what each had used until it was ready).\n"
    )
    rows, drawn = [], []
    for spread_ms, each in figures.items():
        starts = each["start_cpu_s"]
        rows.append(
            (
                f"{int(spread_ms):,}", f"{each['steady_cpus']:.2f}",
                *(f"{each[key]:.2f}" for key in ("most_1s", "most_5s", "most_1s_without_starts",
                                                 "most_5s_without_starts")),
                f"{min(starts):.2f}..{max(starts):.2f}", f"{each['moved']:,}", f"{each['invalidated']:,}",
                f"{each['p99_ms']:.0f}",
            )
        )  # fmt: skip
        drawn.append((f"drained over {int(spread_ms) / 1000:g} s", [(at, share) for at, share in each["line"]]))
    head = (
        "drain_spread_ms", "CPUs before", "worst 1 s", "worst 5 s", "1 s without starts", "5 s without starts",
        "a start, CPU s", "moves of sessions", "op 9", "messages' p99 ms, of all",
    )  # fmt: skip
    title = "CPU of three nodes during a rolling restart, each second's, as a multiple of the steady one"
    (results.images / "restart.svg").write_text(lines(title, "x", drawn))
    return f"{said}\n{table_of(head, rows)}\n![{title}](images/restart.svg)\n"
