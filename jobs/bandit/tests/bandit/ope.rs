//! Estimators: by hand, unbiased in a simulated world, and with intervals that cover.

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use millrace_bandit::ope::{
    Estimate, Estimator, RewardModel, Settings, SplitMix64, Trial, TrialError, evaluate,
};

fn of(estimates: &[Estimate], estimator: Estimator) -> Option<Estimate> {
    estimates.iter().find(|e| e.estimator == estimator).copied()
}

fn trial(reward: f64, propensity: f64, target: f64) -> Trial {
    Trial::new(reward, propensity, target).expect("sound")
}

#[test]
fn four_rows_by_hand() {
    let rows = [
        trial(1.0, 0.5, 1.0).predicted(0.5, 0.5),
        trial(0.0, 0.25, 0.5).predicted(0.25, 0.5),
        trial(1.0, 0.25, 0.0).predicted(0.25, 0.5),
        trial(0.0, 0.5, 1.0).predicted(0.5, 0.25),
    ]
    .map(|trial| trial.expect("finite"));
    let settings = Settings { resamples: 0, ..Settings::default() };
    let found = evaluate(&rows, &settings);
    let expected = [
        // Weights are 2, 2, 0, 2.
        (Estimator::OnPolicy, 2.0 / 4.0),
        (Estimator::Ips, 2.0 / 4.0),
        (Estimator::Snips, 2.0 / 6.0),
        (Estimator::Dm, 1.75 / 4.0),
        // 0.5 + 2·0.5, 0.5 − 2·0.25, 0.5, 0.25 − 2·0.5
        (Estimator::Dr, (1.5 + 0.0 + 0.5 - 0.75) / 4.0),
        (Estimator::Replay, 1.0 / 2.0),
    ];
    assert_eq!(found.len(), expected.len());
    for (estimator, value) in expected {
        let estimate = of(&found, estimator).expect("has rows");
        assert!((estimate.value - value).abs() < 1e-15, "{estimator} {}", estimate.value);
        assert_eq!(estimate.bootstrap, None);
    }
    // Of rewards 1, 0, 1, 0 the sample variance is 1/3, and the error of their mean √(1/12).
    let interval = of(&found, Estimator::OnPolicy).expect("has rows").normal;
    let reach = 1.959_963_984_540_054 * (1.0_f64 / 12.0).sqrt();
    assert!((interval.low - (0.5 - reach)).abs() < 1e-12, "{interval:?}");
    assert!((interval.high - (0.5 + reach)).abs() < 1e-12, "{interval:?}");
    let clipped = evaluate(&rows, &Settings { clip: Some(1.0), ..settings });
    assert!((of(&clipped, Estimator::Ips).expect("has rows").value - 0.25).abs() < 1e-15);
}

#[test]
fn estimators_without_anything_to_go_by_are_left_out() {
    assert!(evaluate(&[], &Settings::default()).is_empty());
    let found = evaluate(&[trial(1.0, 0.5, 0.2)], &Settings::default());
    let names: Vec<_> = found.iter().map(|e| e.estimator).collect();
    assert_eq!(names, [Estimator::OnPolicy, Estimator::Ips, Estimator::Snips]);
}

#[test]
fn a_reward_model_draws_rates_towards_that_of_all() {
    let mut model = RewardModel::new(2.0);
    model.add(1, true);
    (0..3).for_each(|_| model.add(2, false));
    // One play of four impressions counts for two more impressions of each image.
    for (image, expected) in [(1, (1.0 + 0.5) / 3.0), (2, 0.5 / 5.0), (3, 0.25)] {
        assert!((model.predict(image) - expected).abs() < 1e-15, "{image}");
    }
}

#[test]
fn rows_that_cannot_be_are_refused() {
    assert_eq!(Trial::new(1.0, 0.0, 0.5), Err(TrialError::Propensity(0.0)));
    assert!(matches!(Trial::new(1.0, f64::NAN, 0.5), Err(TrialError::Propensity(_))));
    assert_eq!(Trial::new(1.0, 0.5, 1.5), Err(TrialError::Target(1.5)));
    assert_eq!(Trial::new(f64::INFINITY, 0.5, 0.5), Err(TrialError::NotFinite("reward")));
    assert!(trial(0.0, 0.5, 0.5).predicted(f64::NAN, 0.0).is_err());
}

const RATES: [f64; 4] = [0.1, 0.2, 0.3, 0.15];
const TARGET: [f64; 4] = [0.1, 0.1, 0.7, 0.1];

/// A uniform log, evaluated for `TARGET`.
fn logged(rows: u32, seed: u64) -> Vec<Trial> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = RewardModel::new(10.0);
    let draw = |rng: &mut StdRng| {
        let image: usize = rng.random_range(0..4);
        (image, rng.random_bool(RATES[image]))
    };
    let name = |image: usize| i64::try_from(image).expect("0 to 3");
    for _ in 0..500 {
        let (image, played) = draw(&mut rng);
        model.add(name(image), played);
    }
    let policy = (0..4).map(|i| TARGET[i] * model.predict(name(i))).sum();
    let mut replayed = SplitMix64::new(seed);
    (0..rows)
        .map(|_| {
            let (image, played) = draw(&mut rng);
            trial(f64::from(u8::from(played)), 0.25, TARGET[image])
                .matched(replayed.random::<f64>() < TARGET[image])
                .predicted(model.predict(name(image)), policy)
                .expect("finite")
        })
        .collect()
}

/// In 100 logs the 95 % interval holds the true value nearly as often as it says, and the mean of
/// the estimates is the truth.
#[test]
fn intervals_cover_the_true_value() {
    let truth: f64 = RATES.iter().zip(TARGET).map(|(rate, p)| rate * p).sum();
    let settings = Settings { resamples: 200, ..Settings::default() };
    let logs: Vec<_> = (0..100).map(|seed| evaluate(&logged(600, seed), &settings)).collect();
    for estimator in [Estimator::Ips, Estimator::Snips, Estimator::Dr, Estimator::Replay] {
        let found: Vec<_> = logs.iter().filter_map(|e| of(e, estimator)).collect();
        let mean = found.iter().map(|e| e.value).sum::<f64>() / 100.0;
        assert!((mean - truth).abs() < 0.01, "{estimator}: {mean} for {truth}");
        let covers = |low: f64, high: f64| (low..=high).contains(&truth);
        let normal = found.iter().filter(|e| covers(e.normal.low, e.normal.high)).count();
        let bootstrap = found.iter().filter_map(|e| e.bootstrap);
        let bootstrap = bootstrap.filter(|i| covers(i.low, i.high)).count();
        assert!(normal >= 87, "{estimator}: {normal} of 100");
        assert!(bootstrap >= 87, "{estimator}: {bootstrap} of 100");
    }
}

#[test]
fn the_bootstrap_is_its_seed() {
    let rows = logged(300, 1);
    let with = |seed| {
        let settings = Settings { seed, resamples: 100, ..Settings::default() };
        of(&evaluate(&rows, &settings), Estimator::Ips).expect("has rows").bootstrap
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
    // The first number of SplitMix64 from seed 0, as its authors publish it.
    assert_eq!(SplitMix64::new(0).next_u64(), 0xe220_a839_7b1d_cdaf);
}
