//! Why an answer is as it is, appliance by appliance.

use serde::Serialize;
use utoipa::ToSchema;

use crate::fleet::{Appliance, ApplianceNo, ApplianceSet, BANDS_KM, Fault, file_hash};

use super::client::{Client, Origin};
use super::hash::score;
use super::rank::Nobody;
use super::tier::Tier;

/// Appliances that were not chosen, at most, in an explanation.
const OTHERS: usize = 200;

/// A place that a client is taken to be at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Place {
    /// In degrees.
    pub latitude: f64,
    /// In degrees.
    pub longitude: f64,
}

/// What an appliance is for a client and a file.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Verdict {
    /// Its id.
    pub appliance: String,
    /// Its place in the answer, from 1; not there if it was not chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Its tier: `prefix`, `as`, `near`, `anywhere`.
    pub tier: &'static str,
    /// The length of the prefix it announces, of tier `prefix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<u8>,
    /// Of tier `near`: it is less than that far away; not there for the last band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_km: Option<f64>,
    /// Its share of the files of a tier is this, of the sum of all of the tier.
    pub weight: f64,
    /// Its score for this file within the tier, lower first.
    pub score: f64,
    /// Whether it holds the file.
    pub holds_file: bool,
    /// Why it serves nobody, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Its headroom in Mbit/s, as it reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headroom_mbps: Option<f64>,
    /// When it reported last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_report_ms: Option<i64>,
    /// Its site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
}

/// Why an answer is as it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Why {
    /// The client's address.
    #[schema(value_type = String)]
    pub client_ip: std::net::IpAddr,
    /// Announced prefixes that cover it, longest first.
    pub covering: Vec<String>,
    /// Its AS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// What its position was taken from.
    pub position_from: Origin,
    /// Where it is taken to be; the nearest counts.
    pub positions: Vec<Place>,
    /// Why nobody is named, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nobody: Option<Nobody>,
    /// How many appliances hold the file.
    pub holders: usize,
    /// The chosen, in order.
    pub chosen: Vec<Verdict>,
    /// Others that hold the file or announce a covering prefix, nearest tier first, 200 at most.
    pub others: Vec<Verdict>,
}

impl Client<'_> {
    /// Explains [`Client::rank`].
    pub fn why(&self, file: &str) -> Why {
        let ranked = self.rank(file);
        let nobody = ranked.as_ref().err().copied();
        let ranked: Vec<ApplianceNo> = ranked.into_iter().flatten().map(|r| r.no).collect();
        let holders = self.fleet.files.holders(file);
        let announcers = self.covering.iter().flat_map(|announced| announced.by.iter());
        let mut others: Vec<ApplianceNo> =
            holders.into_iter().flat_map(ApplianceSet::iter).chain(announcers).collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|no| !ranked.contains(no));
        others.sort_by_cached_key(|no| self.tier(*no));
        others.truncate(OTHERS);
        let place = |no: &u16| {
            let (latitude, longitude) = self.fleet.roster.places().position(*no).degrees();
            Place { latitude, longitude }
        };
        let chosen = (1..).zip(ranked).map(|(rank, no)| self.verdict(no, file, Some(rank)));
        Why {
            client_ip: self.ip,
            covering: self.covering.iter().map(|announced| announced.prefix.to_string()).collect(),
            asn: self.asn,
            position_from: self.origin,
            positions: self.at.iter().map(place).collect(),
            nobody,
            holders: holders.map_or(0, ApplianceSet::len),
            chosen: chosen.collect(),
            others: others.into_iter().map(|no| self.verdict(no, file, None)).collect(),
        }
    }

    fn verdict(&self, no: ApplianceNo, file: &str, rank: Option<usize>) -> Verdict {
        let roster = &self.fleet.roster;
        let appliance: &Appliance = roster.appliance(no);
        let report = appliance.report.as_ref();
        let tier = self.tier(no);
        Verdict {
            appliance: appliance.id.to_string(),
            rank,
            tier: tier.name(),
            prefix_length: if let Tier::Prefix(inverse) = tier {
                Some(128 - inverse)
            } else {
                None
            },
            within_km: match tier {
                Tier::Near(band) => BANDS_KM.get(usize::from(band)).copied(),
                _ => None,
            },
            weight: appliance.weight.factor(),
            score: score(file_hash(file), appliance.hash, roster.inverse_weight(no)),
            holds_file: self.fleet.files.holders(file).is_some_and(|set| set.contains(no)),
            fault: roster.fault(no),
            headroom_mbps: report.map(|report| report.headroom_mbps),
            last_report_ms: report.and_then(|report| report.last_report_ms),
            site: report.and_then(|report| report.site.as_deref()).map(str::to_owned),
        }
    }
}
