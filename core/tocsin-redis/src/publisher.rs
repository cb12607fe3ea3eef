//! The publisher's thread: takes jobs, sends them as one pipeline, and again until Redis has taken them.
//!
//! Invariant: a stored event is taken once, in its scope's order, however often it is sent: the watermark says what
//! was there. Ephemeral events are sent once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Pipeline, Value};
use tocsin_bus::Note;

use crate::config::{BusConfig, millis};
use crate::figures::Figures;
use crate::link::{Backoff, Link};
use crate::names::Names;
use crate::outages::Watch;
use crate::queue::{Job, Queue, Run, USER_SCOPE};
use crate::registrations::Registrations;
use crate::routes::Routes;
use crate::sink::Sink;

/// Calls of one pipeline at most.
const CALLS: usize = 64;

pub(crate) struct Publisher {
    pub(crate) config: Arc<BusConfig>,
    pub(crate) names: Names,
    pub(crate) routes: Arc<Routes>,
    /// Those of its lane.
    pub(crate) partitions: Vec<u32>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) registrations: Arc<Registrations>,
    pub(crate) watch: Watch,
    pub(crate) figures: Arc<Figures>,
    pub(crate) sink: Arc<dyn Sink>,
}

/// What became of a job.
enum Outcome {
    Done,
    /// Redis cannot take it now: full, loading, or without our functions. What it said.
    Again(String),
}

/// Codes of a Redis that has no memory left, or no disk to keep what it takes.
const FULL: [&str; 2] = ["OOM", "MISCONF"];

impl Publisher {
    /// Works until the queue is closed and empty, or its grace is over.
    pub(crate) fn run(mut self) {
        let mut backoff = Backoff::new(&self.config.node);
        let mut link: Option<Link> = None;
        let mut jobs = Vec::new();
        loop {
            if jobs.is_empty() {
                // Whoever is away sees whether Redis is back, with nothing to publish too: a node is not ready
                // meanwhile, and may be given nothing to do for it.
                match self.queue.take(CALLS, !self.watch.away()) {
                    Some(taken) => jobs = taken,
                    None => return,
                }
            }
            let sent = match &mut link {
                Some(_) if jobs.is_empty() => Ok(Vec::new()),
                Some(link) => self.send(link, &jobs).map_err(|error| error.to_string()),
                None => match Link::open(&self.routes, self.partitions[0], Duration::ZERO) {
                    Ok(opened) => {
                        link = Some(opened);
                        continue;
                    }
                    Err(error) => Err(error.to_string()),
                },
            };
            let trouble = match sent {
                Ok(outcomes) => {
                    let mut outcomes = outcomes.into_iter();
                    let mut said = None;
                    jobs.retain(|job| match outcomes.next() {
                        Some(Outcome::Again(why)) => {
                            said.get_or_insert(why);
                            true
                        }
                        _ => {
                            self.queue.done(job);
                            false
                        }
                    });
                    said.map(|why| format!("Redis takes no entries: {why}"))
                }
                Err(error) => Some(error),
            };
            match trouble {
                None => {
                    backoff.reset();
                    self.watch.back();
                    for scope in self.queue.take_behind() {
                        self.sink.note(Note::Behind {
                            scope,
                            watermark: 0,
                        });
                    }
                }
                Some(why) => {
                    self.figures.failures.fetch_add(1, Ordering::Relaxed);
                    self.watch.lost(&why);
                    // Opened anew, so that the functions are there, and it leads to where the keys are.
                    link = None;
                    self.forget_ephemeral(&mut jobs);
                    if !self.queue.pause(backoff.pause()) {
                        return;
                    }
                }
            }
        }
    }

    /// Whether they were taken is not known, and twice is worse than never.
    fn forget_ephemeral(&self, jobs: &mut Vec<Job>) {
        jobs.retain(|job| {
            let keep = !matches!(job, Job::Publish(run) if run.ephemeral());
            if !keep {
                self.queue.done(job);
                self.figures.dropped.fetch_add(1, Ordering::Relaxed);
            }
            keep
        });
    }

