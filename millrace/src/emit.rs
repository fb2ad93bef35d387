//! `millrace emit`: events from a file or stdin to a stream, with progress.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use millrace_bus::{KafkaSettings, Producer, ProducerLimits};
use millrace_events::{Header, ID_HEADER, Outgoing, StreamSchema, Transport, new_event_id};
use millrace_spec::Manifests;

use crate::cli::EmitArgs;
use crate::platform::RunFile;
use crate::{Verdict, compose, manifests};

/// Events sent at once.
const CHUNK: usize = 2_000;
const QUEUE_BYTES: usize = 32 << 20;
/// Complaints printed in full; the rest is counted.
const SHOWN: u64 = 20;

/// `millrace emit`.
pub(crate) async fn run(args: EmitArgs) -> anyhow::Result<Verdict> {
    let manifests = manifests::load(&args.manifests)?;
    let stream = find(&manifests, &args.stream)?;
    let kafka = match compose::cluster(&args.kafka)? {
        Some(kafka) => kafka,
        None => KafkaSettings::plain(RunFile::read(&args.data)?.kafka),
    };
    let linger = Duration::from_millis(5);
    let producer = Producer::new(&kafka, ProducerLimits { queue_bytes: QUEUE_BYTES, linger })?;
    let file = args.file.as_deref().filter(|f| *f != Path::new("-"));
    let bytes = file.map(std::fs::metadata).transpose()?.map(|m| m.len());
    let bar = progress(bytes);
    let started = Instant::now();
    let mut emission = Emission { stream, producer, bar, sent: 0, refused: 0, line: 0 };
    match file {
        Some(path) => {
            let file = tokio::fs::File::open(path).await;
            let file = file.with_context(|| format!("open {}", path.display()))?;
            emission.all(BufReader::new(file)).await?;
        }
        None => emission.all(BufReader::new(tokio::io::stdin())).await?,
    }
    emission.bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
    let rate = emission.sent as f64 / seconds.max(1e-9);
    println!("{} events acknowledged in {seconds:.2} s ({rate:.0} events/s)", emission.sent);
    if emission.refused > 0 {
        eprintln!("{} lines were not sent", emission.refused);
        return Ok(Verdict::Bad);
    }
    Ok(Verdict::Good)
}

fn find(manifests: &Manifests, name: &str) -> anyhow::Result<Arc<StreamSchema>> {
    if let Some((_, stream)) = manifests.streams.iter().find(|(n, _)| n.as_str() == name) {
        return Ok(Arc::clone(stream));
    }
    let known: Vec<_> = manifests.streams.keys().map(ToString::to_string).collect();
    bail!("there is no stream `{name}`; streams are {}", known.join(", "))
}

fn progress(bytes: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let form = if bytes.is_some() {
        "{bar:30} {bytes}/{total_bytes} {msg} {eta}"
    } else {
        "{spinner} {bytes} {msg} {elapsed}"
    };
    bar.with_style(ProgressStyle::with_template(form).expect("the template is a constant"))
}

/// One run of the command.
struct Emission {
    stream: Arc<StreamSchema>,
    producer: Producer,
    bar: ProgressBar,
    sent: u64,
    refused: u64,
    line: u64,
}

impl Emission {
    async fn all(&mut self, lines: impl AsyncBufRead + Unpin) -> anyhow::Result<()> {
        let mut lines = lines.split(b'\n');
        let started = Instant::now();
        let mut chunk = Vec::new();
        loop {
            let line = lines.next_segment().await.context("read the events")?;
            let end = line.is_none();
            if let Some(line) = line {
                self.line += 1;
                self.bar.inc(line.len() as u64 + 1);
                if let Some(event) = self.event(line) {
                    chunk.push((self.line, event));
                }
            }
            if chunk.len() >= CHUNK || end {
                self.send(std::mem::take(&mut chunk)).await?;
                let rate = self.sent / started.elapsed().as_secs().max(1);
                self.bar.set_message(format!("{} events, {rate}/s", self.sent));
            }
            if end {
                return Ok(());
            }
        }
    }

    /// The line as a record; `None` for an empty line or one that is no JSON object.
    fn event(&mut self, line: Vec<u8>) -> Option<Outgoing> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(&line)
        {
            Ok(object) => object,
            Err(e) => {
                self.refuse(self.line, &format!("not a JSON object: {e}"));
                return None;
            }
        };
        let text = |name: &Option<String>| match object.get(name.as_deref()?)? {
            serde_json::Value::String(s) => Some(s.clone()),
            serde_json::Value::Null => None,
            other => Some(other.to_string()),
        };
        let id = text(&self.stream.id).unwrap_or_else(new_event_id);
        Some(Outgoing {
            topic: self.stream.topic.as_str().into(),
            partition: None,
            key: text(&self.stream.key).map(Bytes::from),
            value: Some(Bytes::from(line)),
            headers: vec![Header { name: ID_HEADER.into(), value: Some(Bytes::from(id)) }],
            timestamp_ms: None,
        })
    }

    async fn send(&mut self, chunk: Vec<(u64, Outgoing)>) -> anyhow::Result<()> {
        let (lines, records): (Vec<_>, Vec<_>) = chunk.into_iter().unzip();
        for (line, result) in lines.into_iter().zip(self.producer.send(records).await) {
            match result {
                Ok(()) => self.sent += 1,
                Err(e @ millrace_events::SendError::Rejected(_)) => {
                    self.refuse(line, &e.to_string());
                }
                Err(e) => {
                    bail!("line {line}: {e}; {} events before it were acknowledged", self.sent)
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, why: &str) {
        self.refused += 1;
        if self.refused <= SHOWN {
            self.bar.suspend(|| eprintln!("line {line}: {why}"));
        }
    }
}
