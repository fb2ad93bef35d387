//! Addresses that end: HMAC-SHA256 over a file's path, the time it ends, and the client's network.
//!
//! `BASE/FILE?e=SECONDS&c=NETWORK&s=HEX`. What is signed is
//! `v1\n/FILE\nSECONDS\nNETWORK\n` with the path as it is written in the address, without what an
//! appliance's base address adds: an address works at every appliance that holds the file, so that
//! a client can go on to the next of its list. Which appliance it names is not signed.

use std::fmt::{self, Write};
use std::net::IpAddr;

use hmac::{Hmac, Mac};
use ipnet::IpNet;
use sha2::Sha256;

/// Bits of a client's address that its addresses are bound to: people change addresses within a
/// household or a carrier's pool.
const NETWORK_BITS: (u8, u8) = (24, 48);

/// Bytes that a key must have, the least.
pub const KEY_BYTES: usize = 32;

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing key needs at least {KEY_BYTES} bytes, this one has {0}")]
pub struct KeyError(pub usize);

/// Why an address does not open its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Parts are missing, twice there, or not what they should be.
    #[error("the address is not a signed one")]
    Malformed,
    /// It was signed with another key, or something in it was changed.
    #[error("the signature is wrong")]
    Forged,
    /// It was good until then.
    #[error("the address has ended")]
    Expired,
    /// It was signed for another network.
    #[error("the address was signed for another client")]
    Elsewhere,
}

/// A secret shared with appliances. Shows nothing of itself.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// A key of at least [`KEY_BYTES`] bytes.
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < KEY_BYTES {
            return Err(KeyError(secret.len()));
        }
        Ok(Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")))
    }

    /// What follows an appliance's base address: `/FILE?e=…&c=…&s=…`.
    pub fn sign(&self, file: &str, client: IpAddr, expires_s: u64) -> String {
        let mut text = String::with_capacity(file.len() + 128);
        text.push('/');
        encode(file, &mut text);
        let network = network(client);
        let tag = self.mac(&text, expires_s, network).finalize().into_bytes();
        let mut hex_tag = [0; 64];
        hex::encode_to_slice(tag, &mut hex_tag).expect("32 bytes are 64 digits");
        let hex_tag = std::str::from_utf8(&hex_tag).expect("digits are ASCII");
        let _ = write!(text, "?e={expires_s}&c={network}&s={hex_tag}");
        text
    }

    /// What an appliance asks before it serves `path_and_query` (behind its base address) to
    /// `client`.
    pub fn verify(&self, path_and_query: &str, client: IpAddr, now_s: u64) -> Result<(), Refusal> {
        let (path, query) = path_and_query.split_once('?').ok_or(Refusal::Malformed)?;
        let mut parts = query.split('&');
        let mut part = |name: &str| -> Result<&str, Refusal> {
            let value = parts.next().and_then(|part| part.strip_prefix(name));
            value.ok_or(Refusal::Malformed)
        };
        let (expires, signed_for, tag) = (part("e=")?, part("c=")?, part("s=")?);
        if parts.next().is_some() || !expires.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::Malformed);
        }
        let expires_s: u64 = expires.parse().map_err(|_| Refusal::Malformed)?;
        let signed_for: IpNet = signed_for.parse().map_err(|_| Refusal::Malformed)?;
        let tag = hex::decode(tag).map_err(|_| Refusal::Malformed)?;
        // In constant time, and before anything is said about what was signed.
        let mac = self.mac(path, expires_s, signed_for);
        mac.verify_slice(&tag).map_err(|_| Refusal::Forged)?;
        if now_s >= expires_s {
            return Err(Refusal::Expired);
        }
        if !signed_for.contains(&client.to_canonical()) {
            return Err(Refusal::Elsewhere);
        }
        Ok(())
    }

    fn mac(&self, path: &str, expires_s: u64, network: IpNet) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let mut text = String::with_capacity(path.len() + 64);
        let _ = write!(text, "v1\n{path}\n{expires_s}\n{network}\n");
        mac.update(text.as_bytes());
        mac
    }
}

/// The network that a client's addresses are bound to: /24 of IPv4, /48 of IPv6.
pub fn network(client: IpAddr) -> IpNet {
    let client = client.to_canonical();
    let bits = if client.is_ipv4() { NETWORK_BITS.0 } else { NETWORK_BITS.1 };
    IpNet::new_assert(client, bits).trunc()
}

/// Percent-encodes all but the unreserved characters of RFC 3986; a slash too, so that a file's
/// name is one segment and cannot climb.
fn encode(file: &str, into: &mut String) {
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}
