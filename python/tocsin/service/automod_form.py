"""The form of a rule: what its trigger and its actions may hold (Discord's resources/auto-moderation)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tocsin.model.automod import MEMBER_UPDATE, MESSAGE_SEND, Action, AutoModRule, Preset, Trigger
from tocsin.model.guild_state import GuildState
from tocsin.service.automod_match import MAX_TERM, Compile, term_of
from tocsin.service.forms import Form
from tocsin.service.world import TEXT_TYPES

MAX_KEYWORDS, MAX_ALLOWED, MAX_ALLOWED_OF_PRESETS = 1000, 100, 1000
MAX_PATTERNS, MAX_PATTERN = 10, 260
MAX_MENTIONS = 50
MAX_ACTIONS = 5
MAX_EXEMPT_ROLES, MAX_EXEMPT_CHANNELS = 20, 50
MAX_TIMEOUT_S = 2_419_200
MAX_CUSTOM_MESSAGE = 150
OF_PROFILES = (int(Action.ALERT), int(Action.BLOCK_INTERACTION))
OF_MESSAGES = (int(Action.BLOCK), int(Action.ALERT), int(Action.TIMEOUT))
TIMES_OUT = frozenset({Trigger.KEYWORD, Trigger.MENTION_SPAM})
"""The triggers that may come with a timeout."""


def check_rule(
    rule: AutoModRule,
    guild: GuildState,
    sees: frozenset[int],
    presets: Collection[int],
    wrong_patterns: Mapping[int | None, str],
) -> None:
    """Check a whole rule.

    Args:
        rule: as it is to be.
        guild: whose it is.
        sees: the channels that whoever asks may view.
        presets: those that this server has lists for.
        wrong_patterns: as the function of that name says.

    Raises:
        errors.InvalidForm: 50035, with all that is wrong.
    """
    form = Form()
    form.length(("name",), rule.name, 1, 100)
    profile = rule.trigger_type == Trigger.MEMBER_PROFILE
    _choice(form, ("event_type",), rule.event_type, (MEMBER_UPDATE if profile else MESSAGE_SEND,))
    _choice(form, ("trigger_type",), rule.trigger_type, tuple(int(each) for each in Trigger))
    _check_trigger(form, rule, presets, wrong_patterns)
    _check_actions(form, rule, guild, sees)
    if len(rule.exempt_roles) > MAX_EXEMPT_ROLES:
        form.too_long(("exempt_roles",), MAX_EXEMPT_ROLES)
    if len(rule.exempt_channels) > MAX_EXEMPT_CHANNELS:
        form.too_long(("exempt_channels",), MAX_EXEMPT_CHANNELS)
    form.check()


def metadata_for(trigger: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return of a trigger's metadata what its type has, with the defaults."""
    if trigger in (Trigger.KEYWORD, Trigger.MEMBER_PROFILE):
        return {
            "keyword_filter": given.get("keyword_filter") or [],
            "regex_patterns": given.get("regex_patterns") or [],
            "allow_list": given.get("allow_list") or [],
        }
    if trigger == Trigger.KEYWORD_PRESET:
        return {"presets": given.get("presets") or [], "allow_list": given.get("allow_list") or []}
    if trigger == Trigger.MENTION_SPAM:
        return {
            "mention_total_limit": given.get("mention_total_limit"),
            "mention_raid_protection_enabled": bool(given.get("mention_raid_protection_enabled")),
        }
    return {}


def _choice(form: Form, path: tuple[str | int, ...], value: int, choices: tuple[int, ...]) -> None:
    if value not in choices:
        listed = ", ".join(str(choice) for choice in choices)
        form.add(path, "BASE_TYPE_CHOICES", f"Value must be one of ({listed}{',' if len(choices) == 1 else ''}).")


def wrong_patterns(patterns: Sequence[str], compile_patterns: Compile) -> dict[int | None, str]:
    """Compile a rule's patterns, which may take a while; return what is wrong with each, None for all together."""
    wrong: dict[int | None, str] = {}
    if not 1 <= len(patterns) <= MAX_PATTERNS:
        return wrong
    for index, pattern in enumerate(patterns):
        try:
            compile_patterns([pattern[:MAX_PATTERN]])
        except ValueError as error:
            wrong[index] = f"Invalid regular expression: {error}"
    if not wrong:
        try:
            compile_patterns(patterns)
        except ValueError as error:
            wrong[None] = f"Too much for one rule: {error}"
    return wrong