    fn send(&self, link: &mut Link, jobs: &[Job]) -> redis::RedisResult<Vec<Outcome>> {
        let mut pipeline = Pipeline::with_capacity(jobs.len());
        let mut calls = Vec::with_capacity(jobs.len());
        for job in jobs {
            let before = pipeline.len();
            match job {
                Job::Publish(run) => self.publish(&mut pipeline, run),
                Job::Register { node, scopes, .. } => self.register(&mut pipeline, node, scopes),
                Job::Begin {
                    scope,
                    after,
                    over_hole,
                } => {
                    pipeline
                        .cmd("FCALL")
                        .arg("tocsin_bus_2_begin")
                        .arg(1)
                        .arg(self.names.watermark(*scope))
                        .arg(*after)
                        .arg(u8::from(*over_hole))
                        .arg(millis(self.config.watermark_ttl));
                }
            }
            calls.push(pipeline.len() - before);
        }
        let mut answers = link.ask_all(&pipeline)?.into_iter();
        Ok(jobs
            .iter()
            .zip(calls)
            .map(|(job, calls)| {
                let answers: Vec<_> = answers.by_ref().take(calls).collect();
                match job {
                    Job::Publish(run) => self.published(run, answers.first()),
                    Job::Register { ticket, .. } => self.registered(*ticket, &answers),
                    Job::Begin { .. } => match answers.first() {
                        Some(Value::Int(_)) => Outcome::Done,
                        other => self.again(other),
                    },
                }
            })
            .collect())
    }

    fn publish(&self, pipeline: &mut Pipeline, run: &Run) {
        let partition = self.names.partition(run.scope);
        let call = pipeline.cmd("FCALL").arg("tocsin_bus_2_publish");
        call.arg(1 + run.interests.len())
            .arg(self.names.watermark(run.scope));
        for interest in &run.interests {
            call.arg(self.names.interest(partition, *interest));
        }
        call.arg(self.names.inboxes(partition))
            .arg(run.first)
            .arg(self.config.inbox_max_entries)
            .arg(millis(self.config.watermark_ttl));
        for entry in &run.entries {
            call.arg(entry.as_slice());
        }
    }

    /// One call per partition that has any of the scopes, of which users are in all; one call if there are none, to see
    /// that the inbox is there.
    fn register(&self, pipeline: &mut Pipeline, node: &str, scopes: &[tocsin_bus::Scope]) {
        for &partition in &self.partitions {
            let interests: Vec<_> = scopes
                .iter()
                .filter(|scope| {
                    scope.kind == USER_SCOPE || self.names.partition(**scope) == partition
                })
                .map(|scope| self.names.interest(partition, *scope))
                .collect();
            if interests.is_empty() && !(scopes.is_empty() && partition == self.partitions[0]) {
                continue;
            }
            let call = pipeline.cmd("FCALL").arg("tocsin_bus_2_register");
            call.arg(1 + interests.len())
                .arg(self.names.inboxes(partition) + node);
            for interest in interests {
                call.arg(interest);
            }
            call.arg(node);
        }
    }

    fn published(&self, run: &Run, answer: Option<&Value>) -> Outcome {
        let numbers = match answer {
            Some(Value::Array(numbers)) => numbers.as_slice(),
            other => return self.again(other),
        };
        let [Value::Int(new), Value::Int(watermark)] = numbers else {
            return self.again(answer);
        };
        let count = run.entries.len() as u64;
        match u64::try_from(*new) {
            Ok(new) => {
                self.figures.published.fetch_add(new, Ordering::Relaxed);
                let repeated = count.saturating_sub(new);
                self.figures.repeated.fetch_add(repeated, Ordering::Relaxed);
            }
            Err(_) => {
                self.figures.refused.fetch_add(count, Ordering::Relaxed);
                self.sink.note(Note::Behind {
                    scope: run.scope,
                    watermark: u64::try_from(*watermark).unwrap_or(0),
                });
            }
        }
        Outcome::Done
    }

    fn again(&self, answer: Option<&Value>) -> Outcome {
        let Some(Value::ServerError(error)) = answer else {
            return Outcome::Again("an answer that makes no sense".to_owned());
        };
        if FULL.contains(&error.code()) {
            self.figures.full.fetch_add(1, Ordering::Relaxed);
        }
        Outcome::Again(format!(
            "{} {}",
            error.code(),
            error.details().unwrap_or_default()
        ))
    }

    fn registered(&self, ticket: u64, answers: &[Value]) -> Outcome {
        let no_number = |answer: &&Value| !matches!(answer, Value::Int(_));
        if let Some(other) = answers.iter().find(no_number) {
            return self.again(Some(other));
        }
        let done = answers
            .iter()
            .all(|answer| matches!(answer, Value::Int(number) if *number >= 0));
        if let Some(done) = self.registrations.answer(ticket, done) {
            self.sink.note(Note::Registered { ticket, done });
        }
        Outcome::Done
    }
}
