//! Roam: connections that a server ends, and where their sessions go on.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::args::{Args, fail};
use crate::connection::State;
use crate::fleet::Fleet;

/// After this another attempt follows one that came to nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// How ends of connections are borne.
pub(crate) struct Roam {
    /// A file with the ports that a balancer would name now. Without one a session stays where it is.
    offers: Option<PathBuf>,
    /// Ends are expected, and nothing follows them.
    losing: bool,
    again: VecDeque<(Instant, usize)>,
    turn: usize,
    pub(crate) moved: u64,
}

impl Roam {
    pub(crate) fn new(args: &Args) -> Self {
        let path = args.text("offers", "");
        Self {
            offers: (!path.is_empty()).then(|| path.into()),
            losing: false,
            again: VecDeque::new(),
            turn: 0,
            moved: 0,
        }
    }

    pub(crate) const fn offers(&self) -> bool {
        self.offers.is_some()
    }

    pub(crate) const fn bears_ends(&self) -> bool {
        self.losing || self.offers.is_some()
    }

    /// Whether an error is a connection's end, and these are borne.
    pub(crate) fn bears(&self, error: &io::Error) -> bool {
        let end = matches!(
            error.kind(),
            ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
        );
        end && self.bears_ends()
    }

    /// Which node is next.
    pub(crate) fn port(&mut self) -> io::Result<u16> {
        let text = match &self.offers {
            Some(path) => fs::read_to_string(path)?,
            None => String::new(),
        };
        let ports: Vec<u16> = text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        self.turn += 1;
        let port = ports.get(self.turn % ports.len().max(1));
        port.copied().ok_or_else(|| fail("no node is offered"))
    }
}

impl Fleet {
    /// A connection broke; anything else is an error still.
    pub(crate) fn broken(&mut self, index: usize, error: io::Error) -> io::Result<()> {
        if !self.roam.bears(&error) {
            return Err(error);
        }
        self.gone(index, Instant::now());
        Ok(())
    }

    /// A connection has ended: its session goes on elsewhere, at once if it had got anywhere here.
    pub(crate) fn gone(&mut self, index: usize, now: Instant) {
        let connection = &mut self.connections[index];
        let due = match connection.state {
            State::Upgrading => now + PAUSE,
            _ => now,
        };
        connection.cut();
        if self.roam.offers() {
            self.roam.again.push_back((due, index));
        }
    }

    /// Connect those whose time has come.
    pub(crate) fn go_on(&mut self, now: Instant) -> io::Result<()> {
        for _ in 0..self.roam.again.len() {
            let Some((due, index)) = self.roam.again.pop_front() else {
                break;
            };
            if due > now {
                self.roam.again.push_back((due, index));
                continue;
            }
            self.roam.moved += 1;
            self.connect(index)?;
        }
        Ok(())
    }
}

/// Wait until the server has ended all connections. Says `paused` on standard error first.
pub(crate) fn lost(fleet: &mut Fleet, stuck: Duration, turn: Duration) -> io::Result<()> {
    let began = Instant::now();
    fleet.roam.losing = true;
    writeln!(io::stderr(), "paused")?;
    while fleet
        .connections
        .iter()
        .any(|each| each.state != State::Closed)
    {
        fleet.pump(turn)?;
        if began.elapsed() > stuck {
            return Err(fail("connections are still there"));
        }
    }
    fleet.roam.losing = false;
    Ok(())
}
