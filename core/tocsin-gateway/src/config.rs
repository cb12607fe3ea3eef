//! `GatewayConfig`: every knob of the gateway half, validated once and then frozen.

use tocsin_compress::Compression;

use crate::error::GatewayError;

/// The settings of one gateway. All durations in ms, all sizes in bytes.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Number of worker threads, 1 to 255.
    pub workers: usize,
    /// The interval told to clients in HELLO.
    pub heartbeat_interval_ms: u64,
    /// Time from the handshake (or from an op 9) to an identify or resume.
    pub identify_timeout_ms: u64,
    /// Time from accept to the end of the request head.
    pub handshake_timeout_ms: u64,
    /// How long a detached session is kept.
    pub resume_window_ms: u64,
    /// Most events a replay log holds.
    pub replay_max_events: usize,
    /// Most bytes of events a replay log refers to.
    pub replay_max_bytes: usize,
    /// Most bytes that may wait for one connection.
    pub outbound_max_bytes: usize,
    /// Largest message from a client.
    pub payload_max_bytes: usize,
    /// Messages a client may send per window.
    pub send_limit: u32,
    /// The window of `send_limit`.
    pub send_window_ms: u64,
    /// Most client requests that may wait for the host.
    pub host_queue_max: usize,
    /// Most connections over all workers.
    pub max_connections: usize,
    /// How zlib-streams are compressed.
    pub compression: Compression,
    /// What the ids of this node's sessions begin with, where other nodes may take them over.
    pub session_tag: Option<[u8; 4]>,
    /// Note what traced events go through.
    pub traces: bool,
    /// Inflate what zlib-streams emit, and close with 4000 where it differs.
    pub debug_inflate: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            workers: 1,
            heartbeat_interval_ms: 41_250,
            identify_timeout_ms: 15_000,
            handshake_timeout_ms: 10_000,
            resume_window_ms: 120_000,
            replay_max_events: 1_000,
            replay_max_bytes: 4 << 20,
            outbound_max_bytes: 4 << 20,
            payload_max_bytes: 15_360,
            send_limit: 120,
            send_window_ms: 60_000,
            host_queue_max: 65_536,
            max_connections: 1_000_000,
            compression: Compression::Shared,
            session_tag: None,
            traces: false,
            debug_inflate: false,
        }
    }
}

impl GatewayConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// `GatewayError::Config` names the first setting out of range.
    pub fn validate(&self) -> Result<(), GatewayError> {
        let checks: [(&'static str, bool); 12] = [
            ("workers", (1..=255).contains(&self.workers)),
            ("heartbeat_interval_ms", self.heartbeat_interval_ms >= 10),
            ("identify_timeout_ms", self.identify_timeout_ms >= 1),
            ("handshake_timeout_ms", self.handshake_timeout_ms >= 1),
            ("replay_max_events", self.replay_max_events >= 1),
            ("replay_max_bytes", self.replay_max_bytes >= 1),
            ("outbound_max_bytes", self.outbound_max_bytes >= 1_024),
            (
                "payload_max_bytes",
                (128..=1 << 24).contains(&self.payload_max_bytes),
            ),
            ("send_limit", self.send_limit >= 1),
            ("send_window_ms", self.send_window_ms >= 1),
            ("host_queue_max", self.host_queue_max >= 1),
            ("max_connections", self.max_connections >= 1),
        ];
        match checks.iter().find(|(_, ok)| !ok) {
            Some((name, _)) => Err(GatewayError::Config(name)),
            None => Ok(()),
        }
    }
}
