// Drives an unmodified JDA over stdin/stdout, one JSON object a line, as tests/clients/process_bot.py tells.

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import net.dv8tion.jda.api.JDA;
import net.dv8tion.jda.api.entities.Guild;
import net.dv8tion.jda.api.entities.ISnowflake;
import net.dv8tion.jda.api.entities.Member;
import net.dv8tion.jda.api.entities.Message;
import net.dv8tion.jda.api.entities.MessageHistory;
import net.dv8tion.jda.api.entities.UserSnowflake;
import net.dv8tion.jda.api.entities.channel.Channel;
import net.dv8tion.jda.api.entities.channel.middleman.GuildMessageChannel;
import net.dv8tion.jda.api.entities.channel.middleman.MessageChannel;
import net.dv8tion.jda.api.entities.emoji.Emoji;
import net.dv8tion.jda.api.events.GenericEvent;
import net.dv8tion.jda.api.events.RawGatewayEvent;
import net.dv8tion.jda.api.events.channel.ChannelCreateEvent;
import net.dv8tion.jda.api.events.channel.ChannelDeleteEvent;
import net.dv8tion.jda.api.events.guild.member.GuildMemberJoinEvent;
import net.dv8tion.jda.api.events.guild.member.GuildMemberRemoveEvent;
import net.dv8tion.jda.api.events.guild.member.GuildMemberUpdateEvent;
import net.dv8tion.jda.api.events.guild.override.GenericPermissionOverrideEvent;
import net.dv8tion.jda.api.events.message.MessageBulkDeleteEvent;
import net.dv8tion.jda.api.events.message.MessageDeleteEvent;
import net.dv8tion.jda.api.events.message.MessageReceivedEvent;
import net.dv8tion.jda.api.events.message.MessageUpdateEvent;
import net.dv8tion.jda.api.events.message.react.MessageReactionAddEvent;
import net.dv8tion.jda.api.events.message.react.MessageReactionRemoveAllEvent;
import net.dv8tion.jda.api.events.message.react.MessageReactionRemoveEmojiEvent;
import net.dv8tion.jda.api.events.message.react.MessageReactionRemoveEvent;
import net.dv8tion.jda.api.events.session.ReadyEvent;
import net.dv8tion.jda.api.events.session.SessionDisconnectEvent;
import net.dv8tion.jda.api.events.session.SessionRecreateEvent;
import net.dv8tion.jda.api.events.session.SessionResumeEvent;
import net.dv8tion.jda.api.events.session.ShutdownEvent;
import net.dv8tion.jda.api.events.user.UserTypingEvent;
import net.dv8tion.jda.api.exceptions.ErrorResponseException;
import net.dv8tion.jda.api.exceptions.InsufficientPermissionException;
import net.dv8tion.jda.api.hooks.EventListener;
import net.dv8tion.jda.api.requests.GatewayIntent;
import net.dv8tion.jda.api.requests.RestConfig;
import net.dv8tion.jda.api.requests.Route;
import net.dv8tion.jda.api.sharding.DefaultShardManagerBuilder;
import net.dv8tion.jda.api.sharding.ShardManager;
import net.dv8tion.jda.api.utils.ChunkingFilter;
import net.dv8tion.jda.api.utils.MemberCachePolicy;
import net.dv8tion.jda.api.utils.cache.CacheFlag;
import net.dv8tion.jda.api.utils.data.DataArray;
import net.dv8tion.jda.api.utils.data.DataObject;
import net.dv8tion.jda.internal.requests.RestActionImpl;

public final class Driver implements EventListener {
    private static final PrintStream OUT = System.out;

    private ShardManager manager;
    private volatile JDA jda;

    private static void say(DataObject line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        synchronized (OUT) {
            OUT.write(bytes, 0, bytes.length);
            OUT.flush();
        }
    }

    private static DataObject event(String name) {
        return DataObject.empty().put("event", name);
    }

    private static DataObject put(DataObject into, Message message) {
        var reference = message.getMessageReference();
        return into.put("id", message.getId())
                .put("channel", message.getChannelId())
                .put("author", message.getAuthor().getId())
                .put("content", message.getContentRaw())
                .put("reference", reference == null ? null : reference.getMessageId());
    }

    private static DataObject brief(Message message) {
        return put(DataObject.empty(), message);
    }

    private static DataObject put(DataObject into, Member member) {
        return into.put("user", member.getId()).put("nick", member.getNickname()).put("roles", ids(member.getRoles()));
    }

    private static DataArray ids(Collection<? extends ISnowflake> of) {
        return DataArray.fromCollection(of.stream().map(ISnowflake::getId).sorted().collect(Collectors.toList()));
    }

    private static DataObject ready(String name, JDA jda) {
        DataArray guilds = DataArray.empty();
        for (Guild guild : jda.getGuilds()) {
            List<String> channels = guild.getChannels().stream().map(Channel::getName).sorted().toList();
            guilds.add(DataObject.empty()
                    .put("id", guild.getId())
                    .put("name", guild.getName())
                    .put("channels", DataArray.fromCollection(channels))
                    .put("members", ids(guild.getMembers())));
        }
        return event(name).put("user", jda.getSelfUser().getId()).put("guilds", guilds);
    }

