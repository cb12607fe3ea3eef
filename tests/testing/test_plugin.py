"""The pytest plugin, in a pytest of its own: no other plugin needed, and no test meets what another left."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bot_tests import run_pytest

pytestmark = pytest.mark.timeout(240)


def run(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_bot.py").write_text(textwrap.dedent(source))
    return run_pytest(folder)


def test_people_act_and_see_without_asyncio_and_without_other_plugins(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
        from tocsin.testing import expect

        def test_a_message_lives(guild, sync_actor):
            ada, bob = sync_actor("ada"), sync_actor("bob", roles=["moderator"])
            message = ada.say("hi", "random", nonce="7")
            assert bob.sees("MESSAGE_CREATE", content="hi")["channel_id"] == guild.channels["random"]
            ada.edit(message, "ho")
            bob.sees("MESSAGE_UPDATE", id=message["id"], content=lambda text: text == "ho")
            bob.react(message, "\\N{THUMBS UP SIGN}")
            ada.sees("MESSAGE_REACTION_ADD", user_id=bob.id)
            bob.unreact(message, "\\N{THUMBS UP SIGN}")
            ada.sees("MESSAGE_REACTION_REMOVE", user_id=bob.id)
            with expect(ada, "MESSAGE_DELETE") as deleted:
                bob.delete(message)
            assert deleted.event["id"] == message["id"]
            ada.does_not_see("MESSAGE_DELETE")

        def test_people_type_go_idle_leave_and_come_back(sync_actor):
            ada, bob = sync_actor("ada"), sync_actor("bob")
            ada.type()
            bob.sees("TYPING_START", user_id=ada.id)
            ada.go_idle()
            bob.sees("PRESENCE_UPDATE", user={"id": ada.id}, status="idle")
            ada.presence("dnd")
            bob.sees("PRESENCE_UPDATE", user={"id": ada.id}, status="dnd")
            bob.leave()
            bob.sees("GUILD_DELETE")
            bob.join()
            bob.sees("GUILD_CREATE")
        """,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout


