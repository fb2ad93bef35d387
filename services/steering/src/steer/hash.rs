//! Weighted rendezvous hashing: which of several appliances is whose file's.

/// How well an appliance suits a file: lower is better.
///
/// Highest random weight (Thaler, Ravishankar 1998) in its weighted form (Schindler, Schomaker
/// 2005, logarithmic method): −ln(u) ÷ weight with u uniform in (0, 1) from both hashes. The lowest
/// of several is each one with the probability of its share of the weights, and one more appliance
/// takes files from others but moves none between them.
pub fn score(file_hash: u64, appliance_hash: u64, inverse_weight: f64) -> f64 {
    let mixed = mix(file_hash ^ mix(appliance_hash));
    // 53 bits and a half: neither 0 nor 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let uniform = ((mixed >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
    -uniform.ln() * inverse_weight
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014): a bijection in which every bit depends
/// on every other.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
