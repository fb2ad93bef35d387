//! Views: each takes the changes of one feed into the draft.

use std::sync::Arc;

use millrace_feeds::{Change, View};

use crate::fleet::Draft;

use super::desk::Desk;
use super::row::{Key, RowError, report};

/// The feed of appliances' health.
pub const APPLIANCES: &str = "appliances";
/// The feed of announced prefixes.
pub const ROUTES: &str = "appliance_routes";
/// The feed of stored files.
pub const FILES: &str = "appliance_files";

/// A feed, and what its changes do to the draft.
struct Taking {
    desk: Arc<Desk>,
    feed: &'static str,
    clear: fn(&mut Draft),
    take: fn(&mut Draft, &Change) -> Result<(), Trouble>,
}

/// Why a change was not taken.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Fleet(#[from] crate::fleet::FleetError),
}

impl Desk {
    /// The views of all three feeds, which change this desk's draft.
    pub fn views(self: &Arc<Self>) -> Vec<Box<dyn View>> {
        let view = |feed, clear, take| -> Box<dyn View> {
            Box::new(Taking { desk: Arc::clone(self), feed, clear, take })
        };
        vec![
            view(APPLIANCES, Draft::clear_reports, appliance),
            view(ROUTES, Draft::clear_routes, route),
            view(FILES, Draft::clear_files, file),
        ]
    }
}

impl View for Taking {
    fn feed(&self) -> &str {
        self.feed
    }

    fn reset(&mut self) {
        (self.clear)(&mut self.desk.draft());
    }

    fn apply(&mut self, changes: &[Change]) {
        // In pieces, so that a publication need not wait for a whole batch.
        for piece in changes.chunks(1024) {
            let mut draft = self.desk.draft();
            for change in piece {
                if let Err(why) = (self.take)(&mut draft, change) {
                    self.desk.skip(self.feed, &why);
                }
            }
        }
    }
}

fn appliance(draft: &mut Draft, change: &Change) -> Result<(), Trouble> {
    let key = Key::parse(&change.key)?;
    // A row that cannot be read says nothing good about its appliance: it serves nobody.
    let row = change.row.as_deref().map(report).transpose();
    let (report, trouble) = match row {
        Ok(report) => (report, None),
        Err(trouble) => (None, Some(trouble)),
    };
    draft.report(key.appliance(), report)?;
    trouble.map_or(Ok(()), |trouble| Err(trouble.into()))
}

fn route(draft: &mut Draft, change: &Change) -> Result<(), Trouble> {
    let key = Key::parse(&change.key)?;
    let prefix = key.prefix()?;
    if change.row.is_some() {
        draft.announce(key.appliance(), prefix)?;
    } else {
        draft.withdraw(key.appliance(), prefix);
    }
    Ok(())
}

fn file(draft: &mut Draft, change: &Change) -> Result<(), Trouble> {
    let key = Key::parse(&change.key)?;
    let file = key.file()?;
    if change.row.is_some() {
        draft.add_file(key.appliance(), file)?;
    } else {
        draft.remove_file(key.appliance(), file);
    }
    Ok(())
}
