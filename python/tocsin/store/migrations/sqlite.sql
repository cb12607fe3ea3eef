-- Made by `python -m tests.packaging.schema` of 38b2889e6b8fd60199232bd6dff972fcde5a4393192f6010b924680418c9b1e1

CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

INSERT INTO "alembic_version" VALUES('0011');

CREATE TABLE application_commands (
	id INTEGER NOT NULL, 
	application_id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	type INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	more TEXT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE applications (
	id INTEGER NOT NULL, 
	bot_user_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	owner_id INTEGER NOT NULL, 
	description TEXT NOT NULL, 
	flags INTEGER NOT NULL, 
	intents INTEGER NOT NULL, 
	public BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (bot_user_id)
);

CREATE TABLE attachments (
	id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	message_id INTEGER NOT NULL, 
	filename TEXT NOT NULL, 
	content_type TEXT NOT NULL, 
	size INTEGER NOT NULL, 
	secret TEXT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE audit_log (
	id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	target_id INTEGER, 
	action_type INTEGER NOT NULL, 
	changes TEXT NOT NULL, 
	options TEXT NOT NULL, 
	reason TEXT, 
	PRIMARY KEY (id)
);

CREATE TABLE auto_moderation_rules (
	id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	creator_id INTEGER NOT NULL, 
	event_type INTEGER NOT NULL, 
	trigger_type INTEGER NOT NULL, 
	trigger_metadata TEXT NOT NULL, 
	actions TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	exempt_roles TEXT NOT NULL, 
	exempt_channels TEXT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE bans (
	guild_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	reason TEXT, 
	PRIMARY KEY (guild_id, user_id)
)
 WITHOUT ROWID

;

CREATE TABLE channels (
	id INTEGER NOT NULL, 
	type INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	name TEXT, 
	position INTEGER NOT NULL, 
	topic TEXT, 
	nsfw BOOLEAN NOT NULL, 
	parent_id INTEGER, 
	last_message_id INTEGER, 
	last_pin_timestamp INTEGER, 
	rate_limit_per_user INTEGER NOT NULL, 
	bitrate INTEGER NOT NULL, 
	user_limit INTEGER NOT NULL, 
	rtc_region TEXT, 
	video_quality_mode INTEGER NOT NULL, 
	default_auto_archive_duration INTEGER, 
	default_thread_rate_limit_per_user INTEGER NOT NULL, 
	flags INTEGER NOT NULL, 
	owner_id INTEGER, 
	icon TEXT, recipients_version INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE closed_dms (
	channel_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	last_message_id INTEGER NOT NULL, 
	PRIMARY KEY (channel_id, user_id)
)
 WITHOUT ROWID

;

CREATE TABLE dm_recipients (
	channel_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	PRIMARY KEY (channel_id, user_id)
)
 WITHOUT ROWID

;

CREATE TABLE emojis (
	id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	user_id INTEGER NOT NULL, 
	animated BOOLEAN NOT NULL, 
	roles TEXT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE guilds (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	owner_id INTEGER NOT NULL, 
	icon TEXT, 
	splash TEXT, 
	discovery_splash TEXT, 
	banner TEXT, 
	description TEXT, 
	afk_channel_id INTEGER, 
	afk_timeout INTEGER NOT NULL, 
	verification_level INTEGER NOT NULL, 
	default_message_notifications INTEGER NOT NULL, 
	explicit_content_filter INTEGER NOT NULL, 
	features TEXT NOT NULL, 
	mfa_level INTEGER NOT NULL, 
	system_channel_id INTEGER, 
	system_channel_flags INTEGER NOT NULL, 
	rules_channel_id INTEGER, 
	public_updates_channel_id INTEGER, 
	safety_alerts_channel_id INTEGER, 
	vanity_url_code TEXT, 
	premium_tier INTEGER NOT NULL, 
	preferred_locale TEXT NOT NULL, 
	nsfw_level INTEGER NOT NULL, 
	premium_progress_bar_enabled BOOLEAN NOT NULL, 
	widget_enabled BOOLEAN NOT NULL, 
	widget_channel_id INTEGER, 
	PRIMARY KEY (id)
);

CREATE TABLE hidden_messages (
	id INTEGER NOT NULL, 
	interaction_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	message TEXT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE interaction_messages (
	message_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	origin TEXT NOT NULL, 
	PRIMARY KEY (message_id)
);

CREATE TABLE interactions (
	id INTEGER NOT NULL, 
	token TEXT NOT NULL, 
	application_id INTEGER NOT NULL, 
	bot_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	type INTEGER NOT NULL, 
	created_at INTEGER NOT NULL, 
	waiting INTEGER NOT NULL, 
	message_id INTEGER NOT NULL, 
	message_type INTEGER NOT NULL, 
	nonce TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE invites (
	code TEXT NOT NULL, 
	guild_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	created_at INTEGER NOT NULL, 
	max_age INTEGER NOT NULL, 
	max_uses INTEGER NOT NULL, 
	"temporary" BOOLEAN NOT NULL, 
	uses INTEGER NOT NULL, 
	PRIMARY KEY (code)
)
 WITHOUT ROWID

;

CREATE TABLE member_roles (
	guild_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	role_id INTEGER NOT NULL, 
	PRIMARY KEY (guild_id, user_id, role_id)
)
 WITHOUT ROWID

;

CREATE TABLE members (
	guild_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	joined_at INTEGER NOT NULL, 
	nick TEXT, 
	avatar TEXT, 
	banner TEXT, 
	deaf BOOLEAN NOT NULL, 
	mute BOOLEAN NOT NULL, 
	pending BOOLEAN NOT NULL, 
	flags INTEGER NOT NULL, 
	timeout_until INTEGER, 
	PRIMARY KEY (guild_id, user_id)
)
 WITHOUT ROWID

;

CREATE TABLE messages (
	id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	author_id INTEGER NOT NULL, 
	content TEXT NOT NULL, 
	guild_id INTEGER NOT NULL, 
	type INTEGER NOT NULL, 
	edited_at INTEGER, 
	tts BOOLEAN NOT NULL, 
	pinned BOOLEAN NOT NULL, 
	flags INTEGER NOT NULL, 
	mention_everyone BOOLEAN NOT NULL, 
	mentions TEXT NOT NULL, 
	mention_roles TEXT NOT NULL, 
	embeds TEXT NOT NULL, 
	attachments TEXT NOT NULL, 
	components TEXT NOT NULL, 
	sticker_ids TEXT NOT NULL, 
	reference TEXT, 
	webhook_id INTEGER, 
	application_id INTEGER, 
	PRIMARY KEY (id)
);

CREATE TABLE nonces (
	author_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	nonce TEXT NOT NULL, 
	message_id INTEGER NOT NULL, 
	created_at INTEGER NOT NULL, 
	PRIMARY KEY (author_id, channel_id, nonce)
)
 WITHOUT ROWID

;

CREATE TABLE outbox (
	scope_kind INTEGER NOT NULL, 
	scope_id INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	event BLOB NOT NULL, 
	created_at INTEGER NOT NULL, 
	PRIMARY KEY (scope_kind, scope_id, seq)
);

CREATE TABLE overwrites (
	channel_id INTEGER NOT NULL, 
	target_id INTEGER NOT NULL, 
	type INTEGER NOT NULL, 
	allow INTEGER NOT NULL, 
	deny INTEGER NOT NULL, 
	PRIMARY KEY (channel_id, target_id)
)
 WITHOUT ROWID

;

CREATE TABLE passwords (
	user_id INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	PRIMARY KEY (user_id)
);

CREATE TABLE pins (
	message_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	id INTEGER NOT NULL, 
	PRIMARY KEY (message_id)
);

CREATE TABLE reactions (
	message_id INTEGER NOT NULL, 
	emoji TEXT NOT NULL, 
	user_id INTEGER NOT NULL, 
	id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	emoji_id INTEGER, 
	name TEXT NOT NULL, 
	animated BOOLEAN NOT NULL, 
	PRIMARY KEY (message_id, emoji, user_id)
)
 WITHOUT ROWID

;

CREATE TABLE read_states (
	user_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	last_message_id INTEGER NOT NULL, 
	mention_count INTEGER NOT NULL, 
	last_pin_timestamp INTEGER DEFAULT '0' NOT NULL, 
	version INTEGER DEFAULT '0' NOT NULL, counted_to INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (user_id, channel_id)
)
 WITHOUT ROWID

;

CREATE TABLE role_mentions (
	role_id INTEGER NOT NULL, 
	message_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	passes_by TEXT NOT NULL, 
	PRIMARY KEY (role_id, message_id)
)
 WITHOUT ROWID

;

CREATE TABLE roles (
	id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	permissions INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	color INTEGER NOT NULL, 
	hoist BOOLEAN NOT NULL, 
	mentionable BOOLEAN NOT NULL, 
	managed BOOLEAN NOT NULL, 
	icon TEXT, 
	unicode_emoji TEXT, 
	flags INTEGER NOT NULL, 
	bot_id INTEGER, 
	PRIMARY KEY (id)
);

CREATE TABLE scope_seq (
	scope_kind INTEGER NOT NULL, 
	scope_id INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (scope_kind, scope_id)
)
 WITHOUT ROWID

;

CREATE TABLE temporary_members (
	user_id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	PRIMARY KEY (user_id, guild_id)
)
 WITHOUT ROWID

;

CREATE TABLE thread_members (
	thread_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	joined_at INTEGER NOT NULL, 
	flags INTEGER NOT NULL, 
	PRIMARY KEY (thread_id, user_id)
)
 WITHOUT ROWID

;

CREATE TABLE threads (
	id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	parent_id INTEGER NOT NULL, 
	archived BOOLEAN NOT NULL, 
	auto_archive_duration INTEGER NOT NULL, 
	archive_timestamp INTEGER NOT NULL, 
	archive_at INTEGER NOT NULL, 
	locked BOOLEAN NOT NULL, 
	invitable BOOLEAN NOT NULL, 
	message_count INTEGER NOT NULL, 
	total_message_sent INTEGER NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE tokens (
	digest BLOB NOT NULL, 
	user_id INTEGER NOT NULL, 
	created_at INTEGER NOT NULL, 
	PRIMARY KEY (digest)
)
 WITHOUT ROWID

;

CREATE TABLE user_guild_settings (
	user_id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	settings TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (user_id, guild_id)
)
 WITHOUT ROWID

;

CREATE TABLE user_notes (
	user_id INTEGER NOT NULL, 
	target_id INTEGER NOT NULL, 
	note TEXT NOT NULL, 
	PRIMARY KEY (user_id, target_id)
)
 WITHOUT ROWID

;

CREATE TABLE user_settings (
	user_id INTEGER NOT NULL, 
	type INTEGER NOT NULL, 
	settings TEXT NOT NULL, 
	PRIMARY KEY (user_id, type)
)
 WITHOUT ROWID

;

CREATE TABLE users (
	id INTEGER NOT NULL, 
	username TEXT NOT NULL, 
	discriminator TEXT NOT NULL, 
	global_name TEXT, 
	avatar TEXT, 
	banner TEXT, 
	accent_color INTEGER, 
	bot BOOLEAN NOT NULL, 
	system BOOLEAN NOT NULL, 
	email TEXT, 
	verified BOOLEAN NOT NULL, 
	locale TEXT NOT NULL, 
	flags INTEGER NOT NULL, 
	public_flags INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (username)
);

CREATE TABLE webhook_authors (
	message_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	webhook_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	PRIMARY KEY (message_id)
);

CREATE TABLE webhooks (
	id INTEGER NOT NULL, 
	guild_id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	token TEXT NOT NULL, avatar TEXT, 
	PRIMARY KEY (id)
);

CREATE INDEX channels_guild ON channels (guild_id);

CREATE INDEX dm_recipients_user ON dm_recipients (user_id);

CREATE INDEX member_roles_role ON member_roles (role_id);

CREATE INDEX members_user ON members (user_id);

CREATE INDEX messages_channel ON messages (channel_id, id);

CREATE INDEX nonces_created ON nonces (created_at);

CREATE INDEX outbox_created ON outbox (created_at);

CREATE INDEX overwrites_target ON overwrites (target_id);

CREATE INDEX roles_guild ON roles (guild_id);

CREATE INDEX tokens_user ON tokens (user_id);

CREATE INDEX attachments_message ON attachments (message_id);

CREATE INDEX attachments_channel ON attachments (channel_id);

CREATE INDEX emojis_guild ON emojis (guild_id);

CREATE INDEX webhooks_channel ON webhooks (channel_id);

CREATE INDEX webhooks_guild ON webhooks (guild_id);

CREATE INDEX webhook_authors_channel ON webhook_authors (channel_id);

CREATE INDEX invites_channel ON invites (channel_id);

CREATE INDEX invites_guild ON invites (guild_id);

CREATE INDEX closed_dms_user ON closed_dms (user_id);

CREATE INDEX pins_channel ON pins (channel_id, id);

CREATE INDEX reactions_channel ON reactions (channel_id);

CREATE INDEX auto_moderation_rules_guild ON auto_moderation_rules (guild_id);

CREATE INDEX threads_guild ON threads (guild_id, archived);

CREATE INDEX threads_parent ON threads (parent_id, archive_timestamp);

CREATE INDEX threads_archive ON threads (archived, archive_at);

CREATE INDEX thread_members_user ON thread_members (guild_id, user_id);

CREATE INDEX audit_log_guild ON audit_log (guild_id, id);

CREATE INDEX application_commands_place ON application_commands (application_id, guild_id);

CREATE INDEX interactions_token ON interactions (token);

CREATE INDEX interactions_created ON interactions (created_at);

CREATE INDEX interaction_messages_channel ON interaction_messages (channel_id);

CREATE INDEX hidden_messages_interaction ON hidden_messages (interaction_id);

CREATE INDEX hidden_messages_channel ON hidden_messages (channel_id);

CREATE INDEX read_states_channel ON read_states (channel_id);

CREATE INDEX user_guild_settings_guild ON user_guild_settings (guild_id);

CREATE INDEX temporary_members_guild ON temporary_members (guild_id);

CREATE INDEX role_mentions_message ON role_mentions (message_id);

CREATE INDEX role_mentions_channel ON role_mentions (channel_id)
