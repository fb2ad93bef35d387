//! Decoding, once per batch, for all routes of its topic.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::counter;

use millrace_events::{Decoder, RawBatch, StreamSchema};

use crate::convert::Shared;

/// One decoder per topic.
pub(crate) struct Decoding {
    decoders: HashMap<Arc<str>, Decoder>,
}

impl Decoding {
    /// Decoders for the topics of `streams`.
    pub(crate) fn new<'a>(streams: impl IntoIterator<Item = &'a Arc<StreamSchema>>) -> Self {
        let decoder = |s: &Arc<StreamSchema>| (Arc::from(s.topic.as_str()), Decoder::new(s));
        Self { decoders: streams.into_iter().map(decoder).collect() }
    }

    /// `raw` as the routes of its topic share it; decoded if one of them wants `columns`.
    pub(crate) fn share(&mut self, raw: RawBatch, columns: bool) -> Arc<Shared> {
        let topic = &raw.tp().topic;
        let decoded = self.decoders.get_mut(topic).filter(|_| columns).map(|d| d.decode(&raw));
        if let Some(decoded) = &decoded {
            let count = |name: &'static str, n: u64| {
                counter!(name, "topic" => topic.to_string()).increment(n);
            };
            count("millrace_router_decode_errors_total", decoded.dead.len() as u64);
            count("millrace_router_unknown_columns_total", decoded.unknown);
        }
        Arc::new(Shared { raw: Arc::new(raw), decoded })
    }
}
