//! `completions`.

use clap::Args;
use clap_complete::Shell;

use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;

/// Which shell.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(
    args: &CompletionsArgs,
    mut root: clap::Command,
    ctx: &mut Context,
) -> Result<ExitKind, ClientError> {
    let name = root.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut root, name, &mut script);
    ctx.put(String::from_utf8_lossy(&script))?;
    Ok(ExitKind::Done)
}
