//! Changes as they come, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use futures::stream;

use super::api::FeedApi;
use super::token::Token;

/// Sent when nothing changes, so that a connection that is gone is found out.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Changes read at once.
const PAGE: usize = 500;

/// Where a stream of events is.
struct At {
    api: FeedApi,
    feed: String,
    token: Token,
    waiting: tokio::sync::watch::Receiver<u64>,
    ready: std::vec::IntoIter<Event>,
    ended: bool,
}

/// Everything since `token`, then every change. The stream ends, with an event `gone`, when the
/// topic is created again or the store cannot be read: whoever reads begins again.
pub(super) fn events(api: FeedApi, feed: String, token: Token) -> Response {
    let waiting = api.statuses.changes();
    let ready = Vec::new().into_iter();
    let at = At { api, feed, token, waiting, ready, ended: false };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(stream_of(at)).keep_alive(keep_alive).into_response()
}

fn stream_of(at: At) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(at, |mut at| async move {
        loop {
            if let Some(event) = at.ready.next() {
                return Some((Ok(event), at));
            }
            if at.ended {
                return None;
            }
            at.fill().await;
        }
    })
}

impl At {
    /// Reads the next page; waits for changes if there is none.
    async fn fill(&mut self) {
        // Seen before reading: a change that comes while reading is not slept through.
        self.waiting.borrow_and_update();
        let page = self.api.page(&self.feed, self.token.clone(), PAGE).await;
        let Ok(page) = page else {
            self.ended = true;
            let gone = Event::default().event("gone").data("read the feed whole");
            self.ready = vec![gone].into_iter();
            return;
        };
        self.token.next.clone_from(&page.places);
        self.token.generation = page.generation;
        // A stream that is kept up to date does not grow old.
        self.token.given_ms = self.api.clock.now_ms();
        if page.is_empty() {
            if !page.tail.more && self.waiting.changed().await.is_err() {
                self.ended = true;
            }
            return;
        }
        let (items, id) = page.events();
        let last = items.len() - 1;
        let each = items.into_iter().enumerate().map(|(at, item)| {
            let event = Event::default().event("change").data(item);
            // Only the last one's place is known: whoever is cut off before reads the page again.
            if at == last { event.id(id.clone()) } else { event }
        });
        self.ready = each.collect::<Vec<_>>().into_iter();
    }
}
