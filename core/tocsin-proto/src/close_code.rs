//! `CloseCode`: why a connection ended, and what the client may do about it (RFC 6455 §7.4, protocol.md §1.4).

/// A typed goodbye. The number is the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum CloseCode {
    /// The purpose is fulfilled.
    Normal = 1000,
    /// The peer goes away.
    GoingAway = 1001,
    /// A violation of RFC 6455.
    Protocol = 1002,
    /// Data of a kind that is not taken.
    Unsupported = 1003,
    /// Text that is not UTF-8.
    InvalidText = 1007,
    /// A violation of policy.
    Policy = 1008,
    /// A message too big to take.
    TooBig = 1009,
    /// The server failed.
    Internal = 1011,
    /// The server restarts.
    Restart = 1012,
    /// Something went wrong; the session is kept.
    UnknownError = 4000,
    /// Unknown opcode, or a payload not valid for it.
    UnknownOpcode = 4001,
    /// Malformed or oversize payload.
    Decode = 4002,
    /// A payload before identify, or no identify in time.
    NotAuthenticated = 4003,
    /// The token is not known.
    AuthenticationFailed = 4004,
    /// A second identify.
    AlreadyAuthenticated = 4005,
    /// A resume from a sequence number that was never sent.
    InvalidSeq = 4007,
    /// Too many payloads.
    RateLimited = 4008,
    /// The session timed out.
    SessionTimedOut = 4009,
    /// Shard index or total not valid.
    InvalidShard = 4010,
    /// Too many guilds for one session.
    ShardingRequired = 4011,
    /// Unsupported `v`.
    InvalidApiVersion = 4012,
    /// Intents that do not exist.
    InvalidIntents = 4013,
    /// Intents the application has no leave for.
    DisallowedIntents = 4014,
}

impl CloseCode {
    /// Every code, in order.
    pub const ALL: [Self; 23] = [
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::Unsupported,
        Self::InvalidText,
        Self::Policy,
        Self::TooBig,
        Self::Internal,
        Self::Restart,
        Self::UnknownError,
        Self::UnknownOpcode,
        Self::Decode,
        Self::NotAuthenticated,
        Self::AuthenticationFailed,
        Self::AlreadyAuthenticated,
        Self::InvalidSeq,
        Self::RateLimited,
        Self::SessionTimedOut,
        Self::InvalidShard,
        Self::ShardingRequired,
        Self::InvalidApiVersion,
        Self::InvalidIntents,
        Self::DisallowedIntents,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The code of a number, if it is one of ours.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.code() == code)
    }

    /// Whether the client should connect again.
    #[must_use]
    pub const fn can_reconnect(self) -> bool {
        !matches!(
            self,
            Self::AuthenticationFailed
                | Self::InvalidShard
                | Self::ShardingRequired
                | Self::InvalidApiVersion
                | Self::InvalidIntents
                | Self::DisallowedIntents
        )
    }

    /// Whether the client may resume its session after this code from the server.
    #[must_use]
    pub const fn can_resume(self) -> bool {
        self.can_reconnect()
            && !matches!(
                self,
                Self::Normal
                    | Self::GoingAway
                    | Self::NotAuthenticated
                    | Self::InvalidSeq
                    | Self::SessionTimedOut
            )
    }

    /// The reason text that goes with it, at most 123 octets.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::GoingAway => "Going away.",
            Self::Protocol => "Protocol error.",
            Self::Unsupported => "Unsupported data.",
            Self::InvalidText => "Text is not UTF-8.",
            Self::Policy => "Policy violation.",
            Self::TooBig => "Message too big.",
            Self::Internal => "Internal error.",
            Self::Restart => "Service restart.",
            Self::UnknownError => "Unknown error.",
            Self::UnknownOpcode => "Unknown opcode.",
            Self::Decode => "Error while decoding payload.",
            Self::NotAuthenticated => "Not authenticated.",
            Self::AuthenticationFailed => "Authentication failed.",
            Self::AlreadyAuthenticated => "Already authenticated.",
            Self::InvalidSeq => "Invalid seq.",
            Self::RateLimited => "Rate limited.",
            Self::SessionTimedOut => "Session timed out.",
            Self::InvalidShard => "Invalid shard.",
            Self::ShardingRequired => "Sharding required.",
            Self::InvalidApiVersion => "Invalid API version.",
            Self::InvalidIntents => "Invalid intent(s).",
            Self::DisallowedIntents => "Disallowed intent(s).",
        }
    }
}

/// A number that is no close code of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACloseCode(pub u16);

impl TryFrom<u16> for CloseCode {
    type Error = NotACloseCode;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        Self::from_code(code).ok_or(NotACloseCode(code))
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.code()
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, NotACloseCode};

    #[test]
    fn a_number_and_its_code_agree() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::try_from(u16::from(code)), Ok(code));
            assert!(code.reason().len() <= 123);
        }
        assert_eq!(CloseCode::try_from(4006), Err(NotACloseCode(4006)));
    }

    #[test]
    fn advice_follows_the_table() {
        assert!(CloseCode::UnknownError.can_resume());
        assert!(CloseCode::AlreadyAuthenticated.can_resume());
        assert!(!CloseCode::InvalidSeq.can_resume() && CloseCode::InvalidSeq.can_reconnect());
        assert!(!CloseCode::AuthenticationFailed.can_reconnect());
    }
}
