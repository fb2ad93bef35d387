//! The appliances of a snapshot, laid out for ranking.

use std::collections::HashMap;
use std::sync::Arc;

use super::appliance::{Appliance, Fault};
use super::places::Places;
use super::set::ApplianceNo;

/// The place of an appliance whose position is not known.
pub const NO_PLACE: u16 = u16::MAX;

/// Appliances by number, with what ranking asks of each.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    appliances: Vec<Arc<Appliance>>,
    faults: Vec<Option<Fault>>,
    places_of: Vec<u16>,
    inverse_weights: Vec<f64>,
    systems: HashMap<u32, System>,
    places: Arc<Places>,
    newest_report_ms: Option<i64>,
    serving: usize,
}

/// The appliances of an autonomous system.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// Their numbers, ascending.
    pub appliances: Vec<ApplianceNo>,
    /// The places they are at.
    pub at: Vec<u16>,
    /// Of each place, the band of its distance to the nearest of theirs; empty if they have none.
    pub near: Vec<u8>,
}

impl Roster {
    pub(super) fn new(appliances: Vec<Arc<Appliance>>, places: Arc<Places>) -> Self {
        let place = |a: &Arc<Appliance>| {
            let position = a.report.as_ref().and_then(|report| report.position);
            position.and_then(|position| places.find(position)).unwrap_or(NO_PLACE)
        };
        let places_of: Vec<u16> = appliances.iter().map(place).collect();
        let faults: Vec<_> = appliances.iter().map(|a| a.fault()).collect();
        let reports = || appliances.iter().filter_map(|a| a.report.as_ref());
        Self {
            systems: systems(&appliances, &places_of, &places),
            inverse_weights: appliances.iter().map(|a| a.weight.factor().recip()).collect(),
            newest_report_ms: reports().filter_map(|report| report.last_report_ms).max(),
            serving: faults.iter().filter(|fault| fault.is_none()).count(),
            places_of,
            faults,
            places,
            appliances,
        }
    }

    /// How many appliances some feed has mentioned.
    pub fn len(&self) -> usize {
        self.appliances.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.appliances.is_empty()
    }

    /// How many may serve.
    pub fn serving(&self) -> usize {
        self.serving
    }

    /// Appliance `no`.
    pub fn appliance(&self, no: ApplianceNo) -> &Appliance {
        &self.appliances[usize::from(no)]
    }

    /// Why appliance `no` serves nobody, if so.
    pub fn fault(&self, no: ApplianceNo) -> Option<Fault> {
        self.faults[usize::from(no)]
    }

    /// All appliances with their faults and places, by number.
    pub fn faults_and_places(&self) -> impl Iterator<Item = (Option<Fault>, u16)> + '_ {
        self.faults.iter().copied().zip(self.places_of.iter().copied())
    }

    /// The place of appliance `no`, or [`NO_PLACE`].
    pub fn place(&self, no: ApplianceNo) -> u16 {
        self.places_of[usize::from(no)]
    }

    /// 1 ÷ the weight of appliance `no`.
    pub fn inverse_weight(&self, no: ApplianceNo) -> f64 {
        self.inverse_weights[usize::from(no)]
    }

    /// The appliances in an AS.
    pub fn system(&self, asn: u32) -> Option<&System> {
        self.systems.get(&asn)
    }

    /// Where appliances are.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// When the appliance that reported last did.
    pub fn newest_report_ms(&self) -> Option<i64> {
        self.newest_report_ms
    }
}

fn systems(
    appliances: &[Arc<Appliance>],
    places_of: &[u16],
    places: &Places,
) -> HashMap<u32, System> {
    let mut systems: HashMap<u32, System> = HashMap::new();
    for ((no, appliance), place) in (0..).zip(appliances).zip(places_of) {
        let Some(asn) = appliance.report.as_ref().and_then(|report| report.asn) else { continue };
        let system = systems.entry(asn).or_default();
        system.appliances.push(no);
        if *place != NO_PLACE && !system.at.contains(place) {
            system.at.push(*place);
        }
    }
    for system in systems.values_mut() {
        system.near = nearest(&system.at, places);
    }
    systems
}

/// Of each place, the band of its distance to the nearest of `at`; empty if that is.
pub(crate) fn nearest(at: &[u16], places: &Places) -> Vec<u8> {
    let Some((first, rest)) = at.split_first() else { return Vec::new() };
    let mut near = places.bands(*first).to_vec();
    for place in rest {
        near.iter_mut()
            .zip(places.bands(*place))
            .for_each(|(near, band)| *near = (*near).min(*band));
    }
    near
}
