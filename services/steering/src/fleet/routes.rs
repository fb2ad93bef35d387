//! Announced prefixes: longest match, and a change that copies one shard of many.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::{Prefix, PrefixMap};

use super::set::{ApplianceNo, ApplianceSet};

type Trie<P> = PrefixMap<P, ApplianceSet>;

/// Shards of each family.
const SHARDS: usize = 4096;

/// Announced prefixes and who announces each. A clone shares everything; what is changed afterwards
/// is copied first, shard by shard.
#[derive(Clone, Default)]
pub struct Routes {
    v4: Shards<Ipv4Net>,
    v6: Shards<Ipv6Net>,
}

/// A prefix that covers an address, and who announces it.
#[derive(Debug, Clone, Copy)]
pub struct Announcement<'r> {
    /// The prefix.
    pub prefix: IpNet,
    /// Who announces it.
    pub by: &'r ApplianceSet,
}

impl Routes {
    /// Adds an announcement; whether it is news. Bits behind the prefix's length are ignored.
    pub fn announce(&mut self, prefix: IpNet, by: ApplianceNo) -> bool {
        match prefix {
            IpNet::V4(net) => self.v4.insert(net.trunc(), by),
            IpNet::V6(net) => self.v6.insert(net.trunc(), by),
        }
    }

    /// Removes an announcement; whether it was there.
    pub fn withdraw(&mut self, prefix: IpNet, by: ApplianceNo) -> bool {
        match prefix {
            IpNet::V4(net) => self.v4.remove(net.trunc(), by),
            IpNet::V6(net) => self.v6.remove(net.trunc(), by),
        }
    }

    /// Every announced prefix that covers `address`, longest first.
    pub fn covering(&self, address: IpAddr) -> Vec<Announcement<'_>> {
        let mut found = Vec::new();
        match address {
            IpAddr::V4(ip) => self.v4.cover(ip.into(), |p, by| {
                found.push(Announcement { prefix: p.into(), by });
            }),
            IpAddr::V6(ip) => self.v6.cover(ip.into(), |p, by| {
                found.push(Announcement { prefix: p.into(), by });
            }),
        }
        found.reverse();
        found
    }

    /// How many prefixes are announced.
    pub fn prefixes(&self) -> usize {
        self.v4.prefixes + self.v6.prefixes
    }

    /// Bytes taken, the allocator's own needs aside.
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("prefixes", &self.prefixes()).finish_non_exhaustive()
    }
}

/// How a family is cut into shards.
trait Family: Prefix + Copy {
    /// Prefixes shorter than this are kept apart, as they would belong to many shards.
    const CUT: u8;

    /// The shard of a prefix of at least [`Self::CUT`] bits.
    fn shard(self) -> usize;
}

impl Family for Ipv4Net {
    const CUT: u8 = 12;

    fn shard(self) -> usize {
        (u32::from(self.addr()) >> (32 - Self::CUT)) as usize
    }
}

impl Family for Ipv6Net {
    const CUT: u8 = 24;

    /// Few of the first bits of IPv6 are in use, so they are mixed.
    fn shard(self) -> usize {
        let bits = (u128::from(self.addr()) >> (128 - Self::CUT)) as u32;
        (bits.wrapping_mul(0x9e37_79b9) >> 20) as usize
    }
}

/// The tries of one family.
#[derive(Clone)]
struct Shards<P> {
    short: Arc<Trie<P>>,
    long: Arc<Vec<Option<Arc<Trie<P>>>>>,
    prefixes: usize,
}

impl<P: Family> Default for Shards<P> {
    fn default() -> Self {
        Self { short: Arc::default(), long: Arc::new(vec![None; SHARDS]), prefixes: 0 }
    }
}

impl<P: Family> Shards<P> {
    fn trie(&mut self, prefix: P) -> &mut Trie<P> {
        if prefix.prefix_len() < P::CUT {
            return Arc::make_mut(&mut self.short);
        }
        let shard = &mut Arc::make_mut(&mut self.long)[prefix.shard()];
        Arc::make_mut(shard.get_or_insert_default())
    }

    fn insert(&mut self, prefix: P, by: ApplianceNo) -> bool {
        let trie = self.trie(prefix);
        let before = trie.len();
        let news = trie.entry(prefix).or_default().insert(by);
        let added = trie.len() - before;
        self.prefixes += added;
        news
    }

    fn remove(&mut self, prefix: P, by: ApplianceNo) -> bool {
        // What is not there costs no copy of a shard.
        if !self.find(prefix).is_some_and(|set| set.contains(by)) {
            return false;
        }
        let trie = self.trie(prefix);
        let set = trie.get_mut(&prefix).expect("it was found above");
        set.remove(by);
        if set.is_empty() {
            trie.remove(&prefix);
            self.prefixes -= 1;
        }
        true
    }

    fn find(&self, prefix: P) -> Option<&ApplianceSet> {
        if prefix.prefix_len() < P::CUT {
            return self.short.get(&prefix);
        }
        self.long[prefix.shard()].as_ref()?.get(&prefix)
    }

    fn cover<'a>(&'a self, host: P, mut each: impl FnMut(P, &'a ApplianceSet)) {
        self.short.cover(&host).for_each(|(prefix, by)| each(prefix, by));
        if let Some(trie) = &self.long[host.shard()] {
            trie.cover(&host).for_each(|(prefix, by)| each(prefix, by));
        }
    }

    fn bytes(&self) -> usize {
        let tries = std::iter::once(&self.short).chain(self.long.iter().flatten());
        let of = |trie: &Arc<Trie<P>>| {
            trie.mem_size() + trie.values().map(ApplianceSet::heap_bytes).sum::<usize>()
        };
        tries.map(of).sum()
    }
}
