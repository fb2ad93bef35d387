//! What names mean while a query is bound: streams, views, functions, types.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, TableReference, plan_datafusion_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};

use crate::functions::Functions;
use crate::{Catalog, SourceDef};

use super::relation::WindowPlanner;
use super::types::FlinkTypes;

/// A stream or table of the catalog, as DataFusion sees it.
pub(crate) struct StreamTable {
    /// What the catalog says of it.
    pub(crate) def: SourceDef,
}

impl TableSource for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.def.schema)
    }
}

/// A view: its name stands for its plan.
struct View {
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl TableSource for View {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

/// Everything a name in a query can mean.
pub(crate) struct Context {
    tables: BTreeMap<String, Arc<dyn TableSource>>,
    /// Views whose definition is wrong: what is said of them is enough.
    broken: Vec<String>,
    functions: Functions,
    options: ConfigOptions,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

impl Context {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let mut options = ConfigOptions::default();
        options.sql_parser.collect_spans = true;
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        // Flink holds NULL to be the least of all values.
        "nulls_min".clone_into(&mut options.sql_parser.default_null_ordering);
        let tables = catalog.sources.iter().map(|(name, def)| {
            (name.clone(), Arc::new(StreamTable { def: def.clone() }) as Arc<dyn TableSource>)
        });
        Self {
            tables: tables.collect(),
            broken: Vec::new(),
            functions: Functions::new(catalog),
            options,
            expr_planners: SessionStateDefaults::default_expr_planners(),
            relation_planners: vec![Arc::new(WindowPlanner)],
        }
    }

    /// Lets `name` stand for a plan.
    pub(crate) fn add_view(&mut self, name: String, plan: LogicalPlan) {
        let schema = Arc::clone(plan.schema().inner());
        self.tables.insert(name, Arc::new(View { plan, schema }));
    }

    /// Remembers that the definition of the view `name` is wrong.
    pub(crate) fn add_broken_view(&mut self, name: String) {
        self.broken.push(name);
    }

    /// Whether `name` is a view whose definition is wrong.
    pub(crate) fn is_broken(&self, name: &str) -> bool {
        self.broken.iter().any(|broken| broken == name)
    }

    /// Whether a stream, table or view is called `name`.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// Names of streams, tables and views.
    pub(crate) fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// The functions.
    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("tables", &self.tables.keys()).finish_non_exhaustive()
    }
}

impl ContextProvider for Context {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let bare = matches!(name, TableReference::Bare { .. });
        let table = self.tables.get(name.table()).filter(|_| bare).cloned();
        table.ok_or_else(|| plan_datafusion_err!("there is no table or view `{name}`"))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.functions.window(name)
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.functions.scalar_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.functions.aggregate_names()
    }

    fn udwf_names(&self) -> Vec<String> {
        vec!["row_number".to_owned()]
    }
}
