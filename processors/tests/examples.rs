//! The examples do what they say.

use std::error::Error;

use arrow::util::pretty::pretty_format_batches;

#[path = "../examples/in_process.rs"]
#[expect(dead_code, reason = "an example has a main of its own")]
mod in_process;
#[path = "../examples/registered_function.rs"]
#[expect(dead_code, reason = "an example has a main of its own")]
mod registered_function;

#[tokio::test]
async fn a_job_runs_inside_a_program() -> Result<(), Box<dyn Error>> {
    let rows = in_process::per_minute(in_process::plays()).await?;
    let mut lines: Vec<_> =
        pretty_format_batches(&rows)?.to_string().lines().map(str::to_owned).collect();
    lines.retain(|line| line.contains("1970"));
    lines.sort();
    let expected = [
        "| 1970-01-01T00:00:00Z | Arrival | 2     |",
        "| 1970-01-01T00:01:00Z | Arrival | 2     |",
        "| 1970-01-01T00:01:00Z | Solaris | 1     |",
    ];
    assert_eq!(lines, expected);
    Ok(())
}

#[tokio::test]
async fn functions_of_a_program_work_in_sql() -> Result<(), Box<dyn Error>> {
    let rows = registered_function::answers(registered_function::requests()).await?;
    let expected = "\
+--------+---------+
| server | typical |
+--------+---------+
| a      | 2.0     |
| b      | 0.5     |
+--------+---------+";
    assert_eq!(pretty_format_batches(&[rows])?.to_string(), expected);
    Ok(())
}
