//! Etf: the two commands an ETF client of this generator sends.

fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(109);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn map(out: &mut Vec<u8>, pairs: u32) {
    out.push(116);
    out.extend_from_slice(&pairs.to_be_bytes());
}

fn integer(out: &mut Vec<u8>, value: u32) {
    out.push(98);
    out.extend_from_slice(&value.to_be_bytes());
}

/// Op 2.
pub(crate) fn identify(token: &str, intents: u32, large_threshold: u8) -> Vec<u8> {
    let mut out = vec![131];
    map(&mut out, 2);
    binary(&mut out, b"op");
    out.extend_from_slice(&[97, 2]);
    binary(&mut out, b"d");
    map(&mut out, 4);
    binary(&mut out, b"token");
    binary(&mut out, token.as_bytes());
    binary(&mut out, b"intents");
    integer(&mut out, intents);
    binary(&mut out, b"large_threshold");
    out.extend_from_slice(&[97, large_threshold]);
    binary(&mut out, b"properties");
    map(&mut out, 0);
    out
}

/// Op 1 with a sequence.
pub(crate) fn heartbeat(seq: u32) -> Vec<u8> {
    let mut out = vec![131];
    map(&mut out, 2);
    binary(&mut out, b"op");
    out.extend_from_slice(&[97, 1]);
    binary(&mut out, b"d");
    integer(&mut out, seq);
    out
}
