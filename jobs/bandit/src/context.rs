//! What a policy may know of a request: a fixed vector of features.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

/// Number of features.
pub const FEATURES: usize = 12;

/// Features are multiples of this, so that their products and the sums of these are exact: in any
/// order, merged or taken back, learning gives the same bits (up to 2^33 impressions an image).
const GRAIN: f64 = 1.0 / 1024.0;

/// Buckets that countries fall into.
const COUNTRY_BUCKETS: u64 = 4;

/// Who asks, on what, where and when; what is not known is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Viewer<'a> {
    /// `tv`, `phone`, `tablet` or `web`.
    pub device: Option<&'a str>,
    /// ISO 3166 code.
    pub country: Option<&'a str>,
    /// Hour of the day, UTC, with its fraction: 0 to 24.
    pub hour: Option<f64>,
    /// Titles that the member has watched.
    pub watched: Option<u64>,
    /// Mean completion of these, 0 to 1.
    pub completion: Option<f64>,
}

/// The features that a policy sees: the `context` column of `impressions`.
///
/// | at | feature |
/// |---|---|
/// | 0 | 1 |
/// | 1, 2, 3 | 1 if the device is `tv`, `phone`, `tablet` |
/// | 4, 5 | sine and cosine of the hour of the day, as an angle |
/// | 6 | activity of the member: `min(1, ln(1 + watched titles) / ln(101))` |
/// | 7 | mean completion of these titles, 0 to 1 |
/// | 8 … 11 | 1 for the bucket of the country: FNV-1a of its code in upper case, modulo 4 |
///
/// All are between −1 and 1 and rounded to 1/1024; what is not known, or no number, is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Context([f64; FEATURES]);

impl Context {
    /// The context of a request.
    #[must_use]
    pub fn of(viewer: &Viewer<'_>) -> Self {
        let mut features = [0.0; FEATURES];
        features[0] = 1.0;
        let device = ["tv", "phone", "tablet"].iter().position(|d| Some(*d) == viewer.device);
        if let Some(at) = device {
            features[1 + at] = 1.0;
        }
        if let Some(hour) = viewer.hour {
            (features[4], features[5]) = (hour / 24.0 * TAU).sin_cos();
        }
        if let Some(watched) = viewer.watched {
            let activity = crate::numeric::real(watched).ln_1p() / 101_f64.ln();
            features[6] = activity.min(1.0);
        }
        features[7] = viewer.completion.unwrap_or(0.0);
        if let Some(country) = viewer.country.filter(|c| !c.is_empty()) {
            let bucket = fnv1a(&country.to_ascii_uppercase()) % COUNTRY_BUCKETS;
            let bucket = usize::try_from(bucket).expect("there are four buckets");
            features[8 + bucket] = 1.0;
        }
        Self::rounded(features)
    }

    /// The context of a request of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(&Viewer::default())
    }

    /// A logged context; `None` if it is not one: other length, not finite, outside [−1, 1].
    #[must_use]
    pub fn from_logged(features: &[f64]) -> Option<Self> {
        let features: [f64; FEATURES] = features.try_into().ok()?;
        features.iter().all(|f| f.abs() <= 1.0).then(|| Self::rounded(features))
    }

    /// The features, in the order of the table above.
    #[must_use]
    pub const fn features(&self) -> &[f64; FEATURES] {
        &self.0
    }

    fn rounded(features: [f64; FEATURES]) -> Self {
        Self(features.map(|f| {
            let rounded = (f.clamp(-1.0, 1.0) / GRAIN).round() * GRAIN;
            // What is no number is not known; and not −0, whose text differs.
            if rounded == 0.0 || rounded.is_nan() { 0.0 } else { rounded }
        }))
    }
}

/// The 64-bit hash FNV-1a (Fowler, Noll, Vo), which any language has.
fn fnv1a(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}
