//! `Links`: the heir's connections, one for each lane of partitions.

use std::time::Duration;

use crate::error::BusError;
use crate::link::Link;
use crate::routes::Routes;

/// The ways to all partitions.
pub(crate) struct Links {
    /// The lane of each partition.
    lanes: Vec<usize>,
    links: Vec<Link>,
    /// Stands for the Redis of all of them.
    pub(crate) redis: u32,
}

impl Links {
    /// Connects to all of them, or to none.
    pub(crate) fn open(routes: &Routes) -> Result<Self, BusError> {
        let mut lanes = vec![0; routes.names.partitions() as usize];
        let (mut links, mut redis) = (Vec::new(), 0_u32);
        for lane in routes.lanes() {
            for &partition in &lane {
                lanes[partition as usize] = links.len();
            }
            let link = Link::open(routes, lane[0], Duration::ZERO)?;
            redis = redis.wrapping_add(link.identity.digest(lane[0]));
            links.push(link);
        }
        Ok(Self {
            lanes,
            links,
            redis,
        })
    }

    /// To a partition.
    pub(crate) fn to(&mut self, partition: u32) -> &mut Link {
        &mut self.links[self.lanes[partition as usize]]
    }

    /// To where journals and owners are.
    pub(crate) fn first(&mut self) -> &mut Link {
        self.to(0)
    }
}
