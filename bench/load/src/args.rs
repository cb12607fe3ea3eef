//! Args: `--name value` pairs.

use std::collections::HashMap;
use std::io;
use std::str::FromStr;

/// The flags of a run.
pub(crate) struct Args(HashMap<String, String>);

/// An error that ends the run with a sentence.
pub(crate) fn fail(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

impl Args {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> io::Result<Self> {
        let mut words = words;
        let mut flags = HashMap::new();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or_else(|| fail(format!("{word}: not a flag")))?;
            let value = words
                .next()
                .ok_or_else(|| fail(format!("--{name}: needs a value")))?;
            flags.insert(name.to_owned(), value);
        }
        Ok(Self(flags))
    }

    pub(crate) fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str, default: T) -> io::Result<T> {
        match self.0.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| fail(format!("--{name}: {text} is no number"))),
        }
    }
}
