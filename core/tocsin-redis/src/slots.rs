//! Slots of a Redis Cluster: which one a key has, and which master has which.

use redis::Value;

const SLOTS: u16 = 16_384;

/// The slot of a key: the CRC-16 (XMODEM) of its hash tag, or of all of it (Redis Cluster specification).
pub(crate) fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| {
        let (tag, _) = rest.split_once('}')?;
        (!tag.is_empty()).then_some(tag)
    });
    let crc = tag.unwrap_or(key).bytes().fold(0, |crc: u16, octet| {
        (0..8).fold(crc ^ u16::from(octet) << 8, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    });
    crc % SLOTS
}

/// Whether a member that answers CLUSTER NODES so is giving a slot away, or getting it.
pub(crate) fn moves(nodes: &[u8], slot: u16) -> bool {
    let nodes = String::from_utf8_lossy(nodes);
    let own = nodes.lines().find(|line| line.contains("myself"));
    own.is_some_and(|line| {
        let mut words = line.split_whitespace();
        words.any(|word| {
            let moving = word.strip_prefix('[').and_then(|word| word.split_once('-'));
            moving.is_some_and(|(number, _)| number.parse() == Ok(slot))
        })
    })
}

/// A member's host and port; no host: the one that was asked.
pub(crate) type Address = (Option<String>, u16);

/// What a member of a cluster knows of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    /// First slot, last slot and their master.
    ranges: Vec<(u16, u16, Address)>,
    /// Masters and replicas.
    pub(crate) members: Vec<Address>,
}

impl Map {
    /// Reads the answer to CLUSTER SLOTS; `None`: it is none.
    pub(crate) fn read(answer: Value) -> Option<Self> {
        let Value::Array(ranges) = answer else {
            return None;
        };
        let mut map = Self::default();
        for range in ranges {
            let Value::Array(parts) = range else {
                return None;
            };
            let mut parts = parts.into_iter();
            let (first, last) = (number(parts.next()?)?, number(parts.next()?)?);
            let mut members = parts.map(address);
            let master = members.next()??;
            for member in std::iter::once(Some(master.clone())).chain(members) {
                let member = member?;
                if !map.members.contains(&member) {
                    map.members.push(member);
                }
            }
            map.ranges.push((first, last, master));
        }
        Some(map)
    }

    /// The master of a slot, if it has one.
    pub(crate) fn master(&self, slot: u16) -> Option<&Address> {
        let mut ranges = self.ranges.iter();
        let range = ranges.find(|(first, last, _)| (*first..=*last).contains(&slot))?;
        Some(&range.2)
    }
}

fn number(value: Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(number).ok(),
        _ => None,
    }
}

fn address(value: Value) -> Option<Address> {
    let Value::Array(parts) = value else {
        return None;
    };
    let mut parts = parts.into_iter();
    let host = match parts.next()? {
        Value::BulkString(host) => String::from_utf8(host).ok()?,
        // It does not know under which it is known.
        Value::Nil => String::new(),
        _ => return None,
    };
    let host = (!host.is_empty()).then_some(host);
    Some((host, number(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_moves_is_told_by_the_member_that_gives_or_gets_it() {
        let nodes = b"07c3 127.0.0.1:30004@31004 slave e7d1 0 1426238317239 4 connected\n\
            e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 [93->-292f] [77-<-67ed]\n\
            67ed 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922 [95->-292f]\n";
        let moving: Vec<_> = (0..200).filter(|&slot| moves(nodes, slot)).collect();
        assert_eq!(moving, [77, 93]);
        assert!(!moves(b"", 93) && !moves(b"\xff myself [x", 93));
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn member(host: Value, port: i64) -> Value {
        Value::Array(vec![
            host,
            Value::Int(port),
            text("id"),
            Value::Array(vec![]),
        ])
    }

    #[test]
    fn slots_are_those_that_redis_computes() {
        // The specification's check value, and CLUSTER KEYSLOT's answers.
        assert_eq!(slot_of("123456789"), 0x31c3);
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(slot_of("a{foo}b"), 12_182);
        assert_eq!(slot_of("{foo}{bar}"), 12_182);
        assert_ne!(slot_of("{}foo"), 12_182);
        assert_eq!(slot_of("x{foo"), slot_of("x{foo"));
    }

    #[test]
    fn a_slots_master_is_the_first_of_its_range() {
        let host = || text("10.0.0.1");
        let answer = Value::Array(vec![
            Value::Array(vec![
                Value::Int(0),
                Value::Int(99),
                member(host(), 7),
                member(host(), 8),
            ]),
            Value::Array(vec![
                Value::Int(100),
                Value::Int(100),
                member(Value::Nil, 9),
            ]),
        ]);
        let map = Map::read(answer).expect("a map");
        assert_eq!(map.master(99), Some(&(Some("10.0.0.1".to_owned()), 7)));
        assert_eq!(map.master(100), Some(&(None, 9)));
        assert_eq!(map.master(101), None);
        assert_eq!(map.members.len(), 3);
    }

    #[test]
    fn what_is_no_map_is_none() {
        let range = |parts: Vec<Value>| Value::Array(vec![Value::Array(parts)]);
        for answer in [
            Value::Nil,
            text("x"),
            range(vec![]),
            range(vec![
                Value::Int(0),
                Value::Int(99_999),
                member(text("h"), 7),
            ]),
            range(vec![Value::Int(0), Value::Int(9)]),
            range(vec![Value::Int(0), Value::Int(9), text("h")]),
            range(vec![Value::Int(0), Value::Int(9), member(text("h"), -1)]),
        ] {
            assert_eq!(Map::read(answer), None);
        }
        assert_eq!(Map::read(Value::Array(vec![])), Some(Map::default()));
    }
}
