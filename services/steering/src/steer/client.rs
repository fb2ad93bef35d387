//! A client as the fleet sees it: what covers its address, its AS, where it may be, and with it the
//! tier of every appliance.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::fleet::{Announcement, Appliance, ApplianceNo, Fleet, NO_PLACE, nearest};

use super::tier::{NONE, Tier};

/// What a client's position was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// From who announces the longest prefix that covers it.
    Prefix,
    /// From the appliances in its AS.
    As,
    /// From nothing: it has none.
    None,
}

/// A client and the tier of every appliance for it.
#[derive(Debug)]
pub struct Client<'f> {
    pub(super) fleet: &'f Fleet,
    /// Its address; IPv4 inside IPv6 is unwrapped.
    pub ip: IpAddr,
    /// Announced prefixes that cover it, longest first.
    pub covering: Vec<Announcement<'f>>,
    /// Its AS.
    pub asn: Option<u32>,
    /// What its position was taken from.
    pub origin: Origin,
    /// Places it is taken to be at; the nearest of them counts.
    pub at: Vec<u16>,
    /// A tier's code by appliance, [`NONE`] for those that may not serve.
    codes: Vec<u8>,
    /// The same, for those that may not serve as well.
    near: Option<Cow<'f, [u8]>>,
}

impl Fleet {
    /// The client at `ip`.
    pub fn client(&self, ip: IpAddr) -> Client<'_> {
        let ip = ip.to_canonical();
        let covering = self.routes.covering(ip);
        let asn = self.asn.lookup(ip);
        let system = asn.and_then(|asn| self.roster.system(asn));
        // Health says nothing about where somebody is: appliances that are down count here.
        let mut at = Vec::new();
        for no in covering.first().into_iter().flat_map(|announced| announced.by.iter()) {
            let place = self.roster.place(no);
            if place != NO_PLACE && !at.contains(&place) {
                at.push(place);
            }
        }
        let near = if at.is_empty() {
            let system = system.filter(|system| !system.at.is_empty());
            system.map(|system| (Origin::As, Cow::Borrowed(&system.near[..])))
        } else {
            Some((
                Origin::Prefix,
                match at[..] {
                    [one] => Cow::Borrowed(self.roster.places().bands(one)),
                    _ => Cow::Owned(nearest(&at, self.roster.places())),
                },
            ))
        };
        let (origin, near) = near.map_or((Origin::None, None), |(o, near)| (o, Some(near)));
        if let (Origin::As, Some(system)) = (origin, system) {
            at.clone_from(&system.at);
        }
        let mut client =
            Client { fleet: self, ip, covering, asn, origin, at, codes: Vec::new(), near };
        client.codes = client.codes();
        client
    }
}

impl<'f> Client<'f> {
    /// Appliance `no`.
    pub fn appliance(&self, no: ApplianceNo) -> &'f Appliance {
        self.fleet.roster.appliance(no)
    }
}

impl Client<'_> {
    /// The tier of appliance `no`, whether or not it may serve.
    pub fn tier(&self, no: ApplianceNo) -> Tier {
        let announced = self.covering.iter().find(|announced| announced.by.contains(no));
        if let Some(announced) = announced {
            return Tier::prefix(announced.prefix.prefix_len());
        }
        let report = self.fleet.roster.appliance(no).report.as_ref();
        if self.asn.is_some() && report.and_then(|report| report.asn) == self.asn {
            return Tier::System;
        }
        Tier::of(distance(self.near.as_deref(), self.fleet.roster.place(no)))
    }

    pub(super) fn code(&self, no: ApplianceNo) -> u8 {
        self.codes[usize::from(no)]
    }

    /// From the farthest tier to the nearest, so that the nearest stays.
    fn codes(&self) -> Vec<u8> {
        let roster = &self.fleet.roster;
        let near = self.near.as_deref();
        let of = |(fault, place): (Option<_>, u16)| {
            if fault.is_some() { NONE } else { distance(near, place) }
        };
        let mut codes: Vec<u8> = roster.faults_and_places().map(of).collect();
        let mut set = |no: ApplianceNo, tier: Tier| {
            let code = &mut codes[usize::from(no)];
            if *code != NONE {
                *code = tier.code();
            }
        };
        let system = self.asn.and_then(|asn| roster.system(asn));
        for no in system.into_iter().flat_map(|system| &system.appliances) {
            set(*no, Tier::System);
        }
        for announced in self.covering.iter().rev() {
            for no in announced.by.iter() {
                set(no, Tier::prefix(announced.prefix.prefix_len()));
            }
        }
        codes
    }
}

/// The code of the tier of an appliance at `place` that only distance speaks for.
fn distance(near: Option<&[u8]>, place: u16) -> u8 {
    let band = near.and_then(|near| near.get(usize::from(place)));
    band.map_or(Tier::Anywhere, |band| Tier::Near(*band)).code()
}
