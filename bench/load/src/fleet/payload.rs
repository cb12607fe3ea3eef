//! What a connection is sent: told apart by its wire, and what of it is counted.

use std::io;
use std::time::{Duration, Instant};

use crate::args::fail;
use crate::connection::State;
use crate::dispatch;

use super::{EVENT_MIN, Fleet, Wire, unix_us};

impl Fleet {
    fn event(&mut self, index: usize, bytes: usize, now: Instant) {
        if let Some(window) = &mut self.window {
            let connection = &mut self.connections[index];
            window.delivered(connection.delivered, bytes, now);
            connection.delivered += 1;
        }
    }

    fn hear(&mut self, payload: &[u8], now: Instant) -> io::Result<()> {
        let Some(heard) = &mut self.heard else {
            return Ok(());
        };
        let content = dispatch::text_after(payload, b"\"content\":\"").unwrap_or_default();
        let due_us: u64 = content
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| fail("a message does not say when it was due"))?;
        heard.record(Duration::from_micros(unix_us(now).saturating_sub(due_us)));
        Ok(())
    }

    pub(super) fn on_message(
        &mut self,
        index: usize,
        payload: &[u8],
        bytes: usize,
        now: Instant,
    ) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.text);
        let outcome = match &mut self.connections[index].stream {
            None => self.on_payload(index, payload, bytes, now),
            Some(stream) => {
                stream
                    .read(payload, &mut text)
                    .and_then(|()| match (self.wire, text.last()) {
                        (Wire::Json, last) if last != Some(&b'}') => {
                            Err(fail("a message of the stream holds no whole payload"))
                        }
                        _ => self.on_payload(index, &text, bytes, now),
                    })
            }
        };
        self.text = text;
        outcome
    }

    fn on_payload(
        &mut self,
        index: usize,
        payload: &[u8],
        bytes: usize,
        now: Instant,
    ) -> io::Result<()> {
        match self.wire {
            Wire::Plain if self.connections[index].state == State::Upgrading => {
                if payload.starts_with(self.opens_with.as_bytes()) {
                    return self.opened(index);
                }
            }
            Wire::Plain if payload.len() >= EVENT_MIN => self.event(index, bytes, now),
            Wire::Plain => {}
            Wire::Json => return self.on_json(index, payload, bytes, now),
            Wire::Etf => return self.on_etf(index, payload, bytes, now),
        }
        Ok(())
    }

    fn on_etf(
        &mut self,
        index: usize,
        payload: &[u8],
        bytes: usize,
        now: Instant,
    ) -> io::Result<()> {
        let connection = &mut self.connections[index];
        match connection.state {
            State::Upgrading => return self.opened(index),
            State::Identifying => {
                connection.dispatches += 1;
                connection.seq += 1;
                if connection.dispatches == 1 + self.guilds {
                    self.ready(index, now);
                }
            }
            _ if payload.len() >= EVENT_MIN => {
                connection.seq += 1;
                self.event(index, bytes, now);
            }
            State::Beating => self.ready(index, now),
            _ => {}
        }
        Ok(())
    }

    fn on_json(
        &mut self,
        index: usize,
        payload: &[u8],
        bytes: usize,
        now: Instant,
    ) -> io::Result<()> {
        let Some((seq, name)) = dispatch::head(payload) else {
            return match dispatch::opcode(payload) {
                Some(10) => {
                    if let Some(interval) =
                        dispatch::number_after(payload, b"\"heartbeat_interval\":")
                    {
                        self.beat_every = Duration::from_millis(interval);
                    }
                    self.opened(index)?;
                    if self.roam.offers() && !self.connections[index].session_id.is_empty() {
                        return self.resume(index);
                    }
                    Ok(())
                }
                Some(7) if self.roam.offers() => {
                    self.gone(index, now);
                    Ok(())
                }
                Some(9) if self.connections[index].state == State::Resuming => {
                    self.invalidated += 1;
                    self.connections[index].anew = true;
                    self.identify(index)
                }
                Some(11) if self.connections[index].state == State::Beating => {
                    self.ready(index, now);
                    Ok(())
                }
                Some(11) if !self.connections[index].beats.is_empty() => {
                    self.acknowledge(index, now);
                    Ok(())
                }
                Some(1 | 11) => Ok(()),
                _ => Err(fail(format!(
                    "connection {index} got {}",
                    String::from_utf8_lossy(payload)
                ))),
            };
        };
        let connection = &mut self.connections[index];
        let first = name == b"READY";
        if seq != if first { 1 } else { connection.seq + 1 } {
            return Err(fail(format!(
                "connection {index}: s is {seq} after {}",
                connection.seq
            )));
        }
        connection.seq = seq;
        match name {
            b"MESSAGE_CREATE" => {
                self.replayed += u64::from(connection.state == State::Resuming);
                self.event(index, bytes, now);
                self.hear(payload, now)?;
            }
            b"READY" => {
                connection.session_id = dispatch::text_after(payload, b"\"session_id\":\"")
                    .ok_or_else(|| fail("READY without session_id"))?;
                connection.dispatches = 1;
                if self.guilds == 0 {
                    self.ready(index, now);
                }
            }
            b"GUILD_CREATE" if connection.state == State::Identifying => {
                connection.dispatches += 1;
                if connection.dispatches == 1 + self.guilds {
                    self.ready(index, now);
                }
            }
            b"PRESENCE_UPDATE" => self.presences += 1,
            b"GUILD_MEMBER_LIST_UPDATE" => self.lists += 1,
            b"RESUMED" => self.ready(index, now),
            _ => {}
        }
        Ok(())
    }
}
