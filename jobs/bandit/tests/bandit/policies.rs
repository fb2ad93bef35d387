//! Propensities are true and never below the minimum of exploration.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Beta, Distribution as _, Normal};

use millrace_bandit::{
    Arm, BetaPrior, Candidate, Context, Counts, LinearStats, Policy, PolicyKind, Viewer,
    thompson_ranks,
};

use super::arm;

const PRIOR: BetaPrior = BetaPrior { alpha: 1.0, beta: 1.0 };

fn kinds() -> [PolicyKind; 5] {
    [
        PolicyKind::Uniform,
        PolicyKind::Fixed { image: 1 },
        PolicyKind::BernoulliThompson { prior: PRIOR },
        PolicyKind::LinUcb { width: 1.0, lambda: 1.0 },
        PolicyKind::LinearThompson { noise: 0.5, lambda: 1.0 },
    ]
}

fn candidates(arms: &[Arm]) -> Vec<Candidate<'_>> {
    (0..).zip(arms).map(|(image, arm)| Candidate { image, arm }).collect()
}

/// An image whose plays come from phones or from televisions.
fn from_device(device: &str, impressions: u32, played: u32) -> Arm {
    let (mut stats, mut counts) = (LinearStats::default(), Counts::default());
    for i in 0..impressions {
        let device = if i % 2 == 0 { device } else { "web" };
        let context = Context::of(&Viewer { device: Some(device), ..Viewer::default() });
        stats.add(&context, i % 2 == 0 && i < 2 * played);
        counts.add(i % 2 == 0 && i < 2 * played);
    }
    Arm::new(counts, Some(&stats), 1.0)
}

proptest! {
    #[test]
    fn every_candidate_keeps_its_share_of_exploration(
        seen in prop::collection::vec((0_u64..2000, 0_u64..100), 1..8),
        epsilon in 0.0_f64..0.3,
    ) {
        let arms: Vec<_> = seen.iter().map(|(n, percent)| arm(*n, n * percent / 100)).collect();
        let candidates = candidates(&arms);
        for kind in kinds() {
            let policy = Policy { kind, epsilon };
            let found = policy.distribution(&candidates, &Context::unknown());
            let probabilities = found.probabilities();
            prop_assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{kind:?}");
            let least = epsilon / f64::from(u32::try_from(arms.len()).expect("few"));
            prop_assert!(probabilities.iter().all(|p| *p >= least - 1e-15), "{kind:?} {found:?}");
        }
    }
}

#[test]
fn uniform_is_exact_and_nothing_is_chosen_from_nothing() {
    let arms = vec![arm(5, 5), arm(0, 0), arm(1000, 1)];
    let policy = Policy { kind: PolicyKind::Uniform, epsilon: 0.1 };
    let found = policy.distribution(&candidates(&arms), &Context::unknown());
    assert!(found.probabilities().iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-15));
    let mut rng = StdRng::seed_from_u64(1);
    assert_eq!(policy.choose(&[], &Context::unknown(), &mut rng), None);
    let one = policy.choose(&candidates(&arms[..1]), &Context::unknown(), &mut rng);
    assert_eq!(one.map(|c| (c.image, c.propensity.to_bits())), Some((0, 1.0_f64.to_bits())));
}

/// The integral is how often drawing the parameters themselves prefers each image.
#[test]
fn thompson_propensities_are_those_of_sampling_parameters() {
    const DRAWS: u32 = 100_000;
    let seen = [(100_u64, 3_u64), (400, 20), (0, 0), (50, 4), (3000, 140)];
    let posteriors = seen.map(|(impressions, plays)| PRIOR.after(Counts { impressions, plays }));
    let mut rng = StdRng::seed_from_u64(7);
    let draws = posteriors.map(|p| Beta::new(p.alpha, p.beta).expect("above 0"));
    let mut counts = [[0_u32; 5]; 3];
    for _ in 0..DRAWS {
        let mut order: Vec<_> = draws.iter().map(|d| d.sample(&mut rng)).enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        order.iter().zip(&mut counts).for_each(|((arm, _), counts)| counts[*arm] += 1);
    }
    for (found, counted) in thompson_ranks(&posteriors, 3).iter().zip(counts) {
        for (found, counted) in found.iter().zip(counted) {
            let error = (found * (1.0 - found) / f64::from(DRAWS)).sqrt();
            let counted = f64::from(counted) / f64::from(DRAWS);
            assert!((found - counted).abs() < 4.0 * error + 1e-6, "{found} {counted}");
        }
    }
}

