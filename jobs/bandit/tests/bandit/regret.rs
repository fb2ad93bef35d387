//! In a simulated world with a known best policy, regret grows slower than uniform's.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use millrace_bandit::{
    Arm, BetaPrior, Candidate, Context, Counts, Distribution, LinearStats, Policy, PolicyKind,
    Viewer,
};

const ROUNDS: usize = 6000;
/// Parameters reach the policy in versions, as the feed does.
const PER_VERSION: usize = 50;
const DEVICES: [&str; 4] = ["tv", "phone", "tablet", "web"];

/// Play rate of each image on each device.
type World = [[f64; 4]; 4];

/// One image is the best everywhere.
const PLAIN: World = [[0.10; 4], [0.15; 4], [0.30; 4], [0.12; 4]];
/// Each device has an image of its own; all images are alike on average.
const PERSONAL: World = [
    [0.40, 0.10, 0.10, 0.10],
    [0.10, 0.40, 0.10, 0.10],
    [0.10, 0.10, 0.40, 0.10],
    [0.10, 0.10, 0.10, 0.40],
];

/// Expected regret after half of the rounds and after all.
fn regret(world: &World, kind: PolicyKind) -> (f64, f64) {
    let mut rng = StdRng::seed_from_u64(42);
    let contexts =
        DEVICES.map(|device| Context::of(&Viewer { device: Some(device), ..Viewer::default() }));
    let policy = Policy { kind, epsilon: 0.02 };
    let mut learnt: [(Counts, LinearStats); 4] = Default::default();
    let mut version: Vec<Distribution> = Vec::new();
    let (mut regret, mut half) = (0.0, 0.0);
    for round in 0..ROUNDS {
        if round % PER_VERSION == 0 {
            let arms = learnt.each_ref().map(|(c, stats)| Arm::new(*c, Some(stats), 1.0));
            let candidates: Vec<_> =
                (0..).zip(&arms).map(|(image, arm)| Candidate { image, arm }).collect();
            version = contexts.iter().map(|c| policy.distribution(&candidates, c)).collect();
        }
        let device = rng.random_range(0..4);
        let choice = version[device].draw(&mut rng).expect("four candidates");
        let image = usize::try_from(choice.image).expect("0 to 3");
        let played = rng.random_bool(world[image][device]);
        learnt[image].0.add(played);
        learnt[image].1.add(&contexts[device], played);
        let best = world.iter().map(|image| image[device]).fold(0.0, f64::max);
        regret += best - world[image][device];
        if round == ROUNDS / 2 {
            half = regret;
        }
    }
    (half, regret)
}

fn thompson() -> PolicyKind {
    PolicyKind::BernoulliThompson { prior: BetaPrior::default() }
}

/// Uniform's regret doubles when the rounds do; a learner's second half costs little.
fn assert_learns(world: &World, kind: PolicyKind) {
    let (uniform_half, uniform) = regret(world, PolicyKind::Uniform);
    assert!((0.9..1.1).contains(&((uniform - uniform_half) / uniform_half)), "linear");
    let (half, whole) = regret(world, kind);
    let second = whole - half;
    assert!(whole < 0.4 * uniform, "{kind:?}: {whole} of uniform's {uniform}");
    assert!(second < 0.6 * half, "{kind:?}: {half} then {second}");
}

#[test]
fn bernoulli_thompson_finds_the_best_image() {
    assert_learns(&PLAIN, thompson());
}

#[test]
fn lin_ucb_finds_the_best_image_of_each_device() {
    assert_learns(&PERSONAL, PolicyKind::LinUcb { width: 0.7, lambda: 1.0 });
}

#[test]
fn linear_thompson_finds_the_best_image_of_each_device() {
    assert_learns(&PERSONAL, PolicyKind::LinearThompson { noise: 0.3, lambda: 1.0 });
}

/// Without context nothing can be learnt of a world where context is everything.
#[test]
fn context_is_what_makes_the_difference() {
    let (_, blind) = regret(&PERSONAL, thompson());
    let (_, seeing) = regret(&PERSONAL, PolicyKind::LinearThompson { noise: 0.3, lambda: 1.0 });
    assert!(seeing < 0.5 * blind, "{seeing} {blind}");
}

#[test]
fn the_same_seed_gives_the_same_regret() {
    let twice = [(); 2].map(|()| regret(&PLAIN, thompson()));
    assert_eq!(twice[0].1.to_bits(), twice[1].1.to_bits());
}
