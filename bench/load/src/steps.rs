//! Steps: the stretches of a run, in the order asked for; each is measured by itself.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::args::{Args, fail};
use crate::connection::State;
use crate::flap::{flap, hear, look, pause};
use crate::fleet::{Fleet, unix_s};
use crate::histogram::Histogram;
use crate::live::beats;
use crate::process::{Cpu, memory, rss_kib};
use crate::roam::lost;
use crate::window::Window;

/// A step that gets nowhere for this long has failed.
const STUCK: Duration = Duration::from_secs(60);
/// How often the server's memory is looked at while connections come and go.
const SAMPLES: usize = 60;
pub(crate) const TURN: Duration = Duration::from_millis(20);

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let run = Run {
        pid: args.number("pid", 0)?,
        in_flight: args.number("in-flight", 128)?,
        guild: args.text("guild", "").to_owned(),
        channel: args.text("channel", "").to_owned(),
    };
    let mut fleet = Fleet::new(args)?;
    let mut reports = Vec::new();
    for step in args.text("steps", "connect").split(',') {
        let report = run
            .step(&mut fleet, step)
            .map_err(|error| fail(format!("{step}: {error}")))?;
        reports.push(report);
    }
    let result = json!({"connections": fleet.connections.len(), "steps": reports});
    writeln!(io::stdout(), "{result}")
}

struct Run {
    pid: u32,
    in_flight: usize,
    guild: String,
    channel: String,
}

impl Run {
    fn step(&self, fleet: &mut Fleet, step: &str) -> io::Result<Value> {
        let mut words = step.split(':');
        let name = words.next().unwrap_or_default();
        let mut number = || -> io::Result<f64> {
            let word = words.next().ok_or_else(|| fail("lacks a number"))?;
            word.parse()
                .map_err(|_| fail(format!("{word} is no number")))
        };
        let before = (Cpu::of(self.pid), Cpu::of(std::process::id()));
        let (began, began_unix) = (Instant::now(), unix_s());
        (fleet.presences, fleet.lists) = (0, 0);
        (fleet.invalidated, fleet.roam.moved) = (0, 0);
        let mut report = match name {
            "connect" => self.storm(fleet, State::Closed, Fleet::connect)?,
            "identify" => self.storm(fleet, State::Open, Fleet::identify)?,
            "resume" => self.storm(fleet, State::Open, Fleet::resume)?,
            "beat" => self.storm(fleet, State::Ready, Fleet::beat_now)?,
            "hold" => hold(fleet, number()? as usize)?,
            "beats" => beats(fleet, number()?)?,
            "cycle" => self.cycle(fleet, number()? as usize, false)?,
            "churn" => self.cycle(fleet, number()? as usize, true)?,
            "idle" => idle(fleet, number()?)?,
            "closed" => {
                let (window, seconds) = (number()? as usize, number()?);
                measure(fleet, Pace::Closed(window), seconds)?
            }
            "open" => {
                let (rate, seconds) = (number()?, number()?);
                measure(fleet, Pace::Open(rate), seconds)?
            }
            "drop" => {
                for connection in &mut fleet.connections {
                    connection.cut();
                }
                idle(fleet, 0.2)?
            }
            "flap" => {
                let (rate, returns, seconds) = (number()?, number()?, number()?);
                flap(fleet, rate, returns, seconds)?
            }
            "look" => look(fleet, &self.guild, &self.channel, number()? as usize)?,
            "pause" => pause(fleet)?,
            "hear" => hear(fleet)?,
            "lost" => {
                lost(fleet, STUCK, TURN)?;
                Map::new()
            }
            "at" => {
                fleet.port = number()? as u16;
                Map::new()
            }
            "publish" => publish(fleet, number()? as usize)?,
            _ => return Err(fail("no such step")),
        };
        let wall = began.elapsed().as_secs_f64();
        let server = Cpu::of(self.pid);
        let used = server.total_since(&before.0);
        report.insert("step".into(), step.into());
        report.insert("presence_updates".into(), fleet.presences.into());
        report.insert("list_updates".into(), fleet.lists.into());
        report.insert("invalidated".into(), fleet.invalidated.into());
        report.insert("moved".into(), fleet.roam.moved.into());
        report.insert("wall_s".into(), wall.into());
        report.insert("began_unix".into(), began_unix.into());
        report.insert("ended_unix".into(), unix_s().into());
        report.insert("server_cpu".into(), server.report(&before.0));
        report.insert("server_memory".into(), memory(self.pid));
        let own = Cpu::of(std::process::id()).total_since(&before.1);
        report.insert("client_cpu_share".into(), (own / wall).into());
        for (count, per) in [("deliveries", 1e6), ("done", 1e6)] {
            if let Some(many) = report
                .get(count)
                .and_then(Value::as_f64)
                .filter(|&n| n > 0.0)
            {
                report.insert(
                    "server_cpu_s_per_million".into(),
                    (used / many * per).into(),
                );
                report.insert("per_s".into(), (many / wall).into());
            }
        }
        Ok(Value::Object(report))
    }

