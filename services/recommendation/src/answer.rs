//! A page with artwork: what the caller gets and what is logged.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::Serialize;

use millrace_bandit::{Context, Policy, PolicyKind, Viewer};

use crate::ids::{Country, MemberId, TitleId};
use crate::page::{Page, RowName, Rung, Shown};
use crate::shelves::{Poster, Shelves};
use crate::time;

/// Devices as `impressions` names them.
pub const DEVICES: [&str; 4] = ["tv", "phone", "tablet", "web"];

/// Who asks, on what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asker {
    /// The member.
    pub member: MemberId,
    /// The profile, if one was named.
    pub profile: Option<i32>,
    /// One of [`DEVICES`].
    pub device: Option<&'static str>,
    /// The time of the request, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Whether to say how likely each image was.
    pub explain: bool,
}

/// An image that might have been shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CandidateImage {
    /// The image.
    pub artwork_id: i64,
    /// How likely it was.
    pub probability: f64,
}

/// A title as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Card {
    /// The title.
    #[schema(value_type = i64)]
    pub title_id: TitleId,
    /// Its name, if the catalogue has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The image to show.
    pub artwork_id: i64,
    /// Id of the impression that is logged; a player reports it with the plays it led to.
    pub impression_id: String,
    /// Place in the row, from 1.
    pub position: i32,
    /// Place among the top titles of the country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// What it was ranked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Where to go on, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_s: Option<f64>,
    /// How much of it was reached, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<f64>,
    /// Every image that might have been shown, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<CandidateImage>>,
    /// How likely this image was.
    #[serde(skip)]
    pub propensity: f64,
    /// Version of the parameters that chose it.
    #[serde(skip)]
    pub policy_version: Option<i64>,
}

/// The title that a row is because of.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Because {
    /// The title.
    #[schema(value_type = i64)]
    pub title_id: TitleId,
    /// Its name, if the catalogue has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A row as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CardRow {
    /// The row.
    pub row: RowName,
    /// The title that it is because of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    /// The titles, in order.
    pub titles: Vec<Card>,
}

/// The answer to a request for a member's feed.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Answer {
    /// Id of the answer.
    pub answer_id: String,
    /// The member.
    #[schema(value_type = i64)]
    pub member_id: MemberId,
    /// The profile, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<i32>,
    /// How much of it is the member's own.
    pub rung: Rung,
    /// The country that was taken for the member's.
    #[schema(value_type = String)]
    pub country: Country,
    /// The policy that chose images.
    pub policy: &'static str,
    /// Feeds that are not up to date at the moment: the answer may be older than it looks.
    #[schema(value_type = Vec<String>)]
    pub stale: Arc<Vec<String>>,
    /// The rows, in order.
    pub rows: Vec<CardRow>,
    /// The device that asked.
    #[serde(skip)]
    pub device: Option<&'static str>,
    /// The time of the request.
    #[serde(skip)]
    pub now_ms: i64,
    /// What the policy saw.
    #[serde(skip)]
    #[schema(ignore)]
    pub context: Context,
}

/// The name of a policy in impressions.
pub fn policy_name(policy: &Policy) -> &'static str {
    match policy.kind {
        PolicyKind::Uniform => "uniform",
        PolicyKind::Fixed { .. } => "fixed",
        PolicyKind::BernoulliThompson { .. } => "thompson",
        PolicyKind::LinUcb { .. } => "linucb",
        PolicyKind::LinearThompson { .. } => "linear_thompson",
    }
}

/// Chooses artwork.
#[derive(Debug, Clone)]
pub struct Dresser {
    /// What is known.
    pub shelves: Shelves,
    /// What chooses.
    pub policy: Policy,
}

impl Dresser {
    /// Chooses an image for each title of a page; `seed` decides all draws.
    pub fn dress(
        &self,
        page: Page,
        asker: &Asker,
        answer_id: String,
        stale: Arc<Vec<String>>,
        seed: u64,
    ) -> Answer {
        let context = self.context(&page, asker);
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut shown = 0;
        let mut rows = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            let titles = (1..).zip(&row.titles).map(|(position, title)| {
                let impression_id = format!("{answer_id}-{shown}");
                shown += 1;
                self.card(title, position, impression_id, &context, asker.explain, &mut rng)
            });
            let titles = titles.collect();
            let because = row.because.map(|title| self.because(title));
            rows.push(CardRow { row: row.name, because, titles });
        }
        Answer {
            answer_id,
            member_id: asker.member,
            profile_id: asker.profile,
            rung: page.rung,
            country: page.country,
            policy: policy_name(&self.policy),
            stale,
            rows,
            device: asker.device,
            now_ms: asker.now_ms,
            context,
        }
    }

    fn context(&self, page: &Page, asker: &Asker) -> Context {
        let history = self.shelves.histories.of(asker.member);
        let known = history.filter(|history| !history.is_empty());
        #[expect(clippy::cast_precision_loss, reason = "a number of titles")]
        let completion = known.as_ref().map(|history| {
            history.iter().map(|w| w.completion).sum::<f64>() / history.len() as f64
        });
        let country = page.country;
        Context::of(&Viewer {
            device: asker.device,
            country: (country != Country::WORLD).then_some(country.as_str()),
            hour: Some(time::hour(asker.now_ms)),
            watched: known.as_ref().map(|history| history.len() as u64),
            completion,
        })
    }

    fn card(
        &self,
        shown: &Shown,
        position: i32,
        impression_id: String,
        context: &Context,
        explain: bool,
        rng: &mut SmallRng,
    ) -> Card {
        let poster = self.shelves.posters.of(shown.title);
        let poster = poster.unwrap_or_else(|| Arc::new(Poster::only(shown.title, self.policy)));
        let choice = poster.choose(context, rng);
        let candidates = explain.then(|| {
            let all = poster.distribution(context);
            let each = all.images().iter().zip(all.probabilities());
            each.map(|(image, p)| CandidateImage { artwork_id: *image, probability: *p }).collect()
        });
        Card {
            title_id: shown.title,
            name: self.name(shown.title),
            artwork_id: choice.image,
            impression_id,
            position,
            rank: shown.rank,
            score: shown.score,
            resume_s: shown.resume.map(|(position, _)| position),
            completion: shown.resume.map(|(_, completion)| completion),
            candidates,
            propensity: choice.propensity,
            policy_version: poster.version,
        }
    }

    fn because(&self, title: TitleId) -> Because {
        Because { title_id: title, name: self.name(title) }
    }

    fn name(&self, title: TitleId) -> Option<String> {
        self.shelves.catalogue.name(title)
    }
}
