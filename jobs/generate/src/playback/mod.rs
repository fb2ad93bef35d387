//! Generated playback: what players would report of titles that members watch.
//!
//! ```text
//!  Plays, or clicks ─► Play ─► session (start … stop) ─► Playback: in order of arrival ─► events
//! ```
//!
//! Everything follows from the seed and the plays. Events are yielded in order of arrival: with
//! disorder, one comes at most that much later than its event time says.

mod arrival;
mod event;
mod play;
mod session;
mod settings;

pub use arrival::Playback;
pub use event::{DELETIONS, STREAM};
pub use play::{Play, Plays, clicked};
pub use settings::{Appliance, PlaybackSettings};
