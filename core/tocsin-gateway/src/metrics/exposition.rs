//! The Prometheus text of a gateway's counters.

use std::fmt::Write as _;

use crate::histogram::{COUNT, SECONDS, Times, samples};
use crate::host::HostQueue;
use crate::mailbox::Mailbox;
use crate::message::WorkerMessage;

use super::{
    CLOSE_CODES, Counter, END_REASONS, Metrics, OPCODES, RESUME_NAMES, WorkerMetrics, close_name,
};

/// A figure of one worker.
type Pick = fn(&WorkerMetrics) -> &Counter;
/// Times of one worker.
type PickTimes = fn(&WorkerMetrics) -> &Times;

/// Times of the workers.
const TIMES: [(&str, &str, PickTimes); 4] = [
    (
        "tocsin_worker_wait_seconds",
        "From the dispatcher's orders for a worker to their taking",
        |w| &w.waits,
    ),
    (
        "tocsin_worker_turn_seconds",
        "A worker's turn: sockets, orders, timers, writes",
        |w| &w.turns,
    ),
    (
        "tocsin_worker_write_seconds",
        "Giving a turn's events to sessions and writing what waits",
        |w| &w.writing,
    ),
    (
        "tocsin_fanout_seconds",
        "From the dispatcher's taking an event to the last worker having written it",
        |w| &w.fanout,
    ),
];

const TOTALS: [(&str, &str, &str, Pick); 14] = [
    (
        "tocsin_connections",
        "gauge",
        "Open WebSocket and half-open connections",
        |w| &w.connections,
    ),
    (
        "tocsin_sessions",
        "gauge",
        "Accepted sessions, attached or detached",
        |w| &w.sessions,
    ),
    (
        "tocsin_detached_sessions",
        "gauge",
        "Sessions without a connection, resumable",
        |w| &w.detached,
    ),
    (
        "tocsin_accepts_total",
        "counter",
        "Accepted TCP connections",
        |w| &w.accepted,
    ),
    (
        "tocsin_refused_connections_total",
        "counter",
        "Connections refused at the limit",
        |w| &w.refused,
    ),
    (
        "tocsin_accept_failures_total",
        "counter",
        "Times that accepting failed for want of descriptors or memory",
        |w| &w.accept_failures,
    ),
    (
        "tocsin_dispatches_total",
        "counter",
        "Events given to sessions",
        |w| &w.dispatches,
    ),
    (
        "tocsin_frames_in_total",
        "counter",
        "Messages and control frames received",
        |w| &w.frames_in,
    ),
    (
        "tocsin_writes_total",
        "counter",
        "Write system calls on sockets",
        |w| &w.writes,
    ),
    (
        "tocsin_slow_clients_total",
        "counter",
        "Connections closed over their outbound limit",
        |w| &w.slow_clients,
    ),
    (
        "tocsin_broken_streams_total",
        "counter",
        "Connections closed because their compressed stream failed",
        |w| &w.broken_streams,
    ),
    (
        "tocsin_zombies_total",
        "counter",
        "Connections closed for missing heartbeats",
        |w| &w.zombies,
    ),
    (
        "tocsin_panics_total",
        "counter",
        "Panics contained in workers",
        |w| &w.panics,
    ),
    (
        "tocsin_postponed_connections",
        "gauge",
        "Connections with output of a large fan-out that wait for another turn",
        |w| &w.postponed,
    ),
];

impl Metrics {
    /// The sum of one figure over the workers.
    pub(crate) fn sum(&self, pick: Pick) -> u64 {
        self.workers
            .iter()
            .fold(0, |sum, w| sum.wrapping_add(pick(w).get()))
    }

