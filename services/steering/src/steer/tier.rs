//! How near an appliance is to a client, as ranking sees it.

/// Why an appliance is considered; nearer tiers come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// It announces a prefix that covers the client: 128 − the prefix's length, so longer is
    /// nearer.
    Prefix(u8),
    /// It is in the client's AS.
    System,
    /// It is that far from where the client is taken to be: a band of distance.
    Near(u8),
    /// Nothing relates it to the client.
    Anywhere,
}

impl Tier {
    /// The tier of those who announce a prefix of `length` bits.
    pub fn prefix(length: u8) -> Self {
        Self::Prefix(128 - length.min(128))
    }

    /// One byte, in the same order; 255 is never one of them.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Prefix(inverse) => inverse,
            Self::System => 129,
            Self::Near(band) => 130 + band,
            Self::Anywhere => 254,
        }
    }

    /// Back from [`Self::code`].
    pub(super) fn of(code: u8) -> Self {
        match code {
            0..=128 => Self::Prefix(code),
            129 => Self::System,
            130..=253 => Self::Near(code - 130),
            _ => Self::Anywhere,
        }
    }

    /// Its name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prefix(_) => "prefix",
            Self::System => "as",
            Self::Near(_) => "near",
            Self::Anywhere => "anywhere",
        }
    }
}

/// Stands for "may not serve" among the codes of tiers.
pub(super) const NONE: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_the_order_of_tiers() {
        let longest_first = (0..=128).rev().map(Tier::prefix);
        let rest = [Tier::System].into_iter().chain((0..8).map(Tier::Near)).chain([Tier::Anywhere]);
        let tiers: Vec<Tier> = longest_first.chain(rest).collect();
        assert!(tiers.is_sorted());
        assert!(tiers.iter().map(|tier| tier.code()).is_sorted_by(|a, b| a < b));
        assert!(tiers.iter().all(|tier| Tier::of(tier.code()) == *tier && tier.code() != NONE));
    }
}
