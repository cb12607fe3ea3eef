//! Made-up gateway traffic: messages, typing, presences and reactions of a few guilds, the same for the same seed.
#![allow(dead_code, reason = "each test file uses its part")]

/// A small linear generator: the same numbers everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// One event as its recipients share it.
pub(crate) struct Event {
    pub(crate) guild: u64,
    before: String,
    /// What a variant may leave out; empty for events without content.
    content: String,
    after: String,
}

impl Event {
    /// The shared octets; forms differ where there is content, the last one is not even text.
    pub(crate) fn variant(&self, form: usize) -> Vec<u8> {
        let content = match form {
            0 | 3 => self.content.as_str(),
            1 => "",
            _ => &self.content[..self.content.char_indices().nth(9).map_or(0, |(at, _)| at)],
        };
        let mut octets = [&self.before, content, &self.after].concat().into_bytes();
        if form == 3 {
            octets
                .iter_mut()
                .for_each(|octet| *octet = octet.wrapping_add(0x7f));
        }
        octets
    }
}

const WORDS: [&str; 40] = [
    "the",
    "and",
    "you",
    "gateway",
    "just",
    "deploy",
    "works",
    "that",
    "lol",
    "yes",
    "no",
    "why",
    "shard",
    "is",
    "down",
    "again",
    "thanks",
    "brb",
    "meeting",
    "ship",
    "it",
    "näh",
    "größer",
    "привет",
    "спасибо",
    "日本語",
    "テスト",
    "😀",
    "🎉",
    "été",
    "release",
    "candidate",
    "review",
    "please",
    "morning",
    "merge",
    "branch",
    "tomorrow",
    "ok",
    "https://example.org/a/b?c=d",
];

/// The source of events.
pub(crate) struct Traffic {
    dice: Dice,
    guilds: u64,
    members: Vec<(u64, String)>,
    snowflake: u64,
}

impl Traffic {
    pub(crate) fn new(guilds: u64, seed: u64) -> Self {
        let mut dice = Dice(seed ^ 0x5eed);
        let members = (0..120 * guilds)
            .map(|n| {
                let name = format!("{}{n}", WORDS[dice.below(39) as usize]);
                (175_928_847_299_117_063 + dice.next() * 4_099, name)
            })
            .collect();
        Self {
            dice,
            guilds,
            members,
            snowflake: 1_310_000_000_000_000_000,
        }
    }

    fn words(&mut self, most: u64) -> String {
        let count = 1 + self.dice.below(most);
        let words: Vec<&str> = (0..count)
            .map(|_| WORDS[self.dice.below(40) as usize])
            .collect();
        words.join(" ")
    }

    /// Octets that hardly compress.
    pub(crate) fn filler(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.dice.next() >> 5) as u8).collect()
    }

    /// Octets that look like a list of members, with some repetition.
    pub(crate) fn text(&mut self, length: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < length {
            let (id, word) = (self.dice.next(), self.words(3));
            text.extend_from_slice(
                format!(r#"{{"id":"{id}","nick":"{word}","roles":[],"mute":false}},"#).as_bytes(),
            );
        }
        text.truncate(length);
        text
    }

    pub(crate) fn event(&mut self) -> Event {
        let guild = self.dice.below(self.guilds);
        let (user, name) = self.members[(guild * 120 + self.dice.below(120)) as usize].clone();
        self.snowflake += 4_194_304 * (1 + self.dice.below(900));
        let id = self.snowflake;
        let channel = 1_100_000_000_000_000_000 + guild * 77_777 + self.dice.below(8) * 13;
        let guild_id = 1_000_000_000_000_000_000 + guild * 1_234_567_891;
        let stamp = format!(
            "2026-11-24T{:02}:{:02}:{:02}.{:06}+00:00",
            self.dice.below(24),
            self.dice.below(60),
            self.dice.below(60),
            self.dice.below(1_000_000)
        );
        let avatar = format!(
            "{:016x}{:016x}",
            user.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            user.wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        );
        let user_json = format!(
            r#"{{"id":"{user}","username":"{name}","avatar":"{avatar}","discriminator":"0","public_flags":0,"flags":0,"banner":null,"accent_color":null,"global_name":"{name}","avatar_decoration_data":null,"collectibles":null,"primary_guild":null}}"#
        );
        let member_json = format!(
            r#"{{"roles":["{}","{}"],"premium_since":null,"pending":false,"nick":null,"mute":false,"joined_at":"2023-0{}-11T08:11:00.123000+00:00","flags":0,"deaf":false,"communication_disabled_until":null,"banner":null,"avatar":null}}"#,
            guild_id + user % 7,
            guild_id + user % 5,
            1 + user % 9
        );
        let (before, content, after) = match self.dice.below(100) {
            0..=52 => {
                let most = [6, 12, 30, 300][self.dice.below(4) as usize];
                (
                    format!(
                        r#""t":"MESSAGE_CREATE","op":0,"d":{{"type":0,"tts":false,"timestamp":"{stamp}","pinned":false,"nonce":"{}","mentions":[],"mention_roles":[],"mention_everyone":false,"member":{member_json},"id":"{id}","flags":0,"embeds":[],"edited_timestamp":null,"content":""#,
                        id + 17
                    ),
                    self.words(most),
                    format!(
                        r#"","components":[],"channel_type":0,"channel_id":"{channel}","author":{user_json},"attachments":[],"guild_id":"{guild_id}"}}}}"#
                    ),
                )
            }
            53..=72 => (
                format!(
                    r#""t":"TYPING_START","op":0,"d":{{"user_id":"{user}","timestamp":{},"member":{{"user":{user_json},"roles":[],"nick":null}},"channel_id":"{channel}","guild_id":"{guild_id}"}}}}"#,
                    1_790_000_000 + id % 100_000
                ),
                String::new(),
                String::new(),
            ),
            73..=94 => {
                let status = ["online", "idle", "dnd", "offline"][self.dice.below(4) as usize];
                (
                    format!(
                        r#""t":"PRESENCE_UPDATE","op":0,"d":{{"user":{{"id":"{user}"}},"status":"{status}","guild_id":"{guild_id}","client_status":{{"desktop":"{status}"}},"activities":[{{"type":0,"name":"{}","id":"{:x}","created_at":{}}}]}}}}"#,
                        WORDS[(user % 40) as usize],
                        user % 99_991,
                        1_790_000_000_000 + id % 1_000_000
                    ),
                    String::new(),
                    String::new(),
                )
            }
            _ => (
                format!(
                    r#""t":"MESSAGE_REACTION_ADD","op":0,"d":{{"user_id":"{user}","type":0,"message_id":"{}","message_author_id":"{user}","member":{{"user":{user_json}}},"emoji":{{"name":"🎉","id":null}},"channel_id":"{channel}","burst":false,"guild_id":"{guild_id}"}}}}"#,
                    id - 4_194_304
                ),
                String::new(),
                String::new(),
            ),
        };
        Event {
            guild,
            before,
            content,
            after,
        }
    }
}