#[test]
fn linear_thompson_propensities_are_those_of_sampling_rewards() {
    const DRAWS: u32 = 100_000;
    let arms = [from_device("phone", 60, 12), from_device("tv", 90, 25), Arm::default()];
    let context = Context::of(&Viewer { device: Some("phone"), ..Viewer::default() });
    let (noise, lambda) = (0.3, 1.0);
    let policy = Policy { kind: PolicyKind::LinearThompson { noise, lambda }, epsilon: 0.0 };
    let found = policy.distribution(&candidates(&arms), &context);

    let unseen = Arm::new(Counts::default(), Some(&LinearStats::default()), lambda);
    let mut rng = StdRng::seed_from_u64(3);
    let mut counts = [0_u32; 3];
    for _ in 0..DRAWS {
        let drawn = arms.iter().map(|arm| {
            let model = arm.model().or(unseen.model()).expect("fitted");
            let deviation = noise * model.width(&context);
            Normal::new(model.mean(&context), deviation).expect("finite").sample(&mut rng)
        });
        let best = drawn.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).expect("three").0;
        counts[best] += 1;
    }
    for (found, counted) in found.probabilities().iter().zip(counts) {
        let error = (found * (1.0 - found) / f64::from(DRAWS)).sqrt();
        assert!((found - f64::from(counted) / f64::from(DRAWS)).abs() < 4.0 * error + 1e-6);
    }
}

/// What is logged is what happens: choices are counted against their propensities.
#[test]
fn images_are_shown_as_often_as_their_propensity_says() {
    const DRAWS: u32 = 50_000;
    let arms = [from_device("phone", 40, 3), from_device("tv", 40, 9), arm(30, 2)];
    let candidates = candidates(&arms);
    let mut rng = StdRng::seed_from_u64(11);
    for kind in kinds() {
        let distribution =
            Policy { kind, epsilon: 0.05 }.distribution(&candidates, &Context::unknown());
        let mut counts = [0_u32; 3];
        for _ in 0..DRAWS {
            let choice = distribution.draw(&mut rng).expect("there are candidates");
            let expected = distribution.probability(choice.image);
            assert_eq!(choice.propensity.to_bits(), expected.to_bits());
            counts[usize::try_from(choice.image).expect("0 to 2")] += 1;
        }
        for (p, counted) in distribution.probabilities().iter().zip(counts) {
            let error = (p * (1.0 - p) / f64::from(DRAWS)).sqrt();
            assert!((p - f64::from(counted) / f64::from(DRAWS)).abs() < 4.5 * error, "{kind:?}");
        }
    }
}

#[test]
fn linear_policies_prefer_by_context() {
    let arms = [from_device("phone", 400, 60), from_device("tv", 400, 60)];
    let candidates = candidates(&arms);
    for kind in [
        PolicyKind::LinUcb { width: 0.2, lambda: 1.0 },
        PolicyKind::LinearThompson { noise: 0.2, lambda: 1.0 },
    ] {
        for (device, image) in [("phone", 0), ("tv", 1)] {
            let context = Context::of(&Viewer { device: Some(device), ..Viewer::default() });
            let found = Policy { kind, epsilon: 0.0 }.distribution(&candidates, &context);
            assert!(found.probability(image) > 0.9, "{kind:?} {device} {found:?}");
        }
    }
}

/// An image never shown has the bound `width / √lambda` in a context of one feature.
#[test]
fn lin_ucb_shows_what_it_does_not_know_while_its_bound_is_wide() {
    let arms = [from_device("phone", 400, 200), Arm::default()];
    for (width, image) in [(0.0, 0), (0.1, 0), (2.0, 1)] {
        let kind = PolicyKind::LinUcb { width, lambda: 1.0 };
        let context = Context::of(&Viewer { device: Some("phone"), ..Viewer::default() });
        let found = Policy { kind, epsilon: 0.0 }.distribution(&candidates(&arms), &context);
        assert!((found.probability(image) - 1.0).abs() < 1e-12, "{width} {found:?}");
    }
}

#[test]
fn a_policy_reads_back_from_its_settings() {
    for kind in kinds() {
        let policy = Policy { kind, epsilon: 0.05 };
        let text = serde_json::to_string(&policy).expect("JSON");
        assert_eq!(serde_json::from_str::<Policy>(&text).expect("reads"), policy, "{text}");
    }
}

/// A draw uses one number, so that services can log it.
#[test]
fn a_draw_takes_one_number() {
    let arms = [arm(10, 1), arm(10, 2)];
    let policy = Policy { kind: PolicyKind::Uniform, epsilon: 0.0 };
    let distribution = policy.distribution(&candidates(&arms), &Context::unknown());
    let (mut used, mut beside) = (StdRng::seed_from_u64(5), StdRng::seed_from_u64(5));
    distribution.draw(&mut used);
    let _: f64 = beside.random();
    assert_eq!(used.random::<u64>(), beside.random::<u64>());
}