def _check_trigger(
    form: Form, rule: AutoModRule, presets: Collection[int], wrong_patterns: Mapping[int | None, str]
) -> None:
    where, given = "trigger_metadata", rule.trigger_metadata
    if rule.trigger_type in (Trigger.KEYWORD, Trigger.MEMBER_PROFILE):
        _check_terms(form, (where, "keyword_filter"), given["keyword_filter"], MAX_KEYWORDS)
        _check_terms(form, (where, "allow_list"), given["allow_list"], MAX_ALLOWED)
        _check_patterns(form, (where, "regex_patterns"), given["regex_patterns"], wrong_patterns)
        if not given["keyword_filter"] and not given["regex_patterns"]:
            form.required((where, "keyword_filter"))
    elif rule.trigger_type == Trigger.KEYWORD_PRESET:
        _check_terms(form, (where, "allow_list"), given["allow_list"], MAX_ALLOWED_OF_PRESETS)
        _check_presets(form, (where, "presets"), given["presets"], presets)
    elif rule.trigger_type == Trigger.MENTION_SPAM:
        limit = given["mention_total_limit"]
        if limit is None:
            form.required((where, "mention_total_limit"))
        else:
            _between(form, (where, "mention_total_limit"), limit, 0, MAX_MENTIONS)


def _check_terms(form: Form, path: tuple[str, str], terms: list[str], most: int) -> None:
    if len(terms) > most:
        form.too_long(path, most)
        return
    for index, term in enumerate(terms):
        if not term_of(term).text:
            form.required((*path, index))
        form.length((*path, index), term, 1, MAX_TERM)


def _check_patterns(form: Form, path: tuple[str, str], patterns: list[str], wrong: Mapping[int | None, str]) -> None:
    if len(patterns) > MAX_PATTERNS:
        form.too_long(path, MAX_PATTERNS)
        return
    for index, pattern in enumerate(patterns):
        form.length((*path, index), pattern, 1, MAX_PATTERN)
    for at, message in wrong.items():
        form.add(path if at is None else (*path, at), "AUTO_MODERATION_INVALID_REGEX", message)


def _check_presets(form: Form, path: tuple[str, str], wanted: list[int], there: Collection[int]) -> None:
    if not wanted:
        form.required(path)
    for index, preset in enumerate(wanted):
        _choice(form, (*path, index), preset, tuple(int(each) for each in Preset))
        if preset in tuple(Preset) and preset not in there:
            message = "This server has no word list for this preset; its operator gives one by `automod_presets`."
            form.add((*path, index), "AUTO_MODERATION_PRESET_UNAVAILABLE", message)


def _between(form: Form, path: tuple[str | int, ...], value: int, low: int, high: int) -> None:
    if value < low:
        form.add(path, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")
    elif value > high:
        form.add(path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")


def _check_actions(form: Form, rule: AutoModRule, guild: GuildState, sees: frozenset[int]) -> None:
    if not 1 <= len(rule.actions) <= MAX_ACTIONS:
        form.add(("actions",), "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MAX_ACTIONS} in length.")
        return
    seen: set[int] = set()
    for index, action in enumerate(rule.actions):
        kind, given, at = action["type"], action["metadata"], ("actions", index)
        if kind in seen:
            form.add((*at, "type"), "BASE_TYPE_CHOICES", "Each type of action may be there once.")
        seen.add(kind)
        fits = OF_PROFILES if rule.trigger_type == Trigger.MEMBER_PROFILE else OF_MESSAGES
        _choice(form, (*at, "type"), kind, fits)
        if kind == Action.BLOCK:
            form.length((*at, "metadata", "custom_message"), given.get("custom_message"), 0, MAX_CUSTOM_MESSAGE)
        elif kind == Action.ALERT:
            channel = guild.channels.get(int(given.get("channel_id") or 0))
            if channel is None or channel.id not in sees or channel.type not in TEXT_TYPES:
                message = "Not a channel that an alert can go to."
                form.add((*at, "metadata", "channel_id"), "CHANNEL_NOT_FOUND", message)
        elif kind == Action.TIMEOUT:
            seconds = given.get("duration_seconds")
            if rule.trigger_type not in TIMES_OUT:
                form.add((*at, "type"), "BASE_TYPE_CHOICES", "This trigger does not come with a timeout.")
            elif seconds is None:
                form.required((*at, "metadata", "duration_seconds"))
            else:
                _between(form, (*at, "metadata", "duration_seconds"), seconds, 1, MAX_TIMEOUT_S)
