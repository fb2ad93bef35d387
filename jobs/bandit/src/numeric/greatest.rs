//! The probability that each of several independent random variables is the greatest, the second
//! greatest and so on.

/// A random variable on the line.
pub(crate) trait Variable {
    fn mean(&self) -> f64;
    fn deviation(&self) -> f64;
    /// Above it the probability is below 1e-11.
    fn upper(&self) -> f64 {
        self.mean() + 9.0 * self.deviation()
    }
    /// No probability is outside.
    fn support(&self) -> (f64, f64);
    fn density(&self, x: f64) -> f64;
    /// P(X < x).
    fn below(&self, x: f64) -> f64;
}

/// Nodes and weights of Gauss and Legendre's rule with four points on [-1, 1].
const GAUSS: [(f64, f64); 4] = [
    (-0.861_136_311_594_052_6, 0.347_854_845_137_453_85),
    (-0.339_981_043_584_856_26, 0.652_145_154_862_546_1),
    (0.339_981_043_584_856_26, 0.652_145_154_862_546_1),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_85),
];

/// Ends of the pieces of the line around each variable's mean, in its deviations.
const AROUND: [f64; 19] = [
    -8.0, -6.0, -4.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 9.0, 12.0, 15.0,
    20.0, 27.0,
];

/// `result[rank][i]`: the probability that variable `i` has exactly `rank` of the others above it,
/// for the first `ranks` ranks.
///
/// That is `∫ density_i(x) · P(rank others above x) dx`, by Gauss and Legendre's rule on pieces of
/// the line that are cut finer around the mean of each variable, and scaled to a sum of 1. The
/// inner probability is a coefficient of `Π (below_j(x) + (1 − below_j(x)) z)` over the others,
/// from products of those before and those after `i`.
pub(crate) fn rank_probabilities<V: Variable>(variables: &[V], ranks: usize) -> Vec<Vec<f64>> {
    let count = variables.len();
    let mut result = vec![vec![0.0; count]; ranks];
    let mut products = Products::new(count, ranks);
    let mut below = vec![0.0; count];
    let cuts = cuts(variables, ranks);
    for piece in cuts.windows(2) {
        let (middle, half) = (0.5 * (piece[0] + piece[1]), 0.5 * (piece[1] - piece[0]));
        for (node, weight) in GAUSS {
            let x = middle + half * node;
            for (below, variable) in below.iter_mut().zip(variables) {
                *below = variable.below(x);
            }
            products.fill(&below);
            for (i, variable) in variables.iter().enumerate() {
                let mass = weight * half * variable.density(x);
                for (rank, of_rank) in result.iter_mut().enumerate() {
                    of_rank[i] += mass * products.without(i, rank);
                }
            }
        }
    }
    for of_rank in &mut result {
        let sum: f64 = of_rank.iter().sum();
        let even = 1.0 / super::real(count as u64);
        for p in of_rank {
            *p = if sum > 0.0 { *p / sum } else { even };
        }
    }
    result
}

/// Ends of the pieces, ascending. Where `ranks` variables are surely above, nothing is lost by
/// leaving the rest out.
fn cuts<V: Variable>(variables: &[V], ranks: usize) -> Vec<f64> {
    let mut least: Vec<f64> = variables.iter().map(|v| v.mean() - 8.0 * v.deviation()).collect();
    least.sort_by(|a, b| b.total_cmp(a));
    let supports = || variables.iter().map(Variable::support);
    let low = least
        .get(ranks.saturating_sub(1))
        .or(least.last())
        .copied()
        .unwrap_or(0.0)
        .max(supports().map(|s| s.0).fold(f64::NEG_INFINITY, f64::max));
    let high = variables.iter().map(Variable::upper);
    let high = high.fold(low, f64::max).min(supports().map(|s| s.1).fold(f64::INFINITY, f64::min));
    let around = variables.iter().flat_map(|v| AROUND.map(|z| v.mean() + z * v.deviation()));
    let even = (0..=16).map(|part| low + (high - low) * f64::from(part) / 16.0);
    let mut cuts: Vec<f64> = around.filter(|x| (low..=high).contains(x)).chain(even).collect();
    cuts.sort_by(f64::total_cmp);
    let narrow = (high - low) * 1e-6;
    cuts.dedup_by(|later, earlier| *later - *earlier < narrow);
    cuts
}

/// Truncated polynomials: products of the factors before and after each variable.
struct Products {
    ranks: usize,
    before: Vec<f64>,
    after: Vec<f64>,
}

impl Products {
    fn new(count: usize, ranks: usize) -> Self {
        let ones = vec![0.0; (count + 1) * ranks];
        Self { ranks, before: ones.clone(), after: ones }
    }

    fn fill(&mut self, below: &[f64]) {
        let ranks = self.ranks;
        let times = |from: &[f64], below: f64, rank: usize| {
            let carried = if rank == 0 { 0.0 } else { from[rank - 1] * (1.0 - below) };
            from[rank] * below + carried
        };
        self.before[..ranks].fill(0.0);
        self.before[0] = 1.0;
        for (i, below) in below.iter().enumerate() {
            let (done, next) = self.before.split_at_mut((i + 1) * ranks);
            for (rank, slot) in next[..ranks].iter_mut().enumerate() {
                *slot = times(&done[i * ranks..], *below, rank);
            }
        }
        let last = below.len() * ranks;
        self.after[last..].fill(0.0);
        self.after[last] = 1.0;
        for (i, below) in below.iter().enumerate().rev() {
            let (next, done) = self.after.split_at_mut((i + 1) * ranks);
            for (rank, slot) in next[i * ranks..].iter_mut().enumerate() {
                *slot = times(&done[..ranks], *below, rank);
            }
        }
    }

    /// The probability that exactly `rank` of the others are above.
    fn without(&self, i: usize, rank: usize) -> f64 {
        let before = &self.before[i * self.ranks..];
        let after = &self.after[(i + 1) * self.ranks..];
        (0..=rank).map(|above| before[above] * after[rank - above]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::{Beta, Normal};

    #[test]
    fn two_normal_variables_are_ordered_as_their_difference_is() {
        let difference = Normal::new(0.0, (0.3_f64.powi(2) + 0.4_f64.powi(2)).sqrt());
        for apart in [0.0, 0.1, 0.7, 2.0] {
            let two = [Normal::new(apart, 0.3), Normal::new(0.0, 0.4)];
            let found = rank_probabilities(&two, 2);
            assert!((found[0][0] - difference.below(apart)).abs() < 1e-7, "{apart}: {found:?}");
            assert!((found[0][0] - found[1][1]).abs() < 1e-7);
        }
    }

    /// P(X < Y) of Beta(1, n) and Beta(1, 1) has a closed form.
    #[test]
    fn a_narrow_variable_beside_a_wide_one_is_not_overlooked() {
        for n in [1.0, 10.0, 1_000.0, 100_000.0] {
            let found = rank_probabilities(&[Beta::new(1.0, n), Beta::new(1.0, 1.0)], 1);
            assert!((found[0][0] - 1.0 / (n + 1.0)).abs() < 1e-6, "{n}: {found:?}");
        }
    }

    #[test]
    fn equals_share_evenly() {
        let found = rank_probabilities(&[Beta::new(3.0, 200.0); 7], 3);
        assert!(found.iter().flatten().all(|p| (p - 1.0 / 7.0).abs() < 1e-12));
    }
}
