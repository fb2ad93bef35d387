//! From text to a plan.

use crate::{Catalog, JobPlan, SqlError, convert, sql};

/// Plans a job: `CREATE TEMPORARY VIEW` and `INSERT INTO` statements, separated by semicolons.
///
/// # Errors
/// Every mistake found, in the order of the text; statements are checked independently of each
/// other.
///
/// ```
/// use millrace_plan::{Catalog, SinkDef, plan};
///
/// let catalog = Catalog::default().sink("out", SinkDef { schema: None, key: None });
/// let errors = plan("INSERT INTO out SELECT url FROM clicks", &catalog).unwrap_err();
/// assert_eq!(errors[0].to_string(), "\
/// line 1, column 33: there is no table or view `clicks`
///   | INSERT INTO out SELECT url FROM clicks
///   |                                 ^^^^^^
///   = there are no tables");
/// ```
pub fn plan(sql: &str, catalog: &Catalog) -> Result<JobPlan, Vec<SqlError>> {
    let bound = sql::bind(sql, catalog)?;
    convert::convert(&bound, catalog)
}