    @Override
    public void onEvent(GenericEvent of) {
        if (of instanceof RawGatewayEvent e) {
            DataObject whole = e.getPackage();
            DataObject d = whole.isType("d", net.dv8tion.jda.api.utils.data.DataType.OBJECT)
                    ? whole.getObject("d")
                    : DataObject.empty();
            say(event("raw")
                    .put("t", e.getType())
                    .put("s", whole.getInt("s"))
                    .put("id", d.getString("id", null))
                    .put("session", d.getString("session_id", null)));
        } else if (of instanceof ReadyEvent e) {
            jda = e.getJDA();
            say(ready("ready", jda));
        } else if (of instanceof SessionRecreateEvent e) {
            say(ready("readyAgain", e.getJDA()));
        } else if (of instanceof SessionResumeEvent) {
            say(event("resumed"));
        } else if (of instanceof SessionDisconnectEvent) {
            say(event("disconnect"));
        } else if (of instanceof ShutdownEvent e) {
            say(event("loginFailed").put("message", "closed with " + e.getCode()));
        } else if (of instanceof MessageReceivedEvent e) {
            say(put(event("messageCreate"), e.getMessage()));
        } else if (of instanceof MessageUpdateEvent e) {
            say(put(event("messageUpdate"), e.getMessage()));
        } else if (of instanceof MessageDeleteEvent e) {
            say(event("messageDelete").put("id", e.getMessageId()));
        } else if (of instanceof MessageBulkDeleteEvent e) {
            List<String> gone = e.getMessageIds().stream().sorted().toList();
            say(event("messageDeleteBulk").put("ids", DataArray.fromCollection(gone)));
        } else if (of instanceof UserTypingEvent e) {
            say(event("typingStart").put("user", e.getUser().getId()).put("channel", e.getChannel().getId()));
        } else if (of instanceof MessageReactionAddEvent e) {
            say(event("reactionAdd")
                    .put("message", e.getMessageId())
                    .put("emoji", e.getEmoji().getName())
                    .put("user", e.getUserId()));
        } else if (of instanceof MessageReactionRemoveEvent e) {
            say(event("reactionRemove")
                    .put("message", e.getMessageId())
                    .put("emoji", e.getEmoji().getName())
                    .put("user", e.getUserId()));
        } else if (of instanceof MessageReactionRemoveEmojiEvent e) {
            say(event("reactionRemoveEmoji")
                    .put("message", e.getMessageId())
                    .put("emoji", e.getEmoji().getName()));
        } else if (of instanceof MessageReactionRemoveAllEvent e) {
            say(event("reactionRemoveAll").put("message", e.getMessageId()));
        } else if (of instanceof GuildMemberJoinEvent e) {
            say(put(event("memberAdd"), e.getMember()));
        } else if (of instanceof GuildMemberUpdateEvent e) {
            say(put(event("memberUpdate"), e.getMember()));
        } else if (of instanceof GuildMemberRemoveEvent e) {
            say(event("memberRemove").put("user", e.getUser().getId()));
        } else if (of instanceof ChannelCreateEvent e) {
            say(event("channelCreate").put("id", e.getChannel().getId()).put("name", e.getChannel().getName()));
        } else if (of instanceof GenericPermissionOverrideEvent e) {
            // JDA tells a CHANNEL_UPDATE by what it changed.
            say(event("channelUpdate").put("id", e.getChannel().getId()));
        } else if (of instanceof ChannelDeleteEvent e) {
            say(event("channelDelete").put("id", e.getChannel().getId()));
        }
    }

    /** Sends through the channel; or past JDA's own check of permissions, since the server's is what is tested. */
    private Object send(String id, String content) {
        MessageChannel channel = jda.getChannelById(MessageChannel.class, id);
        if (channel != null) {
            try {
                return brief(channel.sendMessage(content).complete());
            } catch (InsufficientPermissionException refusal) {
                say(event("knewBetter").put("permission", refusal.getPermission().name()));
            }
        }
        Route.CompiledRoute route = Route.Messages.SEND_MESSAGE.compile(id);
        DataObject body = DataObject.empty().put("content", content);
        return new RestActionImpl<DataObject>(jda, route, body, (response, request) -> response.getObject()).complete();
    }

    private static MessageHistory page(MessageChannel channel, DataObject of) {
        int limit = of.getInt("limit");
        if (of.hasKey("before")) {
            return channel.getHistoryBefore(of.getString("before"), limit).complete();
        }
        if (of.hasKey("after")) {
            return channel.getHistoryAfter(of.getString("after"), limit).complete();
        }
        if (of.hasKey("around")) {
            return channel.getHistoryAround(of.getString("around"), limit).complete();
        }
        MessageHistory history = channel.getHistory();
        history.retrievePast(limit).complete();
        return history;
    }

