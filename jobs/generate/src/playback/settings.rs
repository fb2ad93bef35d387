//! How generated members watch.

/// How members watch, and how the events of their players arrive.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaybackSettings {
    /// What everything is drawn from.
    pub seed: u64,
    /// Mean length of what is watched of a title at a time, in seconds.
    pub watched_s: u32,
    /// Chance that a reporting interval (30 s) ends in a pause instead of a heartbeat.
    pub pause: f64,
    /// Chance that a pause is so long (31 to 120 minutes) that it ends the viewing session.
    pub long_pause: f64,
    /// Chance that a reporting interval ends in a seek instead of a heartbeat.
    pub seek: f64,
    /// Chance that the player dies: no `stop`.
    pub missing_stop: f64,
    /// Chance that the member deletes the title from the history, while watching or in the hours
    /// after it.
    pub deletion: f64,
    /// Events arrive up to this much later than they happened, so in another order; 0 for in order.
    pub disorder_ms: u32,
    /// Chance that an event arrives twice.
    pub duplicate: f64,
    /// Appliances that serve the files: of the member's country, where there are any there.
    pub appliances: Vec<Appliance>,
}

/// An appliance that players are served by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appliance {
    /// Its id.
    pub id: String,
    /// ISO 3166 code of the country it stands in.
    pub country: String,
}

impl Default for PlaybackSettings {
    /// A quarter of an hour at a time, in order, each event once, nothing deleted, nobody knows who
    /// serves.
    fn default() -> Self {
        Self {
            seed: 0,
            watched_s: 900,
            pause: 0.02,
            long_pause: 0.1,
            seek: 0.02,
            missing_stop: 0.1,
            deletion: 0.0,
            disorder_ms: 0,
            duplicate: 0.0,
            appliances: Vec::new(),
        }
    }
}
