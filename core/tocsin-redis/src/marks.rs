//! Marks: one place in the inboxes of a partition, of this node and of the one whose sessions it takes over (ADR 0019).

use std::sync::Arc;

use redis::{RedisResult, Value, cmd};
use tocsin_bus::journal::Position;
use tocsin_bus::{Envelope, SessionId};

use crate::config::millis;
use crate::cursor::number_of;
use crate::desk::mark;
use crate::entry;
use crate::heir::{COUNT, From, Heirs, Held, Place};
use crate::link::Link;
use crate::links::Links;
use crate::names::{Claim, Owner};
use crate::reader::{entry_of, inbox_name};
use crate::slots::moves;

/// Inboxes of other nodes, each by its key in the first partition: of the one that had the sessions, and of one that
/// claimed them and never had them.
pub(crate) type Inboxes = Vec<Arc<str>>;

impl Heirs {
    /// Makes this node the owner and marks all inboxes; the mark's place in the first of `inboxes`, or 0, and which of
    /// the sessions it became the owner of.
    pub(crate) fn claim(
        &self,
        link: &mut Link,
        from: From,
        place: &Place,
        inboxes: &Inboxes,
        wanted: &[&Held],
    ) -> RedisResult<(u64, Vec<bool>)> {
        let own = inbox_name(&self.config.node, place.incarnation);
        let by = Owner {
            tag: self.config.tag,
            worker: place.worker,
        };
        let mut command = cmd("FCALL");
        command
            .arg("tocsin_sessions_2_claim")
            .arg(1 + 2 * inboxes.len() + wanted.len())
            .arg(self.names.inboxes(0) + &own);
        for inbox in inboxes {
            command.arg(&**inbox);
        }
        for owner in [Some(from.owner), from.claimed_by].into_iter().flatten() {
            command.arg(self.names.taken_from(owner.tag));
        }
        for held in wanted {
            command.arg(self.names.owner(held.wanted.id));
        }
        let ids: Vec<_> = wanted.iter().map(|held| held.wanted.id).collect();
        command
            .arg(inboxes.len())
            .arg(millis(self.config.claim_ttl))
            .arg(mark(&own, place.mark, &ids));
        for held in wanted {
            let claim = Claim {
                by,
                from: from.owner,
                seq: held.wanted.seq,
            };
            command
                .arg(held.wanted.id.to_string())
                .arg(held.said.map(|said| said.to_string()).unwrap_or_default())
                .arg(claim.to_string());
        }
        let Value::Array(answer) = link.ask(&command)? else {
            return Ok((0, Vec::new()));
        };
        let mut numbers = answer.iter().map(|each| match each {
            Value::Int(number) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        });
        let before = numbers.next().unwrap_or(0);
        Ok((before, numbers.map(|taken| taken == 1).collect()))
    }

    /// The events in an inbox between two places; `None` if some are gone.
    fn tail(
        &self,
        link: &mut Link,
        inbox: &str,
        after: u64,
        before: u64,
    ) -> RedisResult<Option<Vec<Envelope>>> {
        let mut events = Vec::new();
        let mut last = after;
        if before <= after {
            // It is another inbox than the one that was read.
            return Ok(None);
        }
        while last + 1 < before {
            let read = link.ask(
                cmd("XRANGE")
                    .arg(inbox)
                    .arg(format!("1-{}", last + 1))
                    .arg(format!("1-{}", before - 1))
                    .arg("COUNT")
                    .arg(COUNT),
            )?;
            let Value::Array(entries) = read else {
                return Ok(None);
            };
            if entries.is_empty() {
                return Ok(None);
            }
            for each in entries {
                let Some((id, kind, octets)) = entry_of(each) else {
                    return Ok(None);
                };
                if number_of(&id) != Some(last + 1) {
                    return Ok(None);
                }
                last += 1;
                if kind == b"e" {
                    match entry::decode(&octets) {
                        Ok(envelope) => events.push(envelope),
                        Err(_) => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(events))
    }

    /// Marks the inboxes of a partition, unless the mark's place is known, and reads what goes to the mark; `None`: an
    /// inbox is gone, or something of it.
    #[allow(clippy::too_many_arguments, reason = "all of one takeover")]
    pub(crate) fn part(
        &self,
        links: &mut Links,
        partition: u32,
        before: Option<u64>,
        place: &Place,
        inboxes: &Inboxes,
        ids: &[SessionId],
        position: &Position,
    ) -> RedisResult<Option<Vec<Envelope>>> {
        let theirs: Option<Vec<_>> = inboxes
            .iter()
            .map(|first| self.names.inbox_like(partition, first))
            .collect();
        let Some(theirs) = theirs else {
            return Ok(None);
        };
        let link = links.to(partition);
        let before = match before {
            Some(before) => before,
            None => {
                let own = inbox_name(&self.config.node, place.incarnation);
                let marked = link.ask(
                    cmd("FCALL")
                        .arg("tocsin_marks_1_mark")
                        .arg(1 + theirs.len())
                        .arg(self.names.inboxes(partition) + &own)
                        .arg(&theirs)
                        .arg(mark(&own, place.mark, ids)),
                )?;
                match marked {
                    Value::Int(before) if before > 0 => before as u64,
                    _ => return Ok(None),
                }
            }
        };
        // While a slot moves, a publish may reach one inbox before the mark and, made again, another after it. If the move
        // is over by now, the next question is refused.
        if self.routes.is_clustered() {
            let Value::BulkString(nodes) = link.ask(cmd("CLUSTER").arg("NODES"))? else {
                return Ok(None);
            };
            if moves(&nodes, self.names.slot(partition)) {
                return Ok(None);
            }
        }
        let after = position.entries[partition as usize];
        self.tail(link, &theirs[0], after, before)
    }
}
