//! The WebSocket upgrade (RFC 6455 §4.2): a strict, bounded HTTP/1.1 request parser and its answers.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use thiserror::Error;

/// Most octets of a request head.
pub const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Most header lines, duplicates counted.
pub const MAX_HEADERS: usize = 64;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why an upgrade is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not HTTP/1.1 as we accept it.
    #[error("malformed request")]
    Malformed,
    /// Not the gateway's path.
    #[error("no such path")]
    NotFound,
    /// Not GET.
    #[error("method is not GET")]
    Method,
    /// No WebSocket upgrade, or not version 13.
    #[error("not a WebSocket 13 upgrade")]
    UpgradeRequired,
    /// The head is over its limits.
    #[error("request head is too large")]
    TooLarge,
}

impl HandshakeError {
    /// The HTTP status it is answered with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::UpgradeRequired => 426,
            Self::TooLarge => 431,
        }
    }

    /// The whole HTTP answer; the connection is closed after it.
    #[must_use]
    pub fn response(self) -> Vec<u8> {
        let (phrase, extra) = match self {
            Self::Malformed => ("Bad Request", ""),
            Self::NotFound => ("Not Found", ""),
            Self::Method => ("Method Not Allowed", "Allow: GET\r\n"),
            Self::UpgradeRequired => (
                "Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            ),
            Self::TooLarge => ("Request Header Fields Too Large", ""),
        };
        let body = format!("{{\"message\":\"{self}\",\"code\":0}}");
        format!(
            "HTTP/1.1 {} {phrase}\r\n{extra}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.status(),
            body.len(),
        )
        .into_bytes()
    }
}

/// What the URL asks for; the first of repeated keys counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// API version.
    pub v: Option<String>,
    /// `json` or `etf`.
    pub encoding: Option<String>,
    /// `zlib-stream` or `zstd-stream`.
    pub compress: Option<String>,
}

/// An accepted upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The URL's query.
    pub query: Query,
    /// Octets after the head: frames sent with the request.
    pub leftover: Vec<u8>,
}

impl Handshake {
    /// The 101 answer. No extension and no subprotocol is ever taken.
    #[must_use]
    pub fn response(&self) -> Vec<u8> {
        let mut answer = String::with_capacity(160);
        let _ = write!(
            answer,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            self.accept
        );
        answer.into_bytes()
    }
}

/// Collects a request head from any pieces.
#[derive(Debug, Default)]
pub struct HandshakeParser {
    head: Vec<u8>,
}

impl HandshakeParser {
    /// Takes the next octets; the handshake once the head is complete. What is no HTTP is refused at its first bad octet.
    ///
    /// # Errors
    /// A `HandshakeError`; answer it and close.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Handshake>, HandshakeError> {
        for (at, &octet) in bytes.iter().enumerate() {
            // The limit is on the head; what a client sends along with it has its own.
            if self.head.len() == MAX_HEAD_BYTES {
                return Err(HandshakeError::TooLarge);
            }
            check_octet(self.head.last().copied(), octet)?;
            self.head.push(octet);
            if self.head.ends_with(b"\r\n\r\n") {
                let head = std::mem::take(&mut self.head);
                let (accept, query) = parse(&head[..head.len() - 4])?;
                return Ok(Some(Handshake {
                    accept,
                    query,
                    leftover: bytes[at + 1..].to_vec(),
                }));
            }
        }
        Ok(None)
    }
}

/// Lines end with CR LF and with nothing else; all other octets are printable ASCII, or a tab.
const fn check_octet(before: Option<u8>, octet: u8) -> Result<(), HandshakeError> {
    let after_cr = matches!(before, Some(b'\r'));
    let fine = match octet {
        b'\n' => after_cr,
        b'\r' | b'\t' | b' '..=b'~' => !after_cr,
        _ => false,
    };
    if fine {
        Ok(())
    } else {
        Err(HandshakeError::Malformed)
    }
}

#[derive(Default)]
struct Fields<'a> {
    host: u32,
    upgrade: bool,
    connection: bool,
    version: Option<&'a str>,
    versions: u32,
    key: Option<&'a str>,
    keys: u32,
    body: bool,
}

fn parse(head: &[u8]) -> Result<(String, Query), HandshakeError> {
    let text = std::str::from_utf8(head).map_err(|_| HandshakeError::Malformed)?;
    let mut lines = text.split("\r\n");
    let request = lines.next().unwrap_or_default();
    let query = request_line(request)?;
    let fields = headers(lines)?;
    if fields.host != 1 || fields.body {
        return Err(HandshakeError::Malformed);
    }
    if !fields.upgrade || !fields.connection || fields.version != Some("13") || fields.versions != 1
    {
        return Err(HandshakeError::UpgradeRequired);
    }
    let (Some(key), 1) = (fields.key, fields.keys) else {
        return Err(HandshakeError::Malformed);
    };
    if STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(HandshakeError::Malformed);
    }
    Ok((accept_of(key), query))
}

fn request_line(line: &str) -> Result<Query, HandshakeError> {
    if line.contains('\t') {
        return Err(HandshakeError::Malformed);
    }
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HandshakeError::Malformed);
    };
    if version != "HTTP/1.1"
        || target.is_empty()
        || method.is_empty()
        || !method.bytes().all(|octet| octet.is_ascii_uppercase())
    {
        return Err(HandshakeError::Malformed);
    }
    if method != "GET" {
        return Err(HandshakeError::Method);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // Libraries join base URL and query by hand: "", "/" and "//" all occur.
    if !matches!(path, "" | "/" | "//") {
        return Err(HandshakeError::NotFound);
    }
    Ok(query_of(query))
}

fn query_of(text: &str) -> Query {
    let mut query = Query::default();
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let slot = match name {
            "v" => &mut query.v,
            "encoding" => &mut query.encoding,
            "compress" => &mut query.compress,
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some(value.to_owned());
        }
    }
    query
}

fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Fields<'a>, HandshakeError> {
    let mut fields = Fields::default();
    for (count, line) in lines.enumerate() {
        if count >= MAX_HEADERS {
            return Err(HandshakeError::TooLarge);
        }
        let (name, value) = line.split_once(':').ok_or(HandshakeError::Malformed)?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(HandshakeError::Malformed);
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => fields.host += 1,
            "upgrade" => fields.upgrade |= lists(value, "websocket"),
            "connection" => fields.connection |= lists(value, "upgrade"),
            "sec-websocket-version" => {
                fields.version = Some(value);
                fields.versions += 1;
            }
            "sec-websocket-key" => {
                fields.key = Some(value);
                fields.keys += 1;
            }
            "content-length" => fields.body |= value != "0",
            "transfer-encoding" => fields.body = true,
            _ => {}
        }
    }
    Ok(fields)
}

const fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

fn lists(value: &str, wanted: &str) -> bool {
    value
        .split(',')
        .any(|each| each.trim().eq_ignore_ascii_case(wanted))
}

fn accept_of(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}