    /// The whole in Prometheus text exposition.
    pub(crate) fn text(&self, host: &HostQueue, passages_lost: u64) -> String {
        let mut out = String::with_capacity(16_384);
        for (name, kind, help, pick) in TOTALS {
            head(&mut out, name, kind, help);
            line(&mut out, name, "", self.sum(pick));
        }
        head(
            &mut out,
            "tocsin_bytes_total",
            "counter",
            "Bytes on client sockets",
        );
        line(
            &mut out,
            "tocsin_bytes_total",
            "{direction=\"in\"}",
            self.sum(|w| &w.bytes_in),
        );
        line(
            &mut out,
            "tocsin_bytes_total",
            "{direction=\"out\"}",
            self.sum(|w| &w.bytes_out),
        );
        self.labelled(&mut out);
        let d = &self.dispatcher;
        let rest = [
            (
                "tocsin_batches_total",
                "counter",
                "Command batches taken by the dispatcher",
                d.batches.get(),
            ),
            (
                "tocsin_batch_commands_total",
                "counter",
                "Commands in those batches",
                d.commands.get(),
            ),
            (
                "tocsin_events_total",
                "counter",
                "Events sequenced by the dispatcher",
                d.events.get(),
            ),
            (
                "tocsin_held_events",
                "gauge",
                "Events that wait for a policy",
                d.held.get(),
            ),
            (
                "tocsin_duplicate_events_total",
                "counter",
                "Events dropped as already seen",
                d.duplicates.get(),
            ),
            (
                "tocsin_sequence_gaps_total",
                "counter",
                "Gaps seen in scope sequences",
                d.gaps.get(),
            ),
            (
                "tocsin_held_overflows_total",
                "counter",
                "Events dropped because too many waited for a policy",
                d.overflows.get(),
            ),
            (
                "tocsin_dispatcher_panics_total",
                "counter",
                "Panics contained in the dispatcher",
                d.panics.get(),
            ),
            (
                "tocsin_dispatcher_queue_items",
                "gauge",
                "Items waiting for the dispatcher",
                d.queue.get(),
            ),
            (
                "tocsin_host_queue_requests",
                "gauge",
                "Requests waiting for the control plane",
                host.len() as u64,
            ),
            (
                "tocsin_host_refused_total",
                "counter",
                "Requests refused by a full host queue",
                host.refused(),
            ),
            (
                "tocsin_passages_lost_total",
                "counter",
                "Traced events whose times found no room",
                passages_lost,
            ),
        ];
        for (name, kind, help, value) in rest {
            head(&mut out, name, kind, help);
            line(&mut out, name, "", value);
        }
        self.histograms(&mut out, host);
        out
    }

    fn histograms(&self, out: &mut String, host: &HostQueue) {
        for (name, help, pick) in TIMES {
            head(out, name, "histogram", help);
            samples(out, name, SECONDS, self.workers.iter().map(pick));
        }
        for (name, help, times) in [
            (
                "tocsin_dispatcher_wait_seconds",
                "From the oldest item of the dispatcher's queue to its taking",
                &self.dispatcher.waits,
            ),
            (
                "tocsin_host_wait_seconds",
                "From the wake-up of the control plane to its taking requests",
                host.waits(),
            ),
        ] {
            head(out, name, "histogram", help);
            samples(out, name, SECONDS, std::iter::once(times));
        }
        let name = "tocsin_event_receivers";
        head(
            out,
            name,
            "histogram",
            "Sessions that an event was given to",
        );
        let receivers = self.workers.iter().map(|w| &w.receivers);
        samples(out, name, COUNT, receivers);
    }

    fn labelled(&self, out: &mut String) {
        head(
            out,
            "tocsin_commands_total",
            "counter",
            "Commands received by opcode",
        );
        for op in 0..=OPCODES {
            let value = self.workers.iter().map(|w| w.ops.0[op].get()).sum();
            if value != 0 {
                let label = if op == OPCODES {
                    "unknown".to_owned()
                } else {
                    op.to_string()
                };
                line(
                    out,
                    "tocsin_commands_total",
                    &format!("{{op=\"{label}\"}}"),
                    value,
                );
            }
        }
        head(
            out,
            "tocsin_closes_total",
            "counter",
            "Ended connections by close code",
        );
        for slot in 0..CLOSE_CODES {
            let value = self.workers.iter().map(|w| w.closes.0[slot].get()).sum();
            if value != 0 {
                line(
                    out,
                    "tocsin_closes_total",
                    &format!("{{code=\"{}\"}}", close_name(slot)),
                    value,
                );
            }
        }
        let name = "tocsin_session_ends_total";
        head(out, name, "counter", "Sessions that ended by why");
        for (slot, reason) in END_REASONS.iter().enumerate() {
            let value = self.workers.iter().map(|w| w.ends[slot].get()).sum();
            line(out, name, &format!("{{reason=\"{reason}\"}}"), value);
        }
        head(out, "tocsin_resumes_total", "counter", "Resumes by outcome");
        for (slot, name) in RESUME_NAMES.iter().enumerate() {
            let value = self.workers.iter().map(|w| w.resumes[slot].get()).sum();
            line(
                out,
                "tocsin_resumes_total",
                &format!("{{outcome=\"{name}\"}}"),
                value,
            );
        }
    }
}

/// What waits for each worker.
pub(crate) fn mailboxes(out: &mut String, mailboxes: &[Mailbox<WorkerMessage>]) {
    let name = "tocsin_worker_queue_messages";
    head(out, name, "gauge", "Messages waiting for a worker");
    for (worker, mailbox) in mailboxes.iter().enumerate() {
        let labels = format!("{{worker=\"{worker}\"}}");
        line(out, name, &labels, mailbox.len() as u64);
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "{name}{labels} {value}");
}
