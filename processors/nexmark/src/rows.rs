//! Builders that turn the generator's structs into the columns of the flat streams.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use nexmark::event::{Auction, Bid, Person};

use crate::schema::{auction_schema, bid_schema, person_schema};

/// Rows of one stream under construction.
pub(crate) trait Rows: Default {
    /// What the generator calls such a row.
    type Event;

    /// Appends an event that happened at `micros` since the Unix epoch.
    fn push(&mut self, event: &Self::Event, micros: i64);

    /// The rows so far as a batch; the builders go on empty.
    fn finish(&mut self) -> RecordBatch;
}

/// Cuts the rows of one stream into batches.
pub(crate) struct Batches<R> {
    rows: R,
    pending: usize,
    batch_rows: usize,
    done: Vec<RecordBatch>,
}

impl<R: Rows> Batches<R> {
    pub(crate) fn new(batch_rows: usize) -> Self {
        Self { rows: R::default(), pending: 0, batch_rows: batch_rows.max(1), done: Vec::new() }
    }

    pub(crate) fn push(&mut self, event: &R::Event, micros: i64) {
        self.rows.push(event, micros);
        self.pending += 1;
        if self.pending == self.batch_rows {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.done.push(self.rows.finish());
        self.pending = 0;
    }

    /// All batches since the last call; only the last of them may be short.
    pub(crate) fn take(&mut self) -> Vec<RecordBatch> {
        if self.pending > 0 {
            self.cut();
        }
        std::mem::take(&mut self.done)
    }
}

pub(crate) fn int(value: usize) -> i64 {
    i64::try_from(value).expect("ids and prices of the generator stay below 2^63")
}

fn micros_of(millis: u64) -> i64 {
    i64::try_from(millis * 1_000).expect("times of the generator stay within i64 microseconds")
}

struct Times(TimestampMicrosecondBuilder);

impl Default for Times {
    fn default() -> Self {
        Self(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
    }
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema, columns).expect("the builders are those of the schema")
}

#[derive(Default)]
pub(crate) struct PersonRows {
    id: Int64Builder,
    name: StringBuilder,
    email_address: StringBuilder,
    credit_card: StringBuilder,
    city: StringBuilder,
    state: StringBuilder,
    date_time: Times,
    extra: StringBuilder,
}

impl Rows for PersonRows {
    type Event = Person;

    fn push(&mut self, event: &Person, micros: i64) {
        self.id.append_value(int(event.id));
        self.name.append_value(&event.name);
        self.email_address.append_value(&event.email_address);
        self.credit_card.append_value(&event.credit_card);
        self.city.append_value(&event.city);
        self.state.append_value(&event.state);
        self.date_time.0.append_value(micros);
        self.extra.append_value(&event.extra);
    }

    fn finish(&mut self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.id.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.email_address.finish()),
            Arc::new(self.credit_card.finish()),
            Arc::new(self.city.finish()),
            Arc::new(self.state.finish()),
            Arc::new(self.date_time.0.finish()),
            Arc::new(self.extra.finish()),
        ];
        batch(person_schema(), columns)
    }
}

#[derive(Default)]
pub(crate) struct AuctionRows {
    id: Int64Builder,
    item_name: StringBuilder,
    description: StringBuilder,
    initial_bid: Int64Builder,
    reserve: Int64Builder,
    date_time: Times,
    expires: Times,
    seller: Int64Builder,
    category: Int64Builder,
    extra: StringBuilder,
}

impl Rows for AuctionRows {
    type Event = Auction;

    fn push(&mut self, event: &Auction, micros: i64) {
        self.id.append_value(int(event.id));
        self.item_name.append_value(&event.item_name);
        self.description.append_value(&event.description);
        self.initial_bid.append_value(int(event.initial_bid));
        self.reserve.append_value(int(event.reserve));
        self.date_time.0.append_value(micros);
        self.expires.0.append_value(micros_of(event.expires));
        self.seller.append_value(int(event.seller));
        self.category.append_value(int(event.category));
        self.extra.append_value(&event.extra);
    }

    fn finish(&mut self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.id.finish()),
            Arc::new(self.item_name.finish()),
            Arc::new(self.description.finish()),
            Arc::new(self.initial_bid.finish()),
            Arc::new(self.reserve.finish()),
            Arc::new(self.date_time.0.finish()),
            Arc::new(self.expires.0.finish()),
            Arc::new(self.seller.finish()),
            Arc::new(self.category.finish()),
            Arc::new(self.extra.finish()),
        ];
        batch(auction_schema(), columns)
    }
}

#[derive(Default)]
pub(crate) struct BidRows {
    auction: Int64Builder,
    bidder: Int64Builder,
    price: Int64Builder,
    channel: StringBuilder,
    url: StringBuilder,
    date_time: Times,
    extra: StringBuilder,
}

impl Rows for BidRows {
    type Event = Bid;

    fn push(&mut self, event: &Bid, micros: i64) {
        self.auction.append_value(int(event.auction));
        self.bidder.append_value(int(event.bidder));
        self.price.append_value(int(event.price));
        self.channel.append_value(&event.channel);
        self.url.append_value(&event.url);
        self.date_time.0.append_value(micros);
        self.extra.append_value(&event.extra);
    }

    fn finish(&mut self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.auction.finish()),
            Arc::new(self.bidder.finish()),
            Arc::new(self.price.finish()),
            Arc::new(self.channel.finish()),
            Arc::new(self.url.finish()),
            Arc::new(self.date_time.0.finish()),
            Arc::new(self.extra.finish()),
        ];
        batch(bid_schema(), columns)
    }
}
