// Drives an unmodified discordgo over stdin/stdout, one JSON object a line, as tests/clients/process_bot.py tells.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"

	dg "github.com/bwmarrin/discordgo"
)

type object = map[string]any

// A command of the test; each action reads the fields it needs.
type command struct {
	ID       int      `json:"id"`
	Do       string   `json:"do"`
	Guild    string   `json:"guild"`
	Channel  string   `json:"channel"`
	Message  string   `json:"message"`
	Messages []string `json:"messages"`
	User     string   `json:"user"`
	Role     string   `json:"role"`
	Nick     string   `json:"nick"`
	Emoji    string   `json:"emoji"`
	Content  string   `json:"content"`
	Prefix   string   `json:"prefix"`
	Limit    int      `json:"limit"`
	Before   string   `json:"before"`
	After    string   `json:"after"`
	Around   string   `json:"around"`
}

var (
	speaking sync.Mutex
	out      = json.NewEncoder(os.Stdout)
)

func say(line object) {
	speaking.Lock()
	defer speaking.Unlock()
	if out.Encode(line) != nil {
		os.Exit(1)
	}
}

// pointAt moves every endpoint that discordgo derived from its own host when it was loaded.
func pointAt(base string) {
	api := base + "/api/v" + dg.APIVersion + "/"
	dg.EndpointDiscord, dg.EndpointAPI = base+"/", api
	dg.EndpointGuilds, dg.EndpointGuildCreate = api+"guilds/", api+"guilds"
	dg.EndpointChannels, dg.EndpointUsers = api+"channels/", api+"users/"
	dg.EndpointGateway, dg.EndpointGatewayBot = api+"gateway", api+"gateway/bot"
	dg.EndpointWebhooks, dg.EndpointApplications = api+"webhooks/", api+"applications"
}

func brief(m *dg.Message) object {
	b := object{"id": m.ID, "channel": m.ChannelID, "content": m.Content, "author": nil, "reference": nil}
	if m.Author != nil {
		b["author"] = m.Author.ID
	}
	if m.MessageReference != nil {
		b["reference"] = m.MessageReference.MessageID
	}
	return b
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// as names an event and adds fields to those of `of`.
func as(event string, of object) object {
	of["event"] = event
	return of
}

func briefMember(m *dg.Member) object {
	roles := append([]string{}, m.Roles...)
	sort.Strings(roles)
	return object{"user": m.User.ID, "nick": orNull(m.Nick), "roles": roles}
}

func briefReaction(r *dg.MessageReaction) object {
	return object{"message": r.MessageID, "emoji": r.Emoji.Name, "user": r.UserID}
}

// bot holds who waits for which members: discordgo tells chunks as events only.
type bot struct {
	session *dg.Session
	mutex   sync.Mutex
	asked   map[string]chan []*dg.Member
	nonces  int
	ready   bool
}

// members asks for the members whose names start with a prefix (op 8) and waits for them, in one or more chunks.
func (b *bot) members(guild, prefix string, limit int) ([]*dg.Member, error) {
	arrived := make(chan []*dg.Member, 1)
	b.mutex.Lock()
	b.nonces++
	nonce := strconv.Itoa(b.nonces)
	b.asked[nonce] = arrived
	b.mutex.Unlock()
	if err := b.session.RequestGuildMembers(guild, prefix, limit, nonce, false); err != nil {
		return nil, err
	}
	return <-arrived, nil
}

func (b *bot) onChunk(_ *dg.Session, c *dg.GuildMembersChunk) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if arrived, ok := b.asked[c.Nonce]; ok && c.ChunkCount == 1 {
		delete(b.asked, c.Nonce)
		arrived <- c.Members
	}
}

// onGuild says "ready" once the members were fetched too.
func (b *bot) onGuild(s *dg.Session, g *dg.GuildCreate) {
	event := "ready"
	if b.ready {
		event = "readyAgain"
	}
	b.ready = true
	channels := []string{}
	for _, channel := range g.Channels {
		channels = append(channels, channel.Name)
	}
	sort.Strings(channels)
	id, name, user := g.ID, g.Name, s.State.User.ID
	go func() {
		found, err := b.members(id, "", 0)
		if err != nil {
			say(object{"event": "error", "message": err.Error()})
			return
		}
		members := []string{}
		for _, member := range found {
			members = append(members, member.User.ID)
		}
		sort.Strings(members)
		guild := object{"id": id, "name": name, "channels": channels, "members": members}
		say(object{"event": event, "user": user, "guilds": []object{guild}})
	}()
}

