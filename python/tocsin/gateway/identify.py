"""Identify: from op 2 to READY, or to the close code that says why not (protocol.md §1.5).

Invariant: what READY and GUILD_CREATE show and the session's place in the index are made in one synchronous section.
What changes during the awaits before it is noted in `Pending`, and membership is decided by the replicas at the end.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from tocsin.errors import Unauthorized
from tocsin.gateway.batch import Batch, Body
from tocsin.gateway.cohorts import Cohort
from tocsin.gateway.forms import (
    CLOSE_AUTHENTICATION,
    CLOSE_DECODE,
    CLOSE_DISALLOWED_INTENTS,
    CLOSE_INVALID_INTENTS,
    CLOSE_SHARDING_REQUIRED,
    MIN_LARGE_THRESHOLD,
    IdentifyForm,
    Refused,
    read_identify,
)
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.metrics import ControlMetrics
from tocsin.gateway.own_sessions import OwnSessions, system_of
from tocsin.gateway.presence import PresenceBook, initial
from tocsin.gateway.ready import ready
from tocsin.gateway.session import Pending, Session, Sessions, covers
from tocsin.gateway.supplemental import NAME, PRIORITIZED_READY_PAYLOAD, supplemental
from tocsin.gateway.unread import counted, roles_of
from tocsin.model import intents as intent_bits
from tocsin.model.event import Scope, ScopeKind
from tocsin.model.intents import Intents
from tocsin.model.presence import SessionPresence, platform_of
from tocsin.service.auth import Principal, digest_of, strip_scheme
from tocsin.service.own import OF_BOTS, Own
from tocsin.service.services import Services

CLOSE_UNKNOWN = 4000
BOT_LARGE_THRESHOLD = 50

log = structlog.get_logger("tocsin.gateway")


class Identifier:
    """Answers every identify with exactly one of accept, reject and invalid_session.

    Args:
        gateway_url: returns the URL that clients resume on.
    """

    def __init__(
        self,
        services: Services,
        orders: Callable[[], Batch],
        sessions: Sessions,
        guilds: GuildRegistry,
        presences: PresenceBook,
        own_sessions: OwnSessions,
        metrics: ControlMetrics,
        gateway_url: Callable[[], str],
    ) -> None:
        self._services = services
        self._settings = services.context.settings
        self._clock = services.context.clock
        self._orders = orders
        self._sessions = sessions
        self._guilds = guilds
        self._presences = presences
        self._own_sessions = own_sessions
        self._metrics = metrics
        self._gateway_url = gateway_url

    async def identify(self, key: int, session_id: str, d: bytes, version: int) -> None:
        """Answer one identify. Never raises."""
        pending = self._sessions.begin(key)
        try:
            await self._identify(key, session_id, d, version, pending)
        except Refused as refused:
            self._metrics.identified(str(refused.close_code))
            self._orders().reject(key, refused.close_code)
        except Exception:
            log.exception("identify failed", session=session_id)
            self._metrics.identified("error")
            self._orders().reject(key, CLOSE_UNKNOWN)
        finally:
            self._sessions.finish(key)

    async def _identify(self, key: int, session_id: str, d: bytes, version: int, pending: Pending) -> None:
        form = read_identify(d)
        pending.token_digest = digest_of(strip_scheme(form.token))
        try:
            principal = await self._services.auth.authenticate(form.token)
        except Unauthorized:
            raise Refused(CLOSE_AUTHENTICATION) from None
        intents = self._intents(form, principal)
        presence = self._presence(form, principal)
        if principal.is_bot and not await self._services.session_starts.admit(principal.id):
            self._metrics.identified("limited")
            self._orders().invalid_session(key)
            return
        self._sessions.claim(pending, principal.id)
        await self._services.context.interest.follow(Scope(ScopeKind.USER, principal.id))
        guild_ids = await self._guild_ids(form, principal, pending)
        own: Own | None = None
        while True:
            guild_ids |= self._joined(form, pending)
            missing = [each for each in guild_ids if self._guilds.get(each) is None]
            if missing:
                await self._guilds.load_all(missing)
                gone = {each for each in missing if self._guilds.get(each) is None}
                guild_ids -= gone
                pending.joined -= gone
            elif own is None or pending.read_again:
                own = await self._own(principal, pending, guild_ids)
            else:
                break
        if pending.gone:
            self._metrics.identified("gone")
            return
        if pending.revoked:
            raise Refused(CLOSE_AUTHENTICATION)
        if pending.user is not None:
            principal = msgspec.structs.replace(principal, user=pending.user)
        session = Session(
            key,
            session_id,
            principal,
            intents=intents,
            shard=form.shard,
            large_threshold=self._threshold(form, principal),
            presence=presence,
            system=system_of(form.properties),
        )
        self._accept(session, form, version, sorted(guild_ids), own, pending)

    # -- checks

    def _intents(self, form: IdentifyForm, principal: Principal) -> int:
        if form.intents is None:
            if principal.is_bot:
                raise Refused(CLOSE_INVALID_INTENTS)
            return int(intent_bits.ALL)
        legal = intent_bits.BOT_LEGAL if principal.is_bot else intent_bits.ALL
        if form.intents < 0 or form.intents & ~int(legal):
            raise Refused(CLOSE_INVALID_INTENTS)
        if principal.is_bot:
            granted = 0 if principal.application is None else principal.application.intents
            if form.intents & int(intent_bits.PRIVILEGED) & ~granted:
                raise Refused(CLOSE_DISALLOWED_INTENTS)
        return form.intents

    def _presence(self, form: IdentifyForm, principal: Principal) -> SessionPresence:
        try:
            return initial(
                form.presence,
                bot=principal.is_bot,
                platform=platform_of(form.properties),
                order=self._presences.next_order(),
                now_ms=self._clock(),
            )
        except ValueError:
            raise Refused(CLOSE_DECODE) from None

    def _threshold(self, form: IdentifyForm, principal: Principal) -> int:
        if not form.large_threshold:
            return BOT_LARGE_THRESHOLD if principal.is_bot else self._settings.large_threshold
        return min(max(form.large_threshold, MIN_LARGE_THRESHOLD), self._settings.large_threshold)

    # -- what is read

    async def _guild_ids(self, form: IdentifyForm, principal: Principal, pending: Pending) -> set[int]:
        stored = await self._services.context.store.guild_ids_of(principal.id)
        mine = {each for each in stored if covers(form.shard, each)} | self._joined(form, pending)
        if len(mine) > self._settings.max_guilds_per_shard > 0:
            raise Refused(CLOSE_SHARDING_REQUIRED)
        return mine

    @staticmethod
    def _joined(form: IdentifyForm, pending: Pending) -> set[int]:
        return {each for each in pending.joined if covers(form.shard, each)}

    async def _own(self, principal: Principal, pending: Pending, guild_ids: set[int]) -> Own:
        """Read what is the person's own; what changes meanwhile is told after READY."""
        pending.begin_reading()
        if principal.is_bot:
            return OF_BOTS
        return await self._services.own.of(principal, roles_of(self._guilds, guild_ids, principal.id))

    # -- the synchronous section

    def _accept(
        self,
        session: Session,
        form: IdentifyForm,
        version: int,
        guild_ids: list[int],
        own: Own,
        pending: Pending,
    ) -> None:
        batch = self._orders()
        user_id = session.user_id
        shows_guilds = bool(session.intents & Intents.GUILDS)
        placed: list[tuple[int, int, Body | None]] = []
        known: list[tuple[LiveGuild, Cohort]] = []
        seen = {int(each["id"]) for each in own.dms}
        for guild_id in guild_ids:
            guild = self._guilds.get(guild_id)
            member = None if guild is None else guild.state.members.get(user_id)
            if guild is None or member is None:
                continue
            cohort = guild.seat(session, member, batch)
            body = guild.bodies.create(session, member, cohort) if shows_guilds else None
            if own.read_states:
                seen |= cohort.view
            placed.append((guild_id, cohort.id, body))
            known.append((guild, cohort))
        first = ready(
            session.principal,
            version=version,
            session_id=session.id,
            shard=form.shard,
            guild_ids=[guild_id for guild_id, _, _ in placed],
            sessions=self._own_sessions.ready(session),
            own=own._replace(
                read_states=counted(
                    [each for each in own.read_states if each.channel_id in seen],
                    own.role_mentions,
                    own.guild_settings,
                    self._guilds,
                    user_id,
                ),
                guild_settings=[each for each in own.guild_settings if each.guild_id in session.guilds],
            ),
            resume_gateway_url=self._gateway_url(),
            node_id=self._settings.node_id,
        )
        batch.accept(
            session.key,
            user_id=user_id,
            bot=session.bot,
            intents=session.intents,
            shard=form.shard,
            token_digest=session.principal.token_digest,
            compress=form.compress,
            ready=first,
            guilds=placed,
        )
        if not session.bot and form.capabilities & PRIORITIZED_READY_PAYLOAD:
            # After the guilds, which READY only names: what it says is of guilds that the client knows.
            partners = [int(each["id"]) for dm in own.dms for each in dm["recipients"]]
            batch.dispatch(NAME, supplemental(session, known, partners), sessions=[session.key], ungated=True)
        for name, event in pending.missed if session.covers(0) else ():
            batch.dispatch(name, event, sessions=[session.key])
        self._guilds.seat_lookers(session, batch)
        self._sessions.add(session)
        self._sessions.changed(session)
        self._own_sessions.changed(session)
        self._presences.active(user_id, bot=session.bot)
        self._presences.touch(user_id, session.guilds)
        self._metrics.identified("ok")