def test_any_loop_will_do_and_actors_wait_side_by_side(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
        import asyncio

        from tocsin.testing import expect

        def test_many_wait_at_once(actor):
            async def scene():
                ada = await actor("ada")
                others = await asyncio.gather(*(actor(f"p{n}") for n in range(8)))
                waits = [asyncio.ensure_future(each.sees("MESSAGE_CREATE", content="hi")) for each in others]
                async with expect(ada, "MESSAGE_CREATE", content="hi"):
                    await ada.say("hi")
                assert len({message["id"] for message in await asyncio.gather(*waits)}) == 1
            asyncio.run(scene())
        """,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_test_meets_nothing_of_the_one_before(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
        import pytest

        from tocsin.testing.portal import Refused

        kept = []

        @pytest.mark.parametrize("turn", range(3))
        def test_alike(turn, tocsin_server, guild, sync_actor):
            ada = sync_actor("ada")
            assert ada.call("GET", f"/channels/{guild.channel}/messages") == []
            assert [each["id"] for each in ada.call("GET", "/users/@me/guilds")] == [guild.id]
            tocsin_server.rate_limit(guild.bot, "POST /channels/{channel_id}/messages", requests=1000)
            for old, bot, person in kept:
                for token in (ada.token, person.token):
                    with pytest.raises(Refused) as refused:
                        tocsin_server.portal.request_now("GET", f"/api/v10/guilds/{old.id}", token)
                    assert refused.value.status in (401, 403, 404)
                with pytest.raises(Refused) as refused:
                    tocsin_server.portal.request_now("GET", "/api/v10/users/@me", f"Bot {bot.token}")
                assert refused.value.status == 401
                assert tocsin_server.cut(person) == tocsin_server.cut(bot) == 0
            ada.say("left behind")
            ada.sees("MESSAGE_CREATE", author={"id": ada.id})
            ada.does_not_see("MESSAGE_CREATE")
            kept.append((guild, guild.bot, ada))
        """,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 passed" in result.stdout


def test_every_fault_is_a_method_of_the_server(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
        import pytest

        from tocsin.testing.portal import Refused
        from tocsin.testing.seen import NotSeen

        CUT = "cut"
        FAULTS = {
            "cut": (lambda server, who: server.cut(who), CUT),
            "half a frame": (lambda server, who: server.half_frame(who), CUT),
            "half of an event": (lambda server, who: server.half_frame(who, "MESSAGE_CREATE"), CUT),
            "close": (lambda server, who: server.close(who, 4009), "closed with 4009"),
            "op 7": (lambda server, who: server.reconnect(who), "op 7"),
            "op 9": (lambda server, who: server.invalid_session(who, resumable=True), "op 9"),
        }

        @pytest.mark.parametrize("name", FAULTS)
        def test_a_session_ends(name, tocsin_server, sync_actor):
            fault, why = FAULTS[name]
            ada, bob = sync_actor("ada"), sync_actor("bob")
            assert fault(tocsin_server, ada) == 1
            bob.say("hi")
            with pytest.raises(NotSeen, match=why):
                ada.sees("TYPING_START")
            ada.connect()
            bob.say("again")
            ada.sees("MESSAGE_CREATE", content="again")

        def test_a_stall(tocsin_server, sync_actor):
            ada = sync_actor("ada")
            assert tocsin_server.stall(ada, 0.1) == 1
            ada.say("late")
            ada.sees("MESSAGE_CREATE", content="late")

        @pytest.mark.parametrize("turn", range(2))
        def test_a_429_of_anyone_ends_with_its_test(turn, tocsin_server, sync_actor):
            ada = sync_actor("ada")
            ada.say("passes")
            tocsin_server.rate_limit(requests=1000, scope="global")
            with pytest.raises(Refused) as refused:
                ada.say("refused")
            assert (refused.value.status, refused.value.body["global"]) == (429, True)
        """,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "9 passed" in result.stdout


def test_what_did_not_come_fails_with_what_came_instead(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
        def test_waits_in_vain(sync_actor):
            ada = sync_actor("ada")
            ada.say("hello")
            ada.sees("MESSAGE_CREATE", content="pong", timeout=0.5)
        """,
    )
    assert result.returncode == 1
    assert "within 0.5 s ada saw no MESSAGE_CREATE with {'content': 'pong'}; what came:" in result.stdout
    assert "'content': 'hello'" in result.stdout


def test_the_plugin_imports_nothing_of_tocsin_before_a_fixture_is_used(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
        import sys

        def test_light():
            loaded = {name for name in sys.modules if name.startswith("tocsin")}
            assert loaded == {"tocsin", "tocsin.testing", "tocsin.testing.plugin"}
        """,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_start_and_reset_are_measured(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    result = run(
        tmp_path,
        """
        import json, resource
        from pathlib import Path

        def cpu_ms(pid):
            mine = resource.getrusage(resource.RUSAGE_SELF)
            theirs = [int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")]
            return (mine.ru_utime + mine.ru_stime) * 1e3 + sum(theirs) / 1e6

        def test_measure(tocsin_server):
            pid = tocsin_server.process.pid
            started = cpu_ms(pid)
            def reset():
                bot = tocsin_server.make_bot()
                guild = tocsin_server.make_guild(bot)
                guild.close()
                tocsin_server.revoke(bot.token)
            reset()
            spread = []
            for _ in range(5):
                before = cpu_ms(pid)
                for _ in range(20):
                    reset()
                spread.append((cpu_ms(pid) - before) / 20)
            figures = {"start_s": tocsin_server.start_s, "start_cpu_ms": started, "reset_cpu_ms": sorted(spread)}
            Path("figures.json").write_text(json.dumps(figures))
        """,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    figures = (tmp_path / "figures.json").read_text()
    record_property("tocsin.testing", figures)
    print(figures)
