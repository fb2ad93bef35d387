//! A sink for the rows that come after their window has closed.

use anyhow::ensure;

use millrace_plan::JobPlan;

/// Has `plan` write late rows to the sink `name`. A job that finds none late gets no such sink.
pub(super) fn keep_late_rows(plan: &mut JobPlan, name: &str) -> anyhow::Result<()> {
    let taken = plan.sinks().any(|(_, sink)| sink.name == name);
    ensure!(!taken, "--late {name}: the job writes a sink of that name");
    plan.keep_late_rows(name);
    Ok(())
}
