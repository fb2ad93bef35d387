//! The best appliances for a file.

use crate::fleet::{Appliance, ApplianceNo, file_hash};

use super::client::Client;
use super::hash::score;
use super::tier::{NONE, Tier};

/// Appliances named for a file, at most.
pub const MOST: usize = 10;

/// An appliance to ask, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Which one.
    pub no: ApplianceNo,
    /// Its tier.
    pub tier: Tier,
    /// Its score within the tier, lower first.
    pub score: f64,
}

/// Why nobody can be asked for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nobody {
    /// No appliance holds it.
    UnknownFile,
    /// Those that hold it are down or full.
    NoneServing,
}

/// A candidate: the code of its tier, its score, its number.
type Candidate = (u8, f64, ApplianceNo);

impl Client<'_> {
    /// Up to [`MOST`] appliances that hold `file` and may serve, best first: by tier, then by
    /// score.
    pub fn rank(&self, file: &str) -> Result<Vec<Ranked>, Nobody> {
        let holders = self.fleet.files.holders(file).ok_or(Nobody::UnknownFile)?;
        let hash = file_hash(file);
        let roster = &self.fleet.roster;
        let mut best: Vec<Candidate> = Vec::with_capacity(MOST + 1);
        let mut worst = NONE - 1;
        for no in holders.iter() {
            let code = self.code(no);
            // A logarithm only for those whose tier may still be among the best.
            if code > worst {
                continue;
            }
            let score = score(hash, roster.appliance(no).hash, roster.inverse_weight(no));
            let candidate = (code, score, no);
            let before = |other: &Candidate| self.order(other, &candidate).is_lt();
            let at = best.partition_point(before);
            if at < MOST {
                best.insert(at, candidate);
                best.truncate(MOST);
                if best.len() == MOST {
                    worst = best[MOST - 1].0;
                }
            }
        }
        if best.is_empty() {
            return Err(Nobody::NoneServing);
        }
        let ranked = |(code, score, no)| Ranked { no, tier: Tier::of(code), score };
        Ok(best.into_iter().map(ranked).collect())
    }

    /// By tier, score, and id: numbers differ between processes, ids do not.
    fn order(&self, a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
        let id = |no| -> &Appliance { self.fleet.roster.appliance(no) };
        a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)).then_with(|| id(a.2).id.cmp(&id(b.2).id))
    }
}
