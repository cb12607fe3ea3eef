//! Drives an unmodified twilight over stdin/stdout, one JSON object a line, as tests/clients/process_bot.py tells.

mod answers;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::oneshot;
use twilight_gateway::error::ReceiveMessageErrorType;
use twilight_gateway::{
    ConfigBuilder, Event, EventTypeFlags, Intents, Message as Frame, MessageSender, Shard, ShardId,
    ShardState, parse,
};
use twilight_http::Client;
use twilight_http::api_error::ApiError;
use twilight_http::error::ErrorType;
use twilight_http::request::channel::reaction::RequestReactionType;
use twilight_model::channel::Message;
use twilight_model::channel::message::EmojiReactionType;
use twilight_model::gateway::GatewayReaction;
use twilight_model::gateway::payload::incoming::GuildCreate;
use twilight_model::gateway::payload::outgoing::RequestGuildMembers;
use twilight_model::guild::{Guild, Member};
use twilight_model::id::Id;
use twilight_model::id::marker::RoleMarker;

type Failure = Box<dyn Error + Send + Sync>;

fn say(line: &Value) {
    println!("{line}");
}

fn brief(message: &Message) -> Value {
    let reference = message.reference.as_ref().and_then(|to| to.message_id);
    json!({
        "id": message.id, "channel": message.channel_id, "author": message.author.id, "content": message.content,
        "reference": reference,
    })
}

fn brief_member(id: String, nick: Option<&str>, roles: &[Id<RoleMarker>]) -> Value {
    let mut roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
    roles.sort();
    json!({"user": id, "nick": nick, "roles": roles})
}

fn brief_reaction(reaction: &GatewayReaction) -> Value {
    json!({"message": reaction.message_id, "emoji": emoji_name(&reaction.emoji), "user": reaction.user_id})
}

fn emoji_name(emoji: &EmojiReactionType) -> Option<&str> {
    match emoji {
        EmojiReactionType::Custom { name, .. } => name.as_deref(),
        EmojiReactionType::Unicode { name } => Some(name),
    }
}

/// Names an event, and says it.
fn tell(event: &str, mut of: Value) {
    of["event"] = event.into();
    say(&of);
}

fn sorted<T: ToString>(ids: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    ids.sort();
    ids
}

/// What the actions share: the library's client, its shard's sender, and who waits for which members.
struct Bot {
    http: Client,
    sender: MessageSender,
    asked: Mutex<HashMap<String, oneshot::Sender<Vec<Member>>>>,
}

impl Bot {
    /// Asks for the members whose names start with a prefix (op 8), and waits for them.
    async fn members(&self, guild: &str, prefix: &str, limit: u64) -> Result<Vec<Member>, Failure> {
        let (arrived, members) = oneshot::channel();
        let nonce = {
            let mut asked = self.asked.lock().map_err(|_| "poisoned")?;
            let nonce = format!("{guild}-{prefix}-{}", asked.len());
            asked.insert(nonce.clone(), arrived);
            nonce
        };
        let request = RequestGuildMembers::builder(guild.parse()?)
            .nonce(nonce)
            .query(prefix, Some(limit));
        self.sender.command(&request)?;
        Ok(members.await?)
    }

