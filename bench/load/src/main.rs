//! tocsin-load: `gateway` puts load on a server and measures it; `floor` is the cheapest server there can be.
//!
//! One thread, one epoll. Results are one JSON object on stdout; see `bench/README.md` for the method.

mod args;
mod connection;
mod dispatch;
mod etf;
mod flap;
mod fleet;
mod floor;
mod frame;
mod histogram;
mod live;
mod process;
mod publisher;
mod roam;
mod steps;
mod stream;
mod window;

use std::process::ExitCode;

const USAGE: &str = "\
tocsin-load floor [--bytes 336]
    Accept WebSockets; for each byte on the control port, write one prebuilt frame to each with one send.
tocsin-load gateway --port P --connections N --steps LIST [options]
    --pid PID            whose CPU and memory are read
    --control PORT       publish by one byte each to this port (floor, peers and bench/host.py)
    --http PORT --channel ID,ID --author TOKEN   publish by POST of messages to these channels in turn
    --post-path PATH --post-body JSON         or of this to there
    --protocol discord|plain    default discord
    --path / --hello TEXT --opens-with TEXT   with plain: what to ask for, what to send first, what answer to wait for
    --encoding json|etf --compress none|zlib-stream|zstd-stream
    --token load-{n}     token of connection n, counted from 1; --tokens M starts again after M
    --offers FILE        ports of nodes: sessions that op 7 or an end sends away resume at these, in turn
    --intents 33281 --guilds 1 --in-flight 128 --sources 8 --content-bytes 40
  steps, separated by commas:
    cycle:COUNT  churn:COUNT  hold:COUNT  beats:RATE  connect  identify  beat  idle:SECONDS  closed:WINDOW:SECONDS  open:RATE:SECONDS  drop  publish:COUNT  resume
    flap:RATE:RETURNS:SECONDS   change so many statuses a second; so many sessions a second end and begin anew
    look:FIRST          sessions from FIRST on look at --guild ID and the member list of --channel
    lost                until the server has ended all connections; at:PORT  connect there from now on
    pause               until a byte comes on standard input; hear  the same, and how late messages of another
                        process come meanwhile
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let outcome = match words.next().as_deref() {
        Some("floor") => args::Args::parse(words).and_then(|args| floor::run(&args)),
        Some("gateway") => args::Args::parse(words).and_then(|args| steps::run(&args)),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tocsin-load: {error}");
            ExitCode::FAILURE
        }
    }
}