    private Object act(String name, DataObject of) throws Exception {
        String message = of.getString("message", "");
        String content = of.getString("content", "");
        Emoji emoji = of.hasKey("emoji") ? Emoji.fromUnicode(of.getString("emoji")) : null;
        MessageChannel channel =
                of.hasKey("channel") ? jda.getChannelById(MessageChannel.class, of.getString("channel")) : null;
        Guild guild = of.hasKey("guild") ? jda.getGuildById(of.getString("guild")) : null;
        UserSnowflake user = of.hasKey("user") ? UserSnowflake.fromId(of.getString("user")) : null;
        switch (name) {
            case "send":
                return send(of.getString("channel"), content);
            case "reply":
                return brief(channel.retrieveMessageById(message).complete().reply(content).complete());
            case "edit":
                return brief(channel.editMessageById(message, content).complete());
            case "delete":
                return channel.deleteMessageById(message).complete();
            case "bulkDelete":
                List<String> messages =
                        of.getArray("messages").stream(DataArray::getString).toList();
                return ((GuildMessageChannel) channel).deleteMessagesByIds(messages).complete();
            case "type":
                return channel.sendTyping().complete();
            case "history":
                List<Message> found = page(channel, of).getRetrievedHistory();
                return DataArray.fromCollection(found.stream().map(Driver::brief).toList());
            case "dm":
                return brief(jda.retrieveUserById(user.getId())
                        .complete()
                        .openPrivateChannel()
                        .complete()
                        .sendMessage(content)
                        .complete());
            case "find":
                List<Member> members = guild.retrieveMembersByPrefix(of.getString("prefix"), 100).get();
                return DataArray.fromCollection(
                        members.stream().map(member -> member.getUser().getName()).toList());
            case "react":
                return channel.addReactionById(message, emoji).complete();
            case "unreact":
                return channel.removeReactionById(message, emoji).complete();
            case "reactors":
                return ids(channel.retrieveReactionUsersById(message, emoji).complete());
            case "clearReaction":
                return ((GuildMessageChannel) channel).clearReactionsById(message, emoji).complete();
            case "clearReactions":
                return ((GuildMessageChannel) channel).clearReactionsById(message).complete();
            case "nick":
                return guild.modifyNickname(guild.getMember(user), of.getString("nick")).complete();
            case "addRole":
                return guild.addRoleToMember(user, guild.getRoleById(of.getString("role"))).complete();
            case "removeRole":
                return guild.removeRoleFromMember(user, guild.getRoleById(of.getString("role"))).complete();
            case "kick":
                return guild.kick(user).complete();
            case "quit":
                Runtime.getRuntime().halt(0);
                return null;
            default:
                throw new IllegalArgumentException("no action is called " + name);
        }
    }

    private void obey(DataObject command) {
        DataObject reply = DataObject.empty().put("reply", command.getInt("id"));
        try {
            say(reply.put("ok", true).put("value", act(command.getString("do"), command)));
        } catch (ErrorResponseException refusal) {
            say(reply.put("ok", false).put("error", refusal.getMeaning()).put("code", refusal.getErrorCode()));
        } catch (Exception error) {
            say(reply.put("ok", false).put("error", error.toString()).put("code", null));
        }
    }

    /** Turns what JDA logs as a warning or an error into an event; the rest goes where it went. */
    private static final class Complaints extends OutputStream {
        private static final Pattern LINE = Pattern.compile("^\\[.*?\\] (WARN|ERROR) (\\S+) - (.*)$");
        private final PrintStream rest = System.err;
        private final ByteArrayOutputStream line = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int octet) throws IOException {
            if (octet != '\n') {
                line.write(octet);
                return;
            }
            String text = line.toString(StandardCharsets.UTF_8);
            line.reset();
            Matcher found = LINE.matcher(text);
            if (found.matches()) {
                String event = found.group(1).equals("WARN") ? "warning" : "error";
                say(event(event).put("message", found.group(3)));
            } else {
                rest.println(text);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", System.getenv("DEBUG") == null ? "warn" : "debug");
        System.setErr(new PrintStream(new Complaints(), true));
        Driver driver = new Driver();
        try {
            driver.manager = DefaultShardManagerBuilder.create(System.getenv("TOKEN"), EnumSet.allOf(GatewayIntent.class))
                    .enableCache(EnumSet.allOf(CacheFlag.class))
                    .setMemberCachePolicy(MemberCachePolicy.ALL)
                    .setChunkingFilter(ChunkingFilter.ALL)
                    .setBulkDeleteSplittingEnabled(false)
                    .setRawEventsEnabled(true)
                    .setRestConfig(new RestConfig().setBaseUrl(System.getenv("BASE_URL") + "/api/v10/"))
                    .addEventListeners(driver)
                    .build();
        } catch (RuntimeException error) {
            say(event("loginFailed").put("message", error.toString()));
        }
        ExecutorService hands = Executors.newCachedThreadPool();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            DataObject command = DataObject.fromJson(line);
            hands.execute(() -> driver.obey(command));
        }
        Runtime.getRuntime().halt(0);
    }
}
