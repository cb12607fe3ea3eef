//! One of every answer that the message API gives and twilight has a model for, read by that model.

use serde_json::{Value, json};
use twilight_http::Client;

use crate::{Failure, full};

/// Asks for everything of a guild, of a channel and a message in it, and of a member; returns what could not be read.
pub async fn read_all(http: &Client, of: &Value) -> Result<Value, Failure> {
    let text = |key: &str| of[key].as_str().unwrap_or_default();
    let (guild, user) = (text("guild").parse()?, text("user").parse()?);
    let (channel, message) = (text("channel").parse()?, text("message").parse()?);
    let (thread, rule) = (text("thread").parse()?, text("rule").parse()?);
    let (role, emoji, webhook) = (
        text("role").parse()?,
        text("emoji").parse()?,
        text("webhook").parse()?,
    );
    let mut unread: Vec<String> = Vec::new();
    macro_rules! read {
        ($($name:literal: $request:expr, $read:ident;)*) => {
            $(match $request.await {
                Ok(answer) => {
                    if let Err(error) = answer.$read().await {
                        unread.push(format!("{}: {}", $name, full(&error)));
                    }
                }
                Err(error) => unread.push(format!("{}: {}", $name, full(&error))),
            })*
        };
    }
    read! {
        "gateway": http.gateway(), model;
        "gateway of a bot": http.gateway().authed(), model;
        "application": http.current_user_application(), model;
        "self": http.current_user(), model;
        "own guilds": http.current_user_guilds(), models;
        "user": http.user(user), model;
        "guild": http.guild(guild), model;
        "guild with counts": http.guild(guild).with_counts(true), model;
        "channels": http.guild_channels(guild), models;
        "roles": http.roles(guild), models;
        "role": http.role(guild, role), model;
        "member": http.guild_member(guild, user), model;
        "members": http.guild_members(guild), models;
        "search of members": http.search_guild_members(guild, "a"), models;
        "audit log": http.audit_log(guild), model;
        "bans": http.bans(guild), models;
        "emojis": http.emojis(guild), models;
        "emoji": http.emoji(guild, emoji), model;
        "invites of the guild": http.guild_invites(guild), models;
        "webhooks of the guild": http.guild_webhooks(guild), models;
        "webhooks of the channel": http.channel_webhooks(channel), models;
        "webhook": http.webhook(webhook), model;
        "rules": http.auto_moderation_rules(guild), models;
        "rule": http.auto_moderation_rule(guild, rule), model;
        "active threads": http.active_threads(guild), model;
        "archived threads": http.public_archived_threads(channel), model;
        "members of the thread": http.thread_members(thread), models;
        "member of the thread": http.thread_member(thread, user), model;
        "thread": http.channel(thread), model;
        "channel": http.channel(channel), model;
        "invites of the channel": http.channel_invites(channel), models;
        "invite": http.invite(text("invite")).with_counts(), model;
        "messages": http.channel_messages(channel), models;
        "message": http.message(channel, message), model;
        "pins": http.pins(channel), model;
    }
    Ok(json!(unread))
}
