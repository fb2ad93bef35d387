//! Events of the `nexmark` crate's generator as batches of the three flat streams.

use std::iter::Take;
use std::num::NonZeroUsize;

use arrow::record_batch::RecordBatch;
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use serde::{Deserialize, Serialize};

use crate::rows::{AuctionRows, Batches, BidRows, PersonRows};

/// Events between the first ids of two neighbouring seeds.
const EVENTS_PER_SEED: usize = 1_000_000;

/// What is generated. The same settings give the same rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many events, of all three kinds together.
    pub events: usize,
    /// Another seed gives other ids and other values; the generator derives each event from its id.
    pub seed: u32,
    /// Time of the first event, in milliseconds since the Unix epoch.
    pub base_time_ms: u64,
    /// Events per second of event time.
    pub events_per_second: usize,
    /// Whether events of one millisecond are set apart by microseconds, in the order they come.
    /// The generator's clock ticks in milliseconds, and "the last bid" of a tie is not defined;
    /// with distinct times every query has one result. Holds up to 1,000 events a millisecond.
    pub distinct_times: bool,
    /// Persons among `persons + auctions + bids` successive events; at least 1.
    pub persons: usize,
    /// Auctions among `persons + auctions + bids` successive events; at least 1.
    pub auctions: usize,
    /// Bids among `persons + auctions + bids` successive events.
    pub bids: usize,
    /// Persons who may bid or sell at a time.
    pub active_people: usize,
    /// Auctions open at a time, on average.
    pub in_flight_auctions: usize,
    /// One auction in so many is *not* of a hot seller.
    pub hot_seller_ratio: usize,
    /// One bid in so many is *not* for a hot auction.
    pub hot_auction_ratio: usize,
    /// One bid in so many is *not* of a hot bidder.
    pub hot_bidder_ratio: usize,
    /// One bid in so many does *not* come through one of the four hot channels.
    pub hot_channel_ratio: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            events: 100_000,
            seed: 0,
            // 2015-07-15T00:00:00Z, where other Nexmark generators start as well.
            base_time_ms: 1_436_918_400_000,
            events_per_second: 10_000,
            distinct_times: true,
            persons: 1,
            auctions: 3,
            bids: 46,
            active_people: 1_000,
            in_flight_auctions: 100,
            hot_seller_ratio: 4,
            hot_auction_ratio: 2,
            hot_bidder_ratio: 4,
            hot_channel_ratio: 2,
        }
    }
}

impl Settings {
    fn config(&self) -> NexmarkConfig {
        let cycle = self.persons + self.auctions + self.bids;
        NexmarkConfig {
            // The generator tells kinds apart by the event's number and ids by its id; both agree
            // only while the first id is a multiple of the cycle.
            first_event_id: self.seed as usize * EVENTS_PER_SEED.div_ceil(cycle) * cycle,
            base_time: self.base_time_ms,
            first_rate: self.events_per_second,
            next_rate: self.events_per_second,
            person_proportion: self.persons,
            auction_proportion: self.auctions,
            bid_proportion: self.bids,
            active_people: self.active_people,
            in_flight_auctions: self.in_flight_auctions,
            hot_seller_ratio: self.hot_seller_ratio,
            hot_auction_ratio: self.hot_auction_ratio,
            hot_bidder_ratio: self.hot_bidder_ratio,
            hot_channel_ratio: self.hot_channel_ratio,
            ..NexmarkConfig::default()
        }
    }
}

/// Rows of the three flat streams, each in the order of event time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// The stream `person`.
    pub persons: Vec<RecordBatch>,
    /// The stream `auction`.
    pub auctions: Vec<RecordBatch>,
    /// The stream `bid`.
    pub bids: Vec<RecordBatch>,
}

impl Events {
    /// Number of events of all kinds.
    pub fn rows(&self) -> usize {
        let all = [&self.persons, &self.auctions, &self.bids];
        all.into_iter().flatten().map(RecordBatch::num_rows).sum()
    }
}

/// The generator, for runs too long to be held in memory at once.
pub struct Generator {
    source: Take<EventGenerator>,
    clock: Clock,
}

impl Generator {
    /// A generator at its first event.
    pub fn new(settings: &Settings) -> Self {
        Self::at(settings, 0)
    }

    /// A generator that left out the first `skipped` events: every event follows from its number.
    pub fn at(settings: &Settings, skipped: usize) -> Self {
        let source = EventGenerator::new(settings.config());
        let millis = |event: usize| source.clone().with_offset(event as u64).timestamp();
        let mut clock = Clock { distinct: settings.distinct_times, ..Clock::default() };
        // The clock counts the events of a millisecond, of which some may have been left out.
        let current = millis(skipped);
        let earlier = (0..skipped).rev().map(millis).take_while(|millis| *millis == current);
        for millis in earlier {
            clock.micros(millis);
        }
        let left = settings.events.saturating_sub(skipped);
        Self { source: source.with_offset(skipped as u64).take(left), clock }
    }

    /// The next `events` events, or those that are left, in batches of `batch_rows` rows.
    pub fn next_events(&mut self, events: usize, batch_rows: usize) -> Events {
        let mut persons = Batches::<PersonRows>::new(batch_rows);
        let mut auctions = Batches::<AuctionRows>::new(batch_rows);
        let mut bids = Batches::<BidRows>::new(batch_rows);
        for event in self.source.by_ref().take(events) {
            let micros = self.clock.micros(event.timestamp());
            match event {
                Event::Person(person) => persons.push(&person, micros),
                Event::Auction(auction) => auctions.push(&auction, micros),
                Event::Bid(bid) => bids.push(&bid, micros),
            }
        }
        Events { persons: persons.take(), auctions: auctions.take(), bids: bids.take() }
    }
}

/// All events of `settings`, in batches of `batch_rows` rows (the last of a stream may be short).
/// Every core takes a share; how many there are does not show in the result.
pub fn generate(settings: &Settings, batch_rows: usize) -> Events {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    generate_on(cores, settings, batch_rows)
}

fn generate_on(cores: usize, settings: &Settings, batch_rows: usize) -> Events {
    // In so many events every stream fills whole batches, and no batch crosses two shares.
    let whole = (settings.persons + settings.auctions + settings.bids) * batch_rows.max(1);
    let share = settings.events.div_ceil(whole).div_ceil(cores).max(1) * whole;
    let generate = |first| Generator::at(settings, first).next_events(share, batch_rows);
    let mut all = Events::default();
    std::thread::scope(|scope| {
        let shares = (0..settings.events).step_by(share);
        let threads: Vec<_> = shares.map(|first| scope.spawn(move || generate(first))).collect();
        for thread in threads {
            let events = thread.join().expect("a share is generated without input or output");
            all.persons.extend(events.persons);
            all.auctions.extend(events.auctions);
            all.bids.extend(events.bids);
        }
    });
    all
}

/// Turns the generator's milliseconds into microseconds.
#[derive(Debug, Default)]
struct Clock {
    distinct: bool,
    millis: u64,
    seen: u64,
}

impl Clock {
    fn micros(&mut self, millis: u64) -> i64 {
        self.seen = if millis == self.millis { self.seen + 1 } else { 0 };
        self.millis = millis;
        let within = if self.distinct { self.seen.min(999) } else { 0 };
        i64::try_from(millis * 1_000 + within).expect("event times stay within i64 microseconds")
    }
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
