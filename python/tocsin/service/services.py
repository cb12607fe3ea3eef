"""Services: the list of use-cases, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.service.attachments import AttachmentService
from tocsin.service.audit import AuditService
from tocsin.service.auth import AuthService
from tocsin.service.automod import AutoModService
from tocsin.service.automod_profiles import ProfileRules
from tocsin.service.bans import BanService
from tocsin.service.channels import ChannelService
from tocsin.service.client_settings import ClientSettings
from tocsin.service.commands import CommandService
from tocsin.service.context import Context
from tocsin.service.dms import DmService
from tocsin.service.emojis import EmojiService
from tocsin.service.group_dms import GroupDmService
from tocsin.service.guild_settings import GuildSettingsService
from tocsin.service.guilds import GuildService
from tocsin.service.interaction_messages import InteractionMessages
from tocsin.service.interactions import InteractionService
from tocsin.service.invites import InviteService
from tocsin.service.members import MemberService
from tocsin.service.messages import MessageService
from tocsin.service.own import OwnService
from tocsin.service.passwords import PasswordService
from tocsin.service.pins import PinService
from tocsin.service.prune import PruneService
from tocsin.service.reactions import ReactionService
from tocsin.service.read_states import ReadStateService
from tocsin.service.roles import RoleService
from tocsin.service.session_starts import SessionStarts
from tocsin.service.temporary_members import TemporaryMembers
from tocsin.service.thread_members import ThreadMemberService
from tocsin.service.threads import ThreadService
from tocsin.service.typing import TypingService
from tocsin.service.user_settings import UserSettingsService
from tocsin.service.users import UserService
from tocsin.service.voice import VoiceService
from tocsin.service.webhooks import WebhookService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the API and the gateway may ask for."""

    context: Context
    auth: AuthService
    users: UserService
    guilds: GuildService
    channels: ChannelService
    threads: ThreadService
    thread_members: ThreadMemberService
    roles: RoleService
    members: MemberService
    invites: InviteService
    temporary_members: TemporaryMembers
    bans: BanService
    prune: PruneService
    automod: AutoModService
    audit: AuditService
    passwords: PasswordService
    attachments: AttachmentService
    messages: MessageService
    webhooks: WebhookService
    commands: CommandService
    interactions: InteractionService
    reactions: ReactionService
    emojis: EmojiService
    pins: PinService
    read_states: ReadStateService
    user_settings: UserSettingsService
    client_settings: ClientSettings
    guild_settings: GuildSettingsService
    dms: DmService
    own: OwnService
    group_dms: GroupDmService
    typing: TypingService
    session_starts: SessionStarts
    voice: VoiceService


def build_services(context: Context) -> Services:
    """Wire the services over one context."""
    attachments = AttachmentService(context)
    audit = AuditService(context)
    context.store.amend = audit.amend
    automod = AutoModService(context, audit)
    profiles = ProfileRules(context, audit, automod)
    voice = VoiceService(context)
    threads = ThreadService(context)
    thread_members = ThreadMemberService(context, threads)
    messages = MessageService(context, attachments, automod, thread_members)
    guilds = GuildService(context)
    commands = CommandService(context)
    dms = DmService(context)
    read_states = ReadStateService(context)
    group_dms = GroupDmService(context)
    return Services(
        context=context,
        auth=AuthService(context),
        users=UserService(context, profiles),
        guilds=guilds,
        invites=InviteService(context, guilds, profiles),
        temporary_members=TemporaryMembers(context),
        channels=ChannelService(context, threads, group_dms),
        threads=threads,
        thread_members=thread_members,
        roles=RoleService(context),
        members=MemberService(context, voice, audit, profiles),
        bans=BanService(context, thread_members),
        prune=PruneService(context),
        automod=automod,
        audit=audit,
        passwords=PasswordService(context),
        attachments=attachments,
        messages=messages,
        commands=commands,
        interactions=InteractionService(context, commands, InteractionMessages(context, messages, attachments)),
        webhooks=WebhookService(context, messages, attachments),
        reactions=ReactionService(context),
        emojis=EmojiService(context),
        pins=PinService(context),
        read_states=read_states,
        user_settings=UserSettingsService(context),
        client_settings=ClientSettings(context),
        guild_settings=GuildSettingsService(context),
        dms=dms,
        own=OwnService(context, dms, read_states),
        group_dms=group_dms,
        typing=TypingService(context),
        session_starts=SessionStarts(context.settings, context.clock),
        voice=voice,
    )
