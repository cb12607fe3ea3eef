"""The objects as they go over the wire: entities rendered for clients, and read back (protocol.md §4).

Every key of `shared/clients/fixtures.json` is present: strict libraries need absent values as null.
"""

from tocsin.model.wire.channels import channel, overwrite, parse_channel
from tocsin.model.wire.emojis import emoji, emoji_ref, parse_emoji, reaction_count
from tocsin.model.wire.guilds import guild, parse_guild, parse_role, role, unavailable_guild
from tocsin.model.wire.invites import invite, invite_metadata
from tocsin.model.wire.messages import message
from tocsin.model.wire.read_states import channel_pins_ack, message_ack, read_state
from tocsin.model.wire.threads import parse_thread, parse_thread_member, thread, thread_member, thread_ref
from tocsin.model.wire.times import optional_timestamp, parse_optional_timestamp, parse_timestamp, timestamp
from tocsin.model.wire.users import application, member, own_user, parse_member, parse_user, user
from tocsin.model.wire.webhooks import webhook, webhook_user

__all__ = [
    "application",
    "channel",
    "channel_pins_ack",
    "emoji",
    "emoji_ref",
    "guild",
    "invite",
    "invite_metadata",
    "member",
    "message",
    "message_ack",
    "optional_timestamp",
    "overwrite",
    "own_user",
    "parse_channel",
    "parse_emoji",
    "parse_guild",
    "parse_member",
    "parse_optional_timestamp",
    "parse_role",
    "parse_thread",
    "parse_thread_member",
    "parse_timestamp",
    "parse_user",
    "reaction_count",
    "read_state",
    "role",
    "thread",
    "thread_member",
    "thread_ref",
    "timestamp",
    "unavailable_guild",
    "user",
    "webhook",
    "webhook_user",
]