func (b *bot) listen() {
	s := b.session
	s.AddHandler(b.onChunk)
	s.AddHandler(b.onGuild)
	s.AddHandler(func(_ *dg.Session, e *dg.Event) {
		var d struct {
			ID      *string   `json:"id"`
			Session *string   `json:"session_id"`
			Message *string   `json:"message_id"`
			Emoji   *dg.Emoji `json:"emoji"`
		}
		// Not every `d` is an object with these.
		_ = json.Unmarshal(e.RawData, &d)
		if e.Operation == 0 {
			say(object{"event": "raw", "t": e.Type, "s": e.Sequence, "id": d.ID, "session": d.Session})
		}
		if e.Type == "MESSAGE_REACTION_REMOVE_EMOJI" {
			// discordgo has no struct for it.
			say(object{"event": "reactionRemoveEmoji", "message": d.Message, "emoji": d.Emoji.Name})
		}
	})
	s.AddHandler(func(_ *dg.Session, _ *dg.Resumed) { say(object{"event": "resumed"}) })
	s.AddHandler(func(_ *dg.Session, _ *dg.Disconnect) { say(object{"event": "disconnect"}) })
	s.AddHandler(func(_ *dg.Session, m *dg.MessageCreate) { say(as("messageCreate", brief(m.Message))) })
	s.AddHandler(func(_ *dg.Session, m *dg.MessageUpdate) { say(as("messageUpdate", brief(m.Message))) })
	s.AddHandler(func(_ *dg.Session, m *dg.MessageDelete) { say(object{"event": "messageDelete", "id": m.ID}) })
	s.AddHandler(func(_ *dg.Session, m *dg.MessageDeleteBulk) {
		sort.Strings(m.Messages)
		say(object{"event": "messageDeleteBulk", "ids": m.Messages})
	})
	s.AddHandler(func(_ *dg.Session, t *dg.TypingStart) {
		say(object{"event": "typingStart", "user": t.UserID, "channel": t.ChannelID})
	})
	s.AddHandler(func(_ *dg.Session, r *dg.MessageReactionAdd) {
		say(as("reactionAdd", briefReaction(r.MessageReaction)))
	})
	s.AddHandler(func(_ *dg.Session, r *dg.MessageReactionRemove) {
		say(as("reactionRemove", briefReaction(r.MessageReaction)))
	})
	s.AddHandler(func(_ *dg.Session, r *dg.MessageReactionRemoveAll) {
		say(object{"event": "reactionRemoveAll", "message": r.MessageID})
	})
	s.AddHandler(func(_ *dg.Session, m *dg.GuildMemberAdd) { say(as("memberAdd", briefMember(m.Member))) })
	s.AddHandler(func(_ *dg.Session, m *dg.GuildMemberUpdate) { say(as("memberUpdate", briefMember(m.Member))) })
	s.AddHandler(func(_ *dg.Session, m *dg.GuildMemberRemove) {
		say(object{"event": "memberRemove", "user": m.User.ID})
	})
	s.AddHandler(func(_ *dg.Session, c *dg.ChannelCreate) {
		say(object{"event": "channelCreate", "id": c.ID, "name": c.Name})
	})
	s.AddHandler(func(_ *dg.Session, c *dg.ChannelUpdate) { say(object{"event": "channelUpdate", "id": c.ID}) })
	s.AddHandler(func(_ *dg.Session, c *dg.ChannelDelete) { say(object{"event": "channelDelete", "id": c.ID}) })
}

// told renders a message that a REST call answered.
func told(m *dg.Message, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return brief(m), nil
}

