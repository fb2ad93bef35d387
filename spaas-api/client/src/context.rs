//! What a command has around it: where it writes, who it may ask, the environment, the clock.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use millrace_events::{Clock, SystemClock};

use crate::error::ClientError;

/// Pauses between the tries of a request that found nobody.
const PAUSES_MS: [u64; 3] = [100, 300, 900];
/// Between two looks at something that is waited for.
const POLL: Duration = Duration::from_millis(200);

/// Variables of the environment by name.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send>;

/// What a command has around it. Tests make their own.
pub struct Context {
    /// Results.
    pub out: Box<dyn Write + Send>,
    /// Talk: progress, errors, what to try next.
    pub talk: Box<dyn Write + Send>,
    /// Answers to questions, and manifests from `-`.
    pub input: Box<dyn BufRead + Send>,
    /// Whether results go to a terminal.
    pub out_terminal: bool,
    /// Whether talk goes to a terminal.
    pub talk_terminal: bool,
    /// Whether there is somebody to ask.
    pub input_terminal: bool,
    /// Variables of the environment.
    pub env: Environment,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Makes an idempotency key.
    pub new_key: Box<dyn FnMut() -> String + Send>,
    /// Pauses between the tries of a request; one try more than there are pauses.
    pub pauses: Vec<Duration>,
    /// Between two looks at something that is waited for.
    pub poll: Duration,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("out_terminal", &self.out_terminal).finish_non_exhaustive()
    }
}

impl Context {
    /// That of the process.
    pub fn of_process() -> Self {
        Self {
            out_terminal: io::stdout().is_terminal(),
            talk_terminal: io::stderr().is_terminal(),
            input_terminal: io::stdin().is_terminal(),
            out: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
            input: Box::new(io::BufReader::new(io::stdin())),
            env: Box::new(|name| std::env::var(name).ok()),
            clock: Arc::new(SystemClock::default()),
            new_key: Box::new(|| uuid::Uuid::new_v4().to_string()),
            pauses: PAUSES_MS.map(Duration::from_millis).to_vec(),
            poll: POLL,
        }
    }

    /// Writes results.
    pub(crate) fn put(&mut self, text: impl fmt::Display) -> Result<(), ClientError> {
        write!(self.out, "{text}")?;
        self.out.flush()?;
        Ok(())
    }

    /// Writes a line of results.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> Result<(), ClientError> {
        self.put(format_args!("{text}\n"))
    }

    /// Says something. Talk that nobody can hear is no reason to fail.
    pub(crate) fn say(&mut self, text: impl fmt::Display) {
        let _ = writeln!(self.talk, "{text}");
    }

    /// Shows where something stands, in place of what was shown before; on a terminal only.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.talk_terminal {
            let _ = write!(self.talk, "\r\x1b[K{text}");
            let _ = self.talk.flush();
        }
    }

    /// Whether results may have colours.
    pub(crate) fn colour(&self) -> bool {
        self.out_terminal && (self.env)("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Asks; nobody there counts as yes, for a script has said what it wants.
    pub(crate) fn agreed(&mut self, question: &str) -> Result<bool, ClientError> {
        if !self.input_terminal {
            return Ok(true);
        }
        let _ = write!(self.talk, "{question} [y/N] ");
        let _ = self.talk.flush();
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}
