//! The feed `artwork_policy` and the images of the catalogue: what may be shown, how likely.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng;
use serde::Deserialize;

use millrace_bandit::{
    Arm, Candidate, Choice, Context, Counts, Distribution, Guard, GuardStats, LinearStats, Policy,
    PolicyKind, Ruling,
};

use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::TitleId;

/// The images of a title, ready to choose from.
#[derive(Debug)]
pub struct Poster {
    images: Vec<(i64, Arm)>,
    policy: Policy,
    /// Version of the parameters; `None` as long as there are none.
    pub version: Option<i64>,
    /// The distribution of a policy that sees no context.
    ready: Option<Distribution>,
}

impl Poster {
    fn new(images: Vec<(i64, Arm)>, version: Option<i64>, policy: Policy) -> Self {
        let mut poster = Self { images, policy, version, ready: None };
        let linear =
            matches!(policy.kind, PolicyKind::LinUcb { .. } | PolicyKind::LinearThompson { .. });
        if !linear || poster.images.len() < 2 {
            poster.ready = Some(poster.compute(&Context::unknown()));
        }
        poster
    }

    /// A title of which nothing is known has one image, whose number is the title's.
    pub(crate) fn only(title: TitleId, policy: Policy) -> Self {
        Self::new(vec![(title.0, Arm::default())], None, policy)
    }

    fn compute(&self, context: &Context) -> Distribution {
        let candidates: Vec<_> =
            self.images.iter().map(|(image, arm)| Candidate { image: *image, arm }).collect();
        self.policy.distribution(&candidates, context)
    }

    /// How likely each image is shown.
    pub fn distribution(&self, context: &Context) -> Distribution {
        self.ready.clone().unwrap_or_else(|| self.compute(context))
    }

    /// Chooses an image.
    pub(crate) fn choose<R: Rng>(&self, context: &Context, rng: &mut R) -> Choice {
        let choice = match &self.ready {
            Some(ready) => ready.draw(rng),
            None => self.compute(context).draw(rng),
        };
        choice.expect("a poster has an image")
    }
}

/// The images of titles.
#[derive(Debug, Default)]
pub struct Posters {
    titles: Sharded<TitleId, Arc<Poster>>,
}

impl Posters {
    /// The images of `title`, if any are known.
    pub fn of(&self, title: TitleId) -> Option<Arc<Poster>> {
        self.titles.get(&title)
    }
}

/// What the feed says of an image.
struct Learnt {
    version: i64,
    arm: Arm,
    /// Sums of 1/p and 1/p² over the played, which the guard rules by.
    inverse: Option<(f64, f64)>,
}

/// `policy`, or the best fixed image where the log says that it does significantly better.
fn guarded(policy: Policy, images: &[(i64, Arm)], learnt: &BTreeMap<i64, Learnt>) -> Policy {
    let mut stats = GuardStats::default();
    for (image, arm) in images {
        let Some(learnt) = learnt.get(image) else { continue };
        let Some((inverse, squares)) = learnt.inverse else { return policy };
        stats.add_sums(*image, arm.counts(), inverse, squares);
    }
    match Guard::default().rule(&stats) {
        Ruling::Fixed { image } if images.len() > 1 => {
            Policy { kind: PolicyKind::Fixed { image }, ..policy }
        }
        _ => policy,
    }
}

/// Brings images and parameters together.
pub(super) struct Artist {
    policy: Policy,
    shown: Arc<Posters>,
    images: HashMap<TitleId, Vec<i64>>,
    arms: HashMap<TitleId, BTreeMap<i64, Learnt>>,
    changed: BTreeSet<TitleId>,
}

impl Artist {
    pub(super) fn new(policy: Policy, shown: Arc<Posters>) -> Self {
        let (images, arms) = (HashMap::new(), HashMap::new());
        Self { policy, shown, images, arms, changed: BTreeSet::new() }
    }

    /// The images that `title` has; none: those that there are parameters of.
    pub(super) fn images(&mut self, title: TitleId, mut images: Vec<i64>) {
        images.sort_unstable();
        images.dedup();
        if images.is_empty() {
            self.images.remove(&title);
        } else {
            self.images.insert(title, images);
        }
        self.changed.insert(title);
    }

    pub(super) fn forget_images(&mut self) {
        self.changed.extend(self.images.keys());
        self.images.clear();
    }

    /// Shows what changed.
    pub(super) fn publish(&mut self) {
        for title in std::mem::take(&mut self.changed) {
            let arms = self.arms.get(&title);
            let arm = |image: i64| arms.and_then(|arms| arms.get(&image)).map(|of| &of.arm);
            let images: Vec<(i64, Arm)> = match self.images.get(&title) {
                Some(images) => {
                    images.iter().map(|i| (*i, arm(*i).cloned().unwrap_or_default())).collect()
                }
                None => arms.into_iter().flatten().map(|(i, of)| (*i, of.arm.clone())).collect(),
            };
            if images.is_empty() {
                self.shown.titles.remove(&title);
                continue;
            }
            let version = arms.and_then(|arms| arms.values().map(|of| of.version).max());
            let policy = arms.map_or(self.policy, |arms| guarded(self.policy, &images, arms));
            let poster = Poster::new(images, version, policy);
            self.shown.titles.put(title, Arc::new(poster));
        }
    }

    fn lambda(&self) -> f64 {
        match self.policy.kind {
            PolicyKind::LinUcb { lambda, .. } | PolicyKind::LinearThompson { lambda, .. } => lambda,
            _ => 1.0,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Key {
    title_id: TitleId,
    artwork_id: i64,
}

#[derive(Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    version: i64,
    #[serde(default)]
    impressions: u64,
    #[serde(default)]
    plays: u64,
    inverse_plays: Option<f64>,
    inverse_squares: Option<f64>,
    a: Option<String>,
    b: Option<String>,
}

pub(super) struct Parameters(Arc<Mutex<Artist>>);

impl Parameters {
    pub(super) fn new(artist: Arc<Mutex<Artist>>) -> Self {
        Self(artist)
    }

    fn tell(&self, tell: impl FnOnce(&mut Artist)) {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Rows for Parameters {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "artwork_policy";

    fn reset(&mut self) {
        self.tell(|artist| {
            artist.changed.extend(artist.arms.keys());
            artist.arms.clear();
            artist.publish();
        });
    }

    fn put(&mut self, key: Key, row: Row) {
        let stats = row.a.as_deref().zip(row.b.as_deref());
        // A policy without context needs none, so that broken ones only cost the context.
        let stats = stats.and_then(|(a, b)| LinearStats::from_json(a, b).ok());
        let counts = Counts { impressions: row.impressions, plays: row.plays };
        self.tell(|artist| {
            let arm = Arm::new(counts, stats.as_ref(), artist.lambda());
            let arms = artist.arms.entry(key.title_id).or_default();
            let inverse = row.inverse_plays.zip(row.inverse_squares);
            arms.insert(key.artwork_id, Learnt { version: row.version, arm, inverse });
            artist.changed.insert(key.title_id);
        });
    }

    fn remove(&mut self, key: Key) {
        self.tell(|artist| {
            if let Some(arms) = artist.arms.get_mut(&key.title_id) {
                arms.remove(&key.artwork_id);
            }
            artist.changed.insert(key.title_id);
        });
    }

    fn publish(&mut self) {
        self.tell(Artist::publish);
    }
}