func (b *bot) act(c command) (any, error) {
	s := b.session
	switch c.Do {
	case "send":
		return told(s.ChannelMessageSend(c.Channel, c.Content))
	case "reply":
		to := &dg.MessageReference{MessageID: c.Message, ChannelID: c.Channel}
		return told(s.ChannelMessageSendReply(c.Channel, c.Content, to))
	case "edit":
		return told(s.ChannelMessageEdit(c.Channel, c.Message, c.Content))
	case "delete":
		return nil, s.ChannelMessageDelete(c.Channel, c.Message)
	case "bulkDelete":
		return nil, s.ChannelMessagesBulkDelete(c.Channel, c.Messages)
	case "type":
		return nil, s.ChannelTyping(c.Channel)
	case "history":
		page, err := s.ChannelMessages(c.Channel, c.Limit, c.Before, c.After, c.Around)
		messages := []object{}
		for _, message := range page {
			messages = append(messages, brief(message))
		}
		return messages, err
	case "dm":
		channel, err := s.UserChannelCreate(c.User)
		if err != nil {
			return nil, err
		}
		return told(s.ChannelMessageSend(channel.ID, c.Content))
	case "find":
		found, err := b.members(c.Guild, c.Prefix, 100)
		names := []string{}
		for _, member := range found {
			names = append(names, member.User.Username)
		}
		return names, err
	case "react":
		return nil, s.MessageReactionAdd(c.Channel, c.Message, c.Emoji)
	case "unreact":
		return nil, s.MessageReactionRemove(c.Channel, c.Message, c.Emoji, "@me")
	case "reactors":
		users, err := s.MessageReactions(c.Channel, c.Message, c.Emoji, 100, "", "")
		ids := []string{}
		for _, user := range users {
			ids = append(ids, user.ID)
		}
		sort.Strings(ids)
		return ids, err
	case "clearReaction":
		return nil, s.MessageReactionsRemoveEmoji(c.Channel, c.Message, c.Emoji)
	case "clearReactions":
		return nil, s.MessageReactionsRemoveAll(c.Channel, c.Message)
	case "nick":
		return nil, s.GuildMemberNickname(c.Guild, c.User, c.Nick)
	case "addRole":
		return nil, s.GuildMemberRoleAdd(c.Guild, c.User, c.Role)
	case "removeRole":
		return nil, s.GuildMemberRoleRemove(c.Guild, c.User, c.Role)
	case "kick":
		return nil, s.GuildMemberDelete(c.Guild, c.User)
	case "quit":
		// What it logs of its own goodbye is no news.
		err := s.Close()
		os.Exit(0)
		return nil, err
	}
	return nil, fmt.Errorf("no action is called %q", c.Do)
}

func (b *bot) obey(c command) {
	value, err := b.act(c)
	if err == nil {
		say(object{"reply": c.ID, "ok": true, "value": value})
		return
	}
	var code any
	if refusal := (*dg.RESTError)(nil); errors.As(err, &refusal) && refusal.Message != nil {
		code = refusal.Message.Code
	}
	say(object{"reply": c.ID, "ok": false, "error": err.Error(), "code": code})
}

// onLog passes on what discordgo could not read, and with DEBUG all it logs.
func onLog(level, _ int, format string, rest ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, rest...))
	if os.Getenv("DEBUG") != "" {
		fmt.Fprintln(os.Stderr, text)
	}
	switch {
	case strings.HasPrefix(text, "error unmarshalling"), strings.HasPrefix(text, "error decoding"),
		strings.HasPrefix(text, "error uncompressing"), strings.HasPrefix(text, "unknown Op"):
		say(object{"event": "error", "message": text})
	case level <= dg.LogWarning:
		say(object{"event": "warning", "message": text})
	}
}

func main() {
	pointAt(os.Getenv("BASE_URL"))
	dg.Logger = onLog
	session, err := dg.New("Bot " + os.Getenv("TOKEN"))
	if err != nil {
		panic(err)
	}
	session.LogLevel = dg.LogWarning
	if os.Getenv("DEBUG") != "" {
		session.LogLevel = dg.LogDebug
	}
	// In the order of the wire: else each handler runs on a goroutine of its own.
	session.SyncEvents = true
	session.Identify.Intents = dg.IntentsAll
	b := &bot{session: session, asked: map[string]chan []*dg.Member{}}
	b.listen()
	if err := session.Open(); err != nil {
		say(object{"event": "loginFailed", "message": err.Error()})
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		go b.obey(c)
	}
}
