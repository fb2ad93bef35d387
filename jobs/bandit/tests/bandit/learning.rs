//! Learning is exact: in any order, merged in any way, taken back.

use proptest::prelude::*;

use millrace_bandit::{Context, FEATURES, LearnError, LinearModel, LinearStats, Viewer};

fn context() -> impl Strategy<Value = Context> {
    prop::array::uniform12(-1.0_f64..=1.0)
        .prop_map(|f| Context::from_logged(&f).expect("in bounds and of the right length"))
}

fn impressions() -> impl Strategy<Value = Vec<(Context, bool)>> {
    prop::collection::vec((context(), any::<bool>()), 1..60)
}

fn learnt(of: &[(Context, bool)]) -> LinearStats {
    let mut stats = LinearStats::default();
    for (context, played) in of {
        stats.add(context, *played);
    }
    stats
}

proptest! {
    #[test]
    fn order_merging_and_taking_back_change_no_bit(
        all in impressions(), cut in any::<prop::sample::Index>()
    ) {
        let whole = learnt(&all);
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        prop_assert_eq!(&whole, &learnt(&reversed));

        let (left, right) = all.split_at(cut.index(all.len()));
        let mut merged = learnt(right);
        merged.merge(&learnt(left));
        prop_assert_eq!(&whole, &merged);

        for (context, played) in left {
            merged.retract(context, *played);
        }
        prop_assert_eq!(&merged, &learnt(right));
    }

    #[test]
    fn parameters_survive_their_text(all in impressions()) {
        let stats = learnt(&all);
        let read = LinearStats::from_json(&stats.a_json(), &stats.b_json()).expect("reads");
        prop_assert_eq!(&stats, &read);
        prop_assert_eq!(stats.a_json(), read.a_json());
    }

    /// `A θ = b` with the A and b that were summed.
    #[test]
    fn the_fit_solves_the_normal_equations(all in impressions()) {
        let model = LinearModel::fit(&learnt(&all), 0.5);
        for row in 0..FEATURES {
            let mut left = 0.5 * model.theta()[row];
            let mut right = 0.0;
            for (context, played) in &all {
                left += context.features()[row] * model.mean(context);
                right += context.features()[row] * f64::from(u8::from(*played));
            }
            prop_assert!((left - right).abs() < 1e-9, "{left} {right}");
        }
    }
}

#[test]
fn an_unseen_image_is_as_uncertain_as_the_ridge_says() {
    let model = LinearModel::fit(&LinearStats::default(), 4.0);
    let context = Context::unknown();
    assert!((model.width(&context) - 0.5).abs() < 1e-15, "one feature is 1, √(1/4)");
    assert!(model.mean(&context).abs() < 1e-15);
}

#[test]
fn each_feature_is_where_the_table_says() {
    let viewer = Viewer {
        device: Some("phone"),
        country: Some("de"),
        hour: Some(6.0),
        watched: Some(100),
        completion: Some(0.3),
    };
    let context = Context::of(&viewer);
    let mut expected = [0.0; FEATURES];
    expected[..8].copy_from_slice(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 307.0 / 1024.0]);
    assert_eq!(context.features()[..8], expected[..8]);
    assert!((context.features()[8..].iter().sum::<f64>() - 1.0).abs() < 1e-15, "one country");
    assert_eq!(context, Context::of(&Viewer { country: Some("DE"), ..viewer }));
    assert_eq!(context, Context::from_logged(context.features()).expect("is one"));
    assert_eq!(Context::from_logged(&[0.0; 11]), None);
    assert_eq!(Context::from_logged(&[2.0; FEATURES]), None);
    assert_eq!(Context::from_logged(&[f64::NAN; FEATURES]), None);
}

#[test]
fn texts_that_are_no_statistics_are_refused_with_the_column() {
    let good = LinearStats::default();
    let short = LinearStats::from_json("[1,2]", &good.b_json());
    assert_eq!(short, Err(LearnError::Length { column: "a", found: 2, expected: 78 }));
    let text = LinearStats::from_json(&good.a_json(), "{}");
    assert_eq!(text, Err(LearnError::NotNumbers { column: "b" }));
}
