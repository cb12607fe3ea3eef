"""Migrations: they end at the schema the code names, happen wholly or not at all, and never go backwards."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tests.support.api_world import Clock
from tocsin.errors import ConfigError
from tocsin.model.automod import AutoModRule
from tocsin.model.entities import (
    Application,
    Attachment,
    Ban,
    Channel,
    ClosedDm,
    Emoji,
    Guild,
    Invite,
    Member,
    Message,
    Pin,
    Reaction,
    ReadState,
    Role,
    RoleMention,
    User,
    UserGuildSettings,
    UserNote,
    UserSettings,
    Webhook,
    WebhookAuthor,
)
from tocsin.store import migrate
from tocsin.store.schema import METADATA
from tocsin.store.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tocsin.db"


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return found


def test_an_empty_database_is_brought_to_the_head_and_stays_there(path: Path) -> None:
    url = f"sqlite:///{path}"
    assert migrate.current(url) is None
    assert migrate.upgrade(url) == (None, migrate.head())
    assert migrate.upgrade(url) == (migrate.head(), migrate.head())
    assert migrate.current(url) == migrate.head()


def test_the_revisions_make_exactly_the_schema(path: Path) -> None:
    migrate.upgrade(f"sqlite:///{path}")
    with create_engine(f"sqlite:///{path}", poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_columns_are_the_fields_of_the_entities() -> None:
    apart = {"overwrites", "recipients"}
    for table, entity, elsewhere in (
        ("users", User, set()),
        ("applications", Application, set()),
        ("guilds", Guild, set()),
        ("roles", Role, set()),
        ("channels", Channel, apart),
        ("members", Member, {"roles"}),
        ("bans", Ban, set()),
        ("messages", Message, set()),
        ("attachments", Attachment, set()),
        ("auto_moderation_rules", AutoModRule, set()),
        ("closed_dms", ClosedDm, set()),
        ("emojis", Emoji, set()),
        ("invites", Invite, set()),
        ("pins", Pin, set()),
        ("read_states", ReadState, set()),
        ("reactions", Reaction, set()),
        ("role_mentions", RoleMention, set()),
        ("user_guild_settings", UserGuildSettings, set()),
        ("user_notes", UserNote, set()),
        ("user_settings", UserSettings, set()),
        ("webhook_authors", WebhookAuthor, set()),
        ("webhooks", Webhook, set()),
    ):
        columns = {column.name for column in METADATA.tables[table].columns}
        assert columns == set(entity.__struct_fields__) - elsewhere


def test_a_migration_that_fails_leaves_the_database_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", fail)
        with pytest.raises(ZeroDivisionError):
            migrate.upgrade(f"sqlite:///{path}")
    assert tables(path) == set()
    migrate.upgrade(f"sqlite:///{path}")
    assert {"messages", "outbox", "scope_seq"} <= tables(path)


async def test_a_database_of_a_newer_version_is_refused_untouched(path: Path, clock: Clock) -> None:
    migrate.upgrade(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigError, match=r"9999.*newer tocsin"):
        await SqliteStore(path, clock).open()
    assert migrate.current(f"sqlite:///{path}") == "9999"
