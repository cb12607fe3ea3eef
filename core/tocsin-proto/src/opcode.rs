//! `OpCode`: what a gateway payload is (protocol.md §1.3).

/// A gateway opcode. The number is the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// Server to client: an event. From a client only for `TYPING_START`.
    Dispatch = 0,
    /// Both ways: a heartbeat, or the server's wish for one.
    Heartbeat = 1,
    /// Begin a session.
    Identify = 2,
    /// Change one's presence.
    PresenceUpdate = 3,
    /// Join, move in, or leave voice.
    VoiceStateUpdate = 4,
    /// Dead: ask for the voice server.
    VoiceServerPing = 5,
    /// Go on with a session.
    Resume = 6,
    /// Server to client: connect anew and resume.
    Reconnect = 7,
    /// Ask for members.
    RequestGuildMembers = 8,
    /// Server to client: identify or resume failed.
    InvalidSession = 9,
    /// Server to client: the first payload.
    Hello = 10,
    /// Server to client: a heartbeat arrived.
    HeartbeatAck = 11,
    /// Dead: legacy guild sync.
    GuildSync = 12,
    /// Calls; out of scope.
    CallConnect = 13,
    /// Subscribe to parts of a guild.
    GuildSubscriptions = 14,
    /// Forum unread counts.
    RequestForumUnreads = 28,
    /// Remote command to another session of the user.
    RemoteCommand = 29,
    /// Ask which cached entities are gone.
    RequestDeletedEntityIds = 30,
    /// Ask for soundboard sounds.
    RequestSoundboardSounds = 31,
    /// Ask for channels' last messages.
    RequestLastMessages = 34,
    /// Search recent members.
    SearchRecentMembers = 35,
    /// Ask for voice channel statuses.
    RequestChannelStatuses = 36,
    /// Subscribe to parts of several guilds.
    GuildSubscriptionsBulk = 37,
    /// Ask for obfuscated channels anew.
    GuildChannelsResync = 38,
    /// Ask for a channel's member count.
    RequestChannelMemberCount = 39,
    /// A heartbeat with quality data.
    QosHeartbeat = 40,
    /// Analytics.
    UpdateTimeSpent = 41,
    /// Ask for channel information.
    RequestChannelInfo = 43,
}

impl OpCode {
    /// The opcode of a number, or `None` for one the protocol does not know.
    #[must_use]
    pub const fn from_u64(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Dispatch,
            1 => Self::Heartbeat,
            2 => Self::Identify,
            3 => Self::PresenceUpdate,
            4 => Self::VoiceStateUpdate,
            5 => Self::VoiceServerPing,
            6 => Self::Resume,
            7 => Self::Reconnect,
            8 => Self::RequestGuildMembers,
            9 => Self::InvalidSession,
            10 => Self::Hello,
            11 => Self::HeartbeatAck,
            12 => Self::GuildSync,
            13 => Self::CallConnect,
            14 => Self::GuildSubscriptions,
            28 => Self::RequestForumUnreads,
            29 => Self::RemoteCommand,
            30 => Self::RequestDeletedEntityIds,
            31 => Self::RequestSoundboardSounds,
            34 => Self::RequestLastMessages,
            35 => Self::SearchRecentMembers,
            36 => Self::RequestChannelStatuses,
            37 => Self::GuildSubscriptionsBulk,
            38 => Self::GuildChannelsResync,
            39 => Self::RequestChannelMemberCount,
            40 => Self::QosHeartbeat,
            41 => Self::UpdateTimeSpent,
            43 => Self::RequestChannelInfo,
            _ => return None,
        })
    }

    /// Whether a client may send it.
    #[must_use]
    pub const fn from_client(self) -> bool {
        !matches!(
            self,
            Self::Reconnect | Self::InvalidSession | Self::Hello | Self::HeartbeatAck
        )
    }
}

#[cfg(test)]
mod tests {
    use super::OpCode;

    #[test]
    fn a_number_and_its_opcode_agree() {
        for number in 0..100 {
            if let Some(opcode) = OpCode::from_u64(number) {
                assert_eq!(opcode as u64, number);
            }
        }
        assert_eq!(OpCode::from_u64(u64::MAX), None);
    }
}