    async fn act(&self, name: &str, of: &Value) -> Result<Value, Failure> {
        let text = |key: &str| of[key].as_str().unwrap_or_default();
        let http = &self.http;
        let emoji = RequestReactionType::Unicode {
            name: text("emoji"),
        };
        macro_rules! id {
            ($key:literal) => {
                text($key).parse()?
            };
        }
        match name {
            "send" => Ok(brief(
                &http
                    .create_message(id!("channel"))
                    .content(text("content"))
                    .await?
                    .model()
                    .await?,
            )),
            "reply" => {
                let request = http
                    .create_message(id!("channel"))
                    .reply(id!("message"))
                    .content(text("content"));
                Ok(brief(&request.await?.model().await?))
            }
            "edit" => {
                let request = http
                    .update_message(id!("channel"), id!("message"))
                    .content(Some(text("content")));
                Ok(brief(&request.await?.model().await?))
            }
            "delete" => {
                http.delete_message(id!("channel"), id!("message")).await?;
                Ok(Value::Null)
            }
            "bulkDelete" => {
                let ids = of["messages"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let ids = ids.map(str::parse).collect::<Result<Vec<_>, _>>()?;
                http.delete_messages(id!("channel"), &ids).await?;
                Ok(Value::Null)
            }
            "type" => {
                http.create_typing_trigger(id!("channel")).await?;
                Ok(Value::Null)
            }
            "history" => {
                let request = http.channel_messages(id!("channel"));
                let limit = u16::try_from(of["limit"].as_u64().unwrap_or(50))?;
                let page = if of["before"].is_string() {
                    request.before(id!("before")).limit(limit).await?
                } else if of["after"].is_string() {
                    request.after(id!("after")).limit(limit).await?
                } else if of["around"].is_string() {
                    request.around(id!("around")).limit(limit).await?
                } else {
                    request.limit(limit).await?
                };
                Ok(page.models().await?.iter().map(brief).collect())
            }
            "dm" => {
                let channel = http
                    .create_private_channel(id!("user"))
                    .await?
                    .model()
                    .await?;
                Ok(brief(
                    &http
                        .create_message(channel.id)
                        .content(text("content"))
                        .await?
                        .model()
                        .await?,
                ))
            }
            "find" => {
                let found = self.members(text("guild"), text("prefix"), 100).await?;
                Ok(found.into_iter().map(|member| member.user.name).collect())
            }
            "react" => {
                http.create_reaction(id!("channel"), id!("message"), &emoji)
                    .await?;
                Ok(Value::Null)
            }
            "unreact" => {
                http.delete_current_user_reaction(id!("channel"), id!("message"), &emoji)
                    .await?;
                Ok(Value::Null)
            }
            "reactors" => {
                let users = http
                    .reactions(id!("channel"), id!("message"), &emoji)
                    .await?
                    .models()
                    .await?;
                Ok(sorted(users.into_iter().map(|user| user.id)).into())
            }
            "clearReaction" => {
                http.delete_all_reaction(id!("channel"), id!("message"), &emoji)
                    .await?;
                Ok(Value::Null)
            }
            "clearReactions" => {
                http.delete_all_reactions(id!("channel"), id!("message"))
                    .await?;
                Ok(Value::Null)
            }
            "nick" => {
                let request = http
                    .update_guild_member(id!("guild"), id!("user"))
                    .nick(Some(text("nick")));
                request.await?.model().await?;
                Ok(Value::Null)
            }
            "addRole" => {
                http.add_guild_member_role(id!("guild"), id!("user"), id!("role"))
                    .await?;
                Ok(Value::Null)
            }
            "removeRole" => {
                http.remove_guild_member_role(id!("guild"), id!("user"), id!("role"))
                    .await?;
                Ok(Value::Null)
            }
            "kick" => {
                http.remove_guild_member(id!("guild"), id!("user")).await?;
                Ok(Value::Null)
            }
            "readAll" => answers::read_all(http, of).await,
            "quit" => std::process::exit(0),
            _ => Err(format!("no action is called {name}").into()),
        }
    }

    async fn obey(&self, command: &Value) {
        let reply = match self
            .act(command["do"].as_str().unwrap_or_default(), command)
            .await
        {
            Ok(value) => json!({"reply": command["id"], "ok": true, "value": value}),
            Err(failure) => {
                let code = failure
                    .downcast_ref::<twilight_http::Error>()
                    .and_then(code_of);
                json!({"reply": command["id"], "ok": false, "error": full(&*failure), "code": code})
            }
        };
        say(&reply);
    }
}

fn code_of(error: &twilight_http::Error) -> Option<u64> {
    match error.kind() {
        ErrorType::Response {
            error: ApiError::General(of),
            ..
        } => Some(of.code),
        _ => None,
    }
}

/// An error with all its causes.
fn full(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(each) = cause {
        text = format!("{text}: {each}");
        cause = each.source();
    }
    text
}

/// Says "ready" once the members were fetched too.
async fn say_ready(bot: Arc<Bot>, event: &'static str, user: String, guild: Guild) {
    let mut channels: Vec<&str> = guild
        .channels
        .iter()
        .filter_map(|channel| channel.name.as_deref())
        .collect();
    channels.sort_unstable();
    match bot.members(&guild.id.to_string(), "", 0).await {
        Ok(members) => {
            let members = sorted(members.into_iter().map(|member| member.user.id));
            let guilds = json!([{"id": guild.id, "name": guild.name, "channels": channels, "members": members}]);
            tell(event, json!({"user": user, "guilds": guilds}));
        }
        Err(failure) => tell("error", json!({"message": failure.to_string()})),
    }
}

/// What came off the wire, before twilight parses it.
fn say_raw(text: &str) {
    let raw: Value = serde_json::from_str(text).unwrap_or_default();
    if raw["op"] == 0 {
        let d = &raw["d"];
        tell(
            "raw",
            json!({"t": raw["t"], "s": raw["s"], "id": d["id"], "session": d["session_id"]}),
        );
    }
}

fn say_event(event: Event) {
    match event {
        Event::Resumed => tell("resumed", json!({})),
        Event::MessageCreate(message) => tell("messageCreate", brief(&message)),
        Event::MessageUpdate(message) => tell("messageUpdate", brief(&message)),
        Event::MessageDelete(message) => tell("messageDelete", json!({"id": message.id})),
        Event::MessageDeleteBulk(messages) => {
            tell("messageDeleteBulk", json!({"ids": sorted(messages.ids)}))
        }
        Event::TypingStart(typing) => {
            tell(
                "typingStart",
                json!({"user": typing.user_id, "channel": typing.channel_id}),
            );
        }
        Event::ReactionAdd(reaction) => tell("reactionAdd", brief_reaction(&reaction)),
        Event::ReactionRemove(reaction) => tell("reactionRemove", brief_reaction(&reaction)),
        Event::ReactionRemoveEmoji(of) => {
            tell(
                "reactionRemoveEmoji",
                json!({"message": of.message_id, "emoji": emoji_name(&of.emoji)}),
            );
        }
        Event::ReactionRemoveAll(of) => {
            tell("reactionRemoveAll", json!({"message": of.message_id}))
        }
        Event::MemberAdd(member) => {
            tell(
                "memberAdd",
                brief_member(
                    member.user.id.to_string(),
                    member.nick.as_deref(),
                    &member.roles,
                ),
            );
        }
        Event::MemberUpdate(member) => {
            tell(
                "memberUpdate",
                brief_member(
                    member.user.id.to_string(),
                    member.nick.as_deref(),
                    &member.roles,
                ),
            );
        }
        Event::MemberRemove(member) => tell("memberRemove", json!({"user": member.user.id})),
        Event::ChannelCreate(channel) => tell(
            "channelCreate",
            json!({"id": channel.id, "name": channel.name}),
        ),
        Event::ChannelUpdate(channel) => tell("channelUpdate", json!({"id": channel.id})),
        Event::ChannelDelete(channel) => tell("channelDelete", json!({"id": channel.id})),
        _ => {}
    }
}

/// Reads the shard until it is closed for good.
async fn listen(bot: Arc<Bot>, shard: &mut Shard) {
    let (mut user, mut seen) = (String::new(), false);
    while let Some(item) = shard.next().await {
        let text = match item {
            Ok(Frame::Text(text)) => text,
            Ok(Frame::Close(frame)) => {
                let code = frame.map(|frame| frame.code);
                tell("disconnect", json!({"code": code}));
                if matches!(shard.state(), ShardState::FatallyClosed) {
                    tell(
                        "loginFailed",
                        json!({"message": format!("closed with {code:?}")}),
                    );
                }
                continue;
            }
            Err(error) => {
                let event = if matches!(error.kind(), ReceiveMessageErrorType::Compression) {
                    "error"
                } else {
                    "warning"
                };
                tell(event, json!({"message": full(&error)}));
                continue;
            }
        };
        say_raw(&text);
        let event = match parse(text, EventTypeFlags::all()) {
            Ok(Some(event)) => Event::from(event),
            Ok(None) => {
                tell(
                    "warning",
                    json!({"message": "an event that twilight does not know"}),
                );
                continue;
            }
            Err(error) => {
                tell(
                    "error",
                    json!({"message": format!("{}: {:?}", full(&error), error.kind())}),
                );
                continue;
            }
        };
        match event {
            Event::Ready(ready) => user = ready.user.id.to_string(),
            Event::GuildCreate(guild) => {
                if let GuildCreate::Available(guild) = *guild {
                    let event = if seen { "readyAgain" } else { "ready" };
                    seen = true;
                    tokio::spawn(say_ready(Arc::clone(&bot), event, user.clone(), guild));
                }
            }
            Event::MemberChunk(chunk) => {
                let nonce = chunk.nonce.unwrap_or_default();
                let waiting = bot
                    .asked
                    .lock()
                    .ok()
                    .and_then(|mut asked| asked.remove(&nonce));
                if let Some(waiting) = waiting {
                    // Whoever asked has gone.
                    let _ = waiting.send(chunk.members);
                }
            }
            other => say_event(other),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "TLS is set up already")?;
    let (base, token) = (std::env::var("BASE_URL")?, std::env::var("TOKEN")?);
    let host = base.trim_start_matches("http://").to_owned();
    let http = Client::builder()
        .token(token.clone())
        .proxy(host, true)
        .build();
    let gateway = http.gateway().await?.model().await?.url;
    let config = ConfigBuilder::new(token, Intents::all())
        .proxy_url(gateway)
        .build();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    let bot = Arc::new(Bot {
        http,
        sender: shard.sender(),
        asked: Mutex::default(),
    });
    let obedient = Arc::clone(&bot);
    tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let bot = Arc::clone(&obedient);
            tokio::spawn(async move {
                bot.obey(&serde_json::from_str(&line).unwrap_or_default())
                    .await
            });
        }
        std::process::exit(0);
    });
    listen(bot, &mut shard).await;
    // The test still reads what was said, and says when to end.
    std::future::pending().await
}
