//! `job logs` and `job tail`: what comes as long as one listens.

use clap::Args;
use futures::StreamExt;

use super::TargetArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::table::one_line;

/// Longest line of a stream; a server that never ends one is not listened to for ever.
const MAX_LINE: usize = 16 << 20;

/// Whose log.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Go on: print each new line when it is written.
    #[arg(short, long)]
    follow: bool,
    /// Begin with so many of the newest lines.
    #[arg(long, value_name = "N")]
    lines: Option<u32>,
    #[command(flatten)]
    target: TargetArgs,
}

/// Whose rows.
#[derive(Debug, Clone, Args)]
pub struct TailArgs {
    /// Only those of this sink.
    #[arg(long, value_name = "SINK")]
    sink: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) async fn logs(args: LogsArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let api = args.target.connection.open(ctx)?;
    let call = Call::get(&args.target.path(&["logs"]))
        .accept("text/plain")
        .query(args.lines.map(|lines| ("lines", lines.to_string())))
        .query(args.follow.then(|| ("follow", "true".to_owned())));
    each_line(&api, &call, async |line| {
        // Tabs are how logs are laid out; anything else of that kind could move the cursor.
        let line = line.split('\t').map(one_line).collect::<Vec<_>>().join("\t");
        ctx.line(line)
    })
    .await
}

pub(super) async fn tail(args: TailArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let api = args.target.connection.open(ctx)?;
    let call = Call::get(&args.target.path(&["tail"]))
        .accept("text/event-stream")
        .query(args.sink.map(|sink| ("sink", sink)));
    let mut events = Events::default();
    each_line(&api, &call, async |line| match events.take(line) {
        Some(Sse { event, data }) if event == "error" => Err(ClientError::Failed(data)),
        Some(Sse { data, .. }) => ctx.line(data),
        None => Ok(()),
    })
    .await
}

/// Hands on each line of an answer as it comes.
async fn each_line(
    api: &Api,
    call: &Call,
    mut each: impl AsyncFnMut(&str) -> Result<(), ClientError>,
) -> Result<ExitKind, ClientError> {
    let mut chunks = api.stream(call).await?.bytes_stream();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| api.unreachable(format!("it broke off: {error}")))?;
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])).await?;
        }
        if rest.len() > MAX_LINE {
            return Err(ClientError::Failed(format!("a line is longer than {MAX_LINE} bytes")));
        }
    }
    if !rest.is_empty() {
        each(&String::from_utf8_lossy(&rest)).await?;
    }
    Ok(ExitKind::Done)
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sse {
    event: String,
    data: String,
}

/// Puts server-sent events together out of their lines.
#[derive(Debug, Default)]
struct Events {
    event: String,
    data: Vec<String>,
}

impl Events {
    /// Takes a line; the empty one ends an event.
    fn take(&mut self, line: &str) -> Option<Sse> {
        if line.is_empty() {
            let Self { event, data } = std::mem::take(self);
            return (!data.is_empty()).then(|| Sse { event, data: data.join("\n") });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.data.push(value.to_owned()),
            "event" => value.clone_into(&mut self.event),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_out_of_lines() {
        let mut events = Events::default();
        let lines = [": keep alive", "", "event: row", "data: {\"a\":", "data: 1}", "", "id: 7"];
        let found: Vec<Sse> = lines.iter().filter_map(|line| events.take(line)).collect();
        let data = "{\"a\":\n1}".to_owned();
        assert_eq!(found, [Sse { event: "row".to_owned(), data }]);
    }
}
