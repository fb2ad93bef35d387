//! The writer's copy of the fleet, and the snapshot that readers get of it.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::appliance::{Appliance, Report};
use super::asn::AsnTable;
use super::files::Files;
use super::places::Places;
use super::roster::Roster;
use super::routes::Routes;
use super::set::ApplianceNo;

/// The fleet at one moment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// The appliances.
    pub roster: Arc<Roster>,
    /// What they announce.
    pub routes: Routes,
    /// What they hold.
    pub files: Files,
    /// Who owns which addresses.
    pub asn: Arc<AsnTable>,
}

/// How big a fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, utoipa::ToSchema)]
pub struct FleetSize {
    /// Appliances that some feed has mentioned.
    pub appliances: usize,
    /// Those of them that may serve.
    pub serving: usize,
    /// Announced prefixes.
    pub prefixes: usize,
    /// Files that somebody holds.
    pub files: usize,
}

impl Fleet {
    /// How big it is.
    pub fn size(&self) -> FleetSize {
        FleetSize {
            appliances: self.roster.len(),
            serving: self.roster.serving(),
            prefixes: self.routes.prefixes(),
            files: self.files.len(),
        }
    }
}

/// A change that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// Numbers have 16 bits.
    #[error("more than {} appliances", ApplianceNo::MAX)]
    TooMany,
}

/// The fleet being changed. A [`Draft::snapshot`] shares with it whatever does not change
/// afterwards.
#[derive(Debug)]
pub struct Draft {
    numbers: HashMap<Arc<str>, ApplianceNo>,
    appliances: Vec<Arc<Appliance>>,
    places: Arc<Places>,
    min_headroom_mbps: f64,
    fleet: Fleet,
    roster_changed: bool,
    changed: bool,
}

impl Draft {
    /// An empty fleet. Appliances with less headroom than `min_headroom_mbps` will serve nobody.
    pub fn new(asn: Arc<AsnTable>, min_headroom_mbps: f64) -> Self {
        Self {
            numbers: HashMap::new(),
            appliances: Vec::new(),
            places: Arc::default(),
            min_headroom_mbps,
            fleet: Fleet { asn, ..Fleet::default() },
            roster_changed: false,
            changed: false,
        }
    }

    /// Takes an appliance's report; `None`: its row is gone.
    pub fn report(&mut self, id: &str, report: Option<Report>) -> Result<(), FleetError> {
        let no = self.number(id)?;
        if let Some(position) = report.as_ref().and_then(|report| report.position)
            && self.places.find(position).is_none()
        {
            Arc::make_mut(&mut self.places).number(position);
        }
        let appliance = Arc::make_mut(&mut self.appliances[usize::from(no)]);
        match report {
            Some(report) => appliance.update(report, self.min_headroom_mbps),
            None => appliance.report = None,
        }
        self.roster_changed = true;
        Ok(())
    }

    /// An appliance announces a prefix.
    pub fn announce(&mut self, id: &str, prefix: IpNet) -> Result<(), FleetError> {
        let no = self.number(id)?;
        self.changed |= self.fleet.routes.announce(prefix, no);
        Ok(())
    }

    /// An appliance withdraws a prefix.
    pub fn withdraw(&mut self, id: &str, prefix: IpNet) {
        if let Some(no) = self.numbers.get(id) {
            self.changed |= self.fleet.routes.withdraw(prefix, *no);
        }
    }

    /// An appliance holds a file.
    pub fn add_file(&mut self, id: &str, file: &str) -> Result<(), FleetError> {
        let no = self.number(id)?;
        self.changed |= self.fleet.files.add(file, no);
        Ok(())
    }

    /// An appliance holds a file no more.
    pub fn remove_file(&mut self, id: &str, file: &str) {
        if let Some(no) = self.numbers.get(id) {
            self.changed |= self.fleet.files.remove(file, *no);
        }
    }

    /// Forgets all reports.
    pub fn clear_reports(&mut self) {
        for appliance in &mut self.appliances {
            Arc::make_mut(appliance).report = None;
        }
        self.places = Arc::default();
        self.roster_changed = true;
    }

    /// Forgets all announcements.
    pub fn clear_routes(&mut self) {
        self.fleet.routes = Routes::default();
        self.changed = true;
    }

    /// Forgets who holds what.
    pub fn clear_files(&mut self) {
        self.fleet.files = Files::default();
        self.changed = true;
    }

    /// What readers should see now; `None` if nothing has changed since the last one.
    pub fn snapshot(&mut self) -> Option<Fleet> {
        if self.roster_changed {
            let (appliances, places) = (self.appliances.clone(), Arc::clone(&self.places));
            self.fleet.roster = Arc::new(Roster::new(appliances, places));
        } else if !self.changed {
            return None;
        }
        (self.roster_changed, self.changed) = (false, false);
        Some(self.fleet.clone())
    }

    /// The number of an appliance; a new one if it was never mentioned.
    fn number(&mut self, id: &str) -> Result<ApplianceNo, FleetError> {
        if let Some(no) = self.numbers.get(id) {
            return Ok(*no);
        }
        let no = ApplianceNo::try_from(self.appliances.len()).map_err(|_| FleetError::TooMany)?;
        let appliance = Appliance::new(id);
        self.numbers.insert(Arc::clone(&appliance.id), no);
        self.appliances.push(Arc::new(appliance));
        // Every number in a snapshot's sets must be one of its roster.
        self.roster_changed = true;
        Ok(no)
    }
}