    /// Connect all and reset all, or with `sessions` identify all and close all in between, until `count` connections
    /// have come and gone.
    fn cycle(
        &self,
        fleet: &mut Fleet,
        count: usize,
        sessions: bool,
    ) -> io::Result<Map<String, Value>> {
        let mut done = 0;
        let mut samples = Vec::new();
        while done < count {
            self.storm(fleet, State::Closed, Fleet::connect)?;
            if sessions {
                self.storm(fleet, State::Open, Fleet::identify)?;
                self.storm(fleet, State::Ready, Fleet::close)?;
            } else {
                for connection in &mut fleet.connections {
                    connection.reset()?;
                }
            }
            done += fleet.connections.len();
            if done * SAMPLES / count > samples.len() {
                samples.push(json!([done, rss_kib(self.pid)]));
            }
        }
        idle(fleet, 0.3)?;
        let mut report = Map::new();
        report.insert("done".into(), done.into());
        report.insert("rss_kib".into(), samples.into());
        Ok(report)
    }

    /// All connections do the same, some of them at a time, until each has come to the end of it.
    fn storm(
        &self,
        fleet: &mut Fleet,
        from: State,
        begin: fn(&mut Fleet, usize) -> io::Result<()>,
    ) -> io::Result<Map<String, Value>> {
        let count = fleet.connections.len();
        if fleet.connections.iter().any(|each| each.state != from) {
            return Err(fail(format!("all connections must be {from:?} first")));
        }
        (fleet.reached, fleet.replayed, fleet.bytes) = (0, 0, 0);
        fleet.answers = Histogram::new();
        let mut begun = 0;
        let mut progress = (0, Instant::now());
        while fleet.reached < count {
            while begun < count && begun - fleet.reached < self.in_flight {
                begin(fleet, begun)?;
                begun += 1;
            }
            fleet.pump(TURN)?;
            advance(&mut progress, fleet.reached)?;
        }
        let mut report = Map::new();
        report.insert("done".into(), count.into());
        report.insert("bytes".into(), fleet.bytes.into());
        report.insert("replayed".into(), fleet.replayed.into());
        report.insert("latency_ms".into(), fleet.answers.to_json());
        Ok(report)
    }
}

pub(crate) fn advance(progress: &mut (usize, Instant), now_at: usize) -> io::Result<()> {
    if progress.0 != now_at {
        *progress = (now_at, Instant::now());
    } else if progress.1.elapsed() > STUCK {
        return Err(fail(format!("stuck at {now_at}")));
    }
    Ok(())
}

fn idle(fleet: &mut Fleet, seconds: f64) -> io::Result<Map<String, Value>> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < until {
        fleet.pump(TURN)?;
    }
    Ok(Map::new())
}

/// Publish `count` events that nobody present waits for.
fn publish(fleet: &mut Fleet, count: usize) -> io::Result<Map<String, Value>> {
    let end = fleet.publisher.confirmed + count;
    let mut left = count;
    let mut progress = (0, Instant::now());
    while fleet.publisher.confirmed < end {
        while left > 0 && fleet.publisher.free() {
            fleet.publisher.publish(Instant::now())?;
            left -= 1;
        }
        fleet.pump(TURN)?;
        advance(&mut progress, fleet.publisher.confirmed)?;
    }
    let mut report = Map::new();
    report.insert("done".into(), count.into());
    Ok(report)
}

