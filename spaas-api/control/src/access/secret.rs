//! The text of a token: `mlr_<id>_<secret>`, the secret 32 random bytes.

use std::fmt;

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::model::TokenInfo;

const PREFIX: &str = "mlr_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A token's text, which opens what the token may. Printed for debugging it is `mlr_<id>_…`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText {
    id: String,
    secret: String,
}

/// A token that was just made. Its text is not kept: this is the only time that it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What is kept of it.
    pub info: TokenInfo,
    /// Its text.
    pub text: TokenText,
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

impl TokenText {
    /// A new one, from the machine's source of randomness.
    pub(super) fn random() -> std::io::Result<Self> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        OsRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
        let (id, secret) = bytes.split_at(ID_BYTES);
        Ok(Self { id: hex::encode(id), secret: hex::encode(secret) })
    }

    /// What a caller sent, if it has the form of a token.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let hex = |text: &str, bytes: usize| {
            text.len() == 2 * bytes && text.bytes().all(|b| b.is_ascii_hexdigit())
        };
        (hex(id, ID_BYTES) && hex(secret, SECRET_BYTES))
            .then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Its id, which may be shown.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text, secret included: for the one who is given it, and nobody else.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }

    /// What is kept of the secret. It is random, so that a plain hash cannot be guessed back.
    pub(super) fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.secret))
    }

    /// Whether its secret is the one that `hash` is of.
    pub(super) fn opens(&self, hash: &str) -> bool {
        same(self.hash().as_bytes(), hash.as_bytes())
    }
}

/// Whether two texts are the same, in a time that does not tell how much of them is.
fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |all, (x, y)| std::hint::black_box(all | (x ^ y)));
    a.len() == b.len() && difference == 0
}

/// `text` with the secret of every token in it left out: somebody may paste one where it does not
/// belong.
pub(super) fn scrubbed(text: &str) -> String {
    let mut pieces = text.split(PREFIX);
    let mut clean = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        clean.push_str(PREFIX);
        clean.push('…');
        clean.push_str(rest);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_from_its_text_and_opens_only_its_own_hash() {
        let (a, b) = (TokenText::random().unwrap(), TokenText::random().unwrap());
        assert_eq!(TokenText::parse(&a.reveal()), Some(a.clone()));
        assert_eq!(a.reveal().len(), "mlr_".len() + 16 + 1 + 64);
        assert!(a.opens(&a.hash()));
        assert!(!a.opens(&b.hash()) && !a.opens("") && !a.opens(&a.hash()[1..]));
        assert_ne!(a, b);
    }

    #[test]
    fn what_is_not_a_token_is_none() {
        let good = TokenText::random().unwrap().reveal();
        let upper = good.replace("mlr_", "MLR_");
        for bad in ["", "mlr_", "mlr__", "mlr_a_b", &good[1..], &good[..good.len() - 1], &upper] {
            assert_eq!(TokenText::parse(bad), None, "{bad:?}");
        }
        assert_eq!(TokenText::parse(&format!("{good} ")), None);
        assert_eq!(TokenText::parse(&good.replacen('_', "_é", 2)), None);
    }

    #[test]
    fn debug_and_scrubbed_text_have_no_secret() {
        let token = TokenText::random().unwrap();
        assert!(!format!("{token:?}").contains(&token.secret));
        let pasted = format!("/v1/tokens/{}/x?mlr_", token.reveal());
        assert_eq!(scrubbed(&pasted), "/v1/tokens/mlr_…/x?mlr_…");
        assert_eq!(scrubbed("plain"), "plain");
    }
}
