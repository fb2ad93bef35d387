//! Which function a name stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::functions as df;
use datafusion::functions_aggregate as agg;
use datafusion::functions_nested as nested;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use crate::Catalog;

use super::registered::aggregate_udf;
use super::{json, math, misc, regexp, text, time};

/// Name of the function that writes bytes in hexadecimal digits: no text can spell it.
pub(crate) const HEXADECIMAL: &str = "hexadecimal digits";

/// All functions by name in lower case: names of functions are not case-sensitive.
#[derive(Debug)]
pub(crate) struct Functions {
    scalars: BTreeMap<String, Arc<ScalarUDF>>,
    aggregates: BTreeMap<String, Arc<AggregateUDF>>,
    row_number: Arc<WindowUDF>,
}

impl Functions {
    /// Flink's functions and those of the catalog, which win.
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let mut scalars = BTreeMap::new();
        let own = [text::functions(), regexp::functions(), time::functions(), math::functions()];
        let own = own.into_iter().flatten().chain(json::functions()).chain(misc::functions());
        for (name, function) in of_datafusion().into_iter().chain(own) {
            scalars.insert(name.to_owned(), function);
        }
        for function in &catalog.scalars {
            scalars.insert(function.name().to_lowercase(), Arc::clone(function));
        }
        let mut aggregates: BTreeMap<String, Arc<AggregateUDF>> =
            aggregates().into_iter().map(|(name, function)| (name.to_owned(), function)).collect();
        for (name, function) in &catalog.aggregates {
            aggregates.insert(name.to_lowercase(), Arc::new(aggregate_udf(function)));
        }
        Self { scalars, aggregates, row_number: row_number_udwf() }
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars.get(&name.to_lowercase()).cloned()
    }

    pub(crate) fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(&name.to_lowercase()).cloned()
    }

    pub(crate) fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        name.eq_ignore_ascii_case("row_number").then(|| Arc::clone(&self.row_number))
    }

    /// Whether a query can call `name`.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let rewritten = ["if", "mod", "concat", "unnest", "row_number"];
        self.scalars.contains_key(&name)
            || self.aggregates.contains_key(&name)
            || rewritten.contains(&name.as_str())
    }

    /// All names.
    pub(crate) fn names(&self) -> Vec<String> {
        [self.scalar_names(), self.aggregate_names()].concat()
    }

    /// The names under which a query calls the function that DataFusion calls `name`.
    pub(crate) fn called(&self, name: &str) -> Vec<String> {
        let scalars = self.scalars.iter().map(|(known, function)| (known, function.name()));
        let aggregates = self.aggregates.iter().map(|(known, function)| (known, function.name()));
        let all = scalars.chain(aggregates);
        all.filter(|(_, own)| *own == name).map(|(known, _)| known.clone()).collect()
    }

    pub(crate) fn scalar_names(&self) -> Vec<String> {
        self.scalars.keys().cloned().collect()
    }

    pub(crate) fn aggregate_names(&self) -> Vec<String> {
        self.aggregates.keys().cloned().collect()
    }
}

/// Scalar functions whose meaning in DataFusion is Flink's.
fn of_datafusion() -> Vec<(&'static str, Arc<ScalarUDF>)> {
    let mut all = text_functions();
    all.extend([
        ("coalesce", df::core::coalesce()),
        ("ifnull", df::core::nvl()),
        ("nullif", df::core::nullif()),
        ("row", df::core::r#struct()),
        ("array", nested::make_array::make_array_udf()),
        ("array_contains", nested::array_has::array_has_udf()),
        ("array_distinct", nested::set_ops::array_distinct_udf()),
        ("array_position", nested::position::array_position_udf()),
        ("array_reverse", nested::reverse::array_reverse_udf()),
        ("array_concat", nested::concat::array_concat_udf()),
        ("md5", df::crypto::md5()),
        ("sha224", df::crypto::sha224()),
        ("sha256", df::crypto::sha256()),
        ("sha384", df::crypto::sha384()),
        ("sha512", df::crypto::sha512()),
        (HEXADECIMAL, df::encoding::encode()),
    ]);
    all
}

fn text_functions() -> Vec<(&'static str, Arc<ScalarUDF>)> {
    use df::{string, unicode};
    vec![
        ("upper", string::upper()),
        ("lower", string::lower()),
        ("btrim", string::btrim()),
        ("ltrim", string::ltrim()),
        ("rtrim", string::rtrim()),
        ("trim", string::btrim()),
        ("concat_ws", string::concat_ws()),
        ("repeat", string::repeat()),
        ("replace", string::replace()),
        ("ascii", string::ascii()),
        ("startswith", string::starts_with()),
        ("endswith", string::ends_with()),
        ("char_length", unicode::character_length()),
        ("character_length", unicode::character_length()),
        ("reverse", unicode::reverse()),
        ("initcap", unicode::initcap()),
        ("lpad", unicode::lpad()),
        ("rpad", unicode::rpad()),
        ("instr", unicode::strpos()),
        ("strpos", unicode::strpos()),
        ("overlay", df::core::overlay()),
    ]
}

fn aggregates() -> Vec<(&'static str, Arc<AggregateUDF>)> {
    vec![
        ("count", agg::count::count_udaf()),
        ("sum", agg::sum::sum_udaf()),
        ("min", agg::min_max::min_udaf()),
        ("max", agg::min_max::max_udaf()),
        ("avg", agg::average::avg_udaf()),
        ("first_value", agg::first_last::first_value_udaf()),
        ("last_value", agg::first_last::last_value_udaf()),
        ("stddev_pop", agg::stddev::stddev_pop_udaf()),
        ("stddev_samp", agg::stddev::stddev_udaf()),
        ("stddev", agg::stddev::stddev_udaf()),
        ("var_pop", agg::variance::var_pop_udaf()),
        ("var_samp", agg::variance::var_samp_udaf()),
        ("variance", agg::variance::var_samp_udaf()),
        ("listagg", agg::string_agg::string_agg_udaf()),
        ("collect", agg::array_agg::array_agg_udaf()),
        ("array_agg", agg::array_agg::array_agg_udaf()),
        ("bool_and", agg::bool_and_or::bool_and_udaf()),
        ("bool_or", agg::bool_and_or::bool_or_udaf()),
    ]
}
