//! Aggregate functions over rows of a test, in any order and in any parts.

use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray};
use millrace_plan::AggregateFunction;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

/// The function of this name.
pub(crate) fn function(name: &str) -> Arc<dyn AggregateFunction> {
    let mut all = millrace_functions::aggregates().into_iter();
    all.find(|function| function.name() == name).expect("there is such a function")
}

/// The state after these rows, in this order.
pub(crate) fn state(function: &dyn AggregateFunction, args: &[ArrayRef], rows: &[u32]) -> Vec<u8> {
    let mut state = Vec::new();
    function.update(&mut state, args, rows).expect("the rows are right");
    state
}

/// The state after these rows in an order, with repetitions, in parts and merged in a way that the
/// seed chooses.
pub(crate) fn shuffled(
    function: &dyn AggregateFunction,
    args: &[ArrayRef],
    rows: &[u32],
    seed: u64,
) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order = rows.to_vec();
    for _ in 0..rows.len() / 3 {
        order.extend(rows.choose(&mut rng));
    }
    order.shuffle(&mut rng);
    let mut states = vec![Vec::new(); rng.random_range(1..4)];
    while !order.is_empty() {
        let part = order.split_off(order.len() - rng.random_range(1..=order.len()));
        let into = rng.random_range(0..states.len());
        function.update(&mut states[into], args, &part).expect("the rows are right");
    }
    let mut all = Vec::new();
    for state in states.iter().filter(|state| !state.is_empty()) {
        if all.is_empty() {
            all.clone_from(state);
        } else {
            function.merge(&mut all, state).expect("states are of one function");
        }
    }
    all
}

/// The result of a state.
pub(crate) fn result(function: &dyn AggregateFunction, state: &[u8]) -> ArrayRef {
    function.finish(&[state]).expect("a state of the function")
}

/// The fields of a result that is a row, as texts.
pub(crate) fn fields(result: &ArrayRef) -> Vec<String> {
    let row = result.as_any().downcast_ref::<StructArray>().expect("it is a row");
    let text = |column: &ArrayRef| {
        arrow::util::display::array_value_to_string(column, 0).expect("it has a text")
    };
    row.columns().iter().map(text).collect()
}