/// Publish `count` events and have the GIL held right after; all of them must arrive while it is.
fn hold(fleet: &mut Fleet, count: usize) -> io::Result<Map<String, Value>> {
    for connection in &mut fleet.connections {
        connection.delivered = 0;
    }
    let confirmed = fleet.publisher.confirmed;
    let mut window = Window::new(fleet.connections.len());
    let now = Instant::now();
    for _ in 0..count {
        window.published(now);
    }
    fleet.window = Some(window);
    fleet.publisher.hold(count)?;
    let mut progress = (0, Instant::now());
    while fleet.window.as_ref().map_or(0, Window::outstanding) > 0 {
        fleet.pump(TURN)?;
        let done = fleet.window.as_ref().map_or(0, |window| window.completed);
        advance(&mut progress, done)?;
    }
    let window = fleet.window.take().ok_or_else(|| fail("no window"))?;
    let mut report = Map::new();
    report.insert("published".into(), count.into());
    report.insert("deliveries".into(), window.deliveries.into());
    report.insert("latency_ms".into(), window.all.to_json());
    // The host answers only when it lets go of the GIL.
    let held = fleet.publisher.confirmed == confirmed;
    report.insert("held_meanwhile".into(), held.into());
    Ok(report)
}

enum Pace {
    /// So many events outstanding: the next goes out when the oldest is with all.
    Closed(usize),
    /// So many events a second whatever happens; latency counts from when each was due.
    Open(f64),
}

fn measure(fleet: &mut Fleet, pace: Pace, seconds: f64) -> io::Result<Map<String, Value>> {
    let wanted = |fleet: &Fleet| fleet.window.as_ref().map_or(0, Window::outstanding);
    for connection in &mut fleet.connections {
        (connection.delivered, connection.anew) = (0, false);
    }
    fleet.publisher.replies = Histogram::new();
    let confirmed = fleet.publisher.confirmed;
    fleet.window = Some(Window::new(fleet.connections.len()));
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let mut sent = 0;
    let mut progress = (0, Instant::now());
    loop {
        let now = Instant::now();
        let due = match pace {
            Pace::Closed(_) => now,
            Pace::Open(rate) => began + Duration::from_secs_f64(f64::from(sent) / rate),
        };
        if now.max(due) < until {
            let room = match pace {
                Pace::Closed(window) => wanted(fleet) < window,
                Pace::Open(_) => due <= now,
            };
            if room && fleet.publisher.free() {
                if let Some(window) = &mut fleet.window {
                    window.published(due);
                }
                fleet.publisher.publish(due)?;
                sent += 1;
                continue;
            }
        } else if (wanted(fleet) == 0 || fleet.have_all(sent as usize))
            && fleet.publisher.confirmed - confirmed >= sent as usize
            && now >= until
        {
            break;
        }
        // epoll counts in milliseconds: the last two before an event is due are spent asking.
        let wait = due.saturating_duration_since(now);
        let wait = match pace {
            Pace::Open(_) if wait <= Duration::from_millis(2) && due < until => Duration::ZERO,
            Pace::Open(_) => TURN.min(
                wait.saturating_sub(Duration::from_millis(1))
                    .max(Duration::from_millis(1)),
            ),
            Pace::Closed(_) => TURN,
        };
        fleet.pump(wait)?;
        let done = fleet.window.as_ref().map_or(0, |window| window.completed);
        if wanted(fleet) > 0 {
            advance(&mut progress, done)
                .map_err(|error| fail(format!("{error}; {}", fleet.behind())))?;
        }
    }
    let window = fleet.window.take().ok_or_else(|| fail("no window"))?;
    if window.extra > 0 && !fleet.connections.iter().any(|each| each.anew) {
        return Err(fail(format!(
            "{} more deliveries than published",
            window.extra
        )));
    }
    let mut report = Map::new();
    report.insert("published".into(), window.count().into());
    report.insert("deliveries".into(), window.deliveries.into());
    report.insert(
        "frame_bytes".into(),
        (window.bytes as f64 / window.deliveries.max(1) as f64).into(),
    );
    report.insert(
        "frames_per_read".into(),
        (window.deliveries as f64 / window.reads.max(1) as f64).into(),
    );
    report.insert("latency_ms".into(), window.all.to_json());
    report.insert("first_ms".into(), window.first.to_json());
    report.insert("last_ms".into(), window.last.to_json());
    report.insert("post_ms".into(), fleet.publisher.replies.to_json());
    Ok(report)
}
