//! Writes what connections would be sent, with what it must decode to, for decoders in other languages to compare.
//!
//! `cargo run --release -p tocsin-compress --example dump_streams -- --transport zlib|zstd --payloads N
//! --connections K --out DIR [--compression shared|connection] [--seed N]`
//!
//! `DIR/<n>.stream` holds, for each message, its length as a big-endian u32 and its octets; `DIR/<n>.expect` the same
//! for the payloads. Between them, N payloads are written.

#[path = "../tests/support/traffic.rs"]
mod traffic;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tocsin_compress::{Compression, Compressor, Packed, SharedBodies, Spliced, Transport};
use traffic::{Dice, Traffic};

const GUILDS: u64 = 5;
const USAGE: &str = "--transport zlib|zstd --payloads N --connections K --out DIR \
                     [--compression shared|connection] [--seed N]";

struct Options {
    transport: Transport,
    compression: Compression,
    payloads: u64,
    connections: u64,
    seed: u64,
    out: PathBuf,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            transport: Transport::ZlibStream,
            compression: Compression::Shared,
            payloads: 1_000,
            connections: 10,
            seed: 1,
            out: PathBuf::new(),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next()?;
            match name.as_str() {
                "--transport" => {
                    options.transport = Transport::from_name(&format!("{value}-stream"))?
                }
                "--compression" => options.compression = Compression::from_name(&value)?,
                "--payloads" => options.payloads = value.parse().ok()?,
                "--connections" => options.connections = value.parse().ok()?,
                "--seed" => options.seed = value.parse().ok()?,
                "--out" => options.out = value.into(),
                _ => return None,
            }
        }
        let enough = options.connections > 0 && !options.out.as_os_str().is_empty();
        enough.then_some(options)
    }
}

/// A connection, and the files of what it is sent.
struct Connection {
    compressor: Compressor,
    stream: BufWriter<File>,
    expect: BufWriter<File>,
    s: u64,
    /// Of 100 events of its guilds it gets so many.
    share: u64,
    guilds: u64,
    form: usize,
}

impl Connection {
    fn open(options: &Options, number: u64, dice: &mut Dice) -> io::Result<Self> {
        let file = |kind| {
            let path = options.out.join(format!("{number}.{kind}"));
            Ok::<_, io::Error>(BufWriter::new(File::create(path)?))
        };
        Ok(Self {
            compressor: Compressor::new(options.transport, options.compression, false),
            stream: file("stream")?,
            expect: file("expect")?,
            s: [0, 7, 95, 990, 9_900, 99_900][dice.below(6) as usize],
            share: [100, 100, 80, 30][dice.below(4) as usize],
            guilds: 1 | dice.below(1 << GUILDS),
            // Text only: decoders hand out text.
            form: dice.below(3) as usize,
        })
    }

    fn head(&mut self) -> Vec<u8> {
        self.s += 1;
        format!("{{\"s\":{},", self.s).into_bytes()
    }

    fn write(&mut self, message: &[u8], payload: &[&[u8]]) -> io::Result<()> {
        let payload = payload.concat();
        for (file, octets) in [(&mut self.stream, message), (&mut self.expect, &payload)] {
            file.write_all(&(octets.len() as u32).to_be_bytes())?;
            file.write_all(octets)?;
        }
        Ok(())
    }
}

/// Text of this many octets, some of it of more than one octet a character; no two are alike.
fn text(dice: &mut Dice, octets: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < octets {
        text += &format!(
            "{{\"id\":\"{}\",\"ünïcode\":\"日本{}\"}},",
            dice.next(),
            dice.below(100)
        );
    }
    let mut text = text.into_bytes();
    text.truncate(octets);
    while std::str::from_utf8(&text).is_err() {
        text.pop();
    }
    text
}

fn run(options: &Options) -> io::Result<()> {
    fs::create_dir_all(&options.out)?;
    let failed = |_| io::Error::other("compression failed");
    let (mut dice, mut traffic) = (Dice(options.seed), Traffic::new(GUILDS, options.seed));
    let mut shared = SharedBodies::new(1);
    let mut connections = (0..options.connections)
        .map(|number| Connection::open(options, number, &mut dice))
        .collect::<io::Result<Vec<_>>>()?;
    let members = text(&mut dice, 150_000);
    let packed = Packed::default();
    let mut out = Vec::new();
    let mut written = 0;
    'all: while written < options.payloads {
        if dice.below(12) == 0 {
            let at = dice.below(options.connections) as usize;
            let length = [9, 60, 97, 900, 20_000, 33_000, 140_000, 0][dice.below(8) as usize];
            let connection = &mut connections[at];
            out.clear();
            if length == 0 {
                let head = connection.head();
                let spliced = [Spliced {
                    bytes: &members,
                    packed: &packed,
                }];
                connection
                    .compressor
                    .compress_spliced(&mut shared, &[&head], &spliced, b"}}", &mut out)
                    .map_err(failed)?;
                connection.write(&out, &[&head, &members, b"}}"])?;
            } else {
                let payload = text(&mut dice, length);
                if length <= 60 {
                    connection
                        .compressor
                        .compress_tiny(&payload, &mut out)
                        .map_err(failed)?;
                } else {
                    connection
                        .compressor
                        .compress_private(&mut shared, &[&payload], &mut out)
                        .map_err(failed)?;
                }
                connection.write(&out, &[&payload])?;
            }
            written += 1;
        }
        let event = traffic.event();
        let scope = if dice.below(20) == 0 {
            0
        } else {
            event.guild + 1
        };
        shared.begin(scope, dice.below(10) != 0);
        let forms: Vec<Vec<u8>> = (0..3).map(|form| event.variant(form)).collect();
        for connection in &mut connections {
            if connection.guilds >> event.guild & 1 == 0 || dice.below(100) >= connection.share {
                continue;
            }
            if written >= options.payloads {
                break 'all;
            }
            let (head, form) = (connection.head(), connection.form);
            out.clear();
            connection
                .compressor
                .compress_shared(&mut shared, form, &head, &forms[form], &mut out)
                .map_err(failed)?;
            connection.write(&out, &[&head, &forms[form]])?;
            written += 1;
        }
    }
    connections.iter_mut().try_for_each(|connection| {
        connection.stream.flush()?;
        connection.expect.flush()
    })
}

#[allow(clippy::print_stderr, reason = "a command's own words")]
fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let out: &Path = &options.out;
            eprintln!("{}: {error}", out.display());
            ExitCode::FAILURE
        }
    }
}
