//! One memory budget over everything in flight: fetched bytes, builders, uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A limit in bytes, shared by cloning. A child's use is charged to its parent as well.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    limit: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
    freed: Notify,
    parent: Option<Budget>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(name: impl Into<String>, limit: usize) -> Self {
        Self::build(name.into(), limit, None)
    }

    /// A part of this budget with its own, lower limit.
    #[must_use]
    pub fn child(&self, name: impl Into<String>, limit: usize) -> Self {
        Self::build(name.into(), limit, Some(self.clone()))
    }

    fn build(name: String, limit: usize, parent: Option<Self>) -> Self {
        Self(Arc::new(Inner {
            name,
            limit,
            used: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            freed: Notify::new(),
            parent,
        }))
    }

    /// What the budget is for; appears in metrics.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes charged now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Acquire)
    }

    /// The most bytes ever charged at once.
    pub fn peak(&self) -> usize {
        self.0.peak.load(Ordering::Acquire)
    }

    /// Charges `bytes` if they fit here and in every parent.
    #[must_use]
    pub fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        self.try_charge(bytes).then(|| Reservation { budget: self.clone(), bytes })
    }

    /// Waits until `bytes` fit. A request above the whole limit waits for an empty budget and is
    /// then let through, so that one oversized event cannot block its partition for ever.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        loop {
            let freed = self.0.freed.notified();
            if let Some(r) = self.try_reserve(bytes) {
                return r;
            }
            if self.used() == 0 && bytes > self.0.limit {
                self.charge(bytes);
                return Reservation { budget: self.clone(), bytes };
            }
            // A parent may be freed by a sibling, which wakes only the parent's waiters: look again
            // soon.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), freed).await;
        }
    }

    fn try_charge(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        let Ok(before) = self.0.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits) else {
            return false;
        };
        if self.0.parent.as_ref().is_some_and(|p| !p.try_charge(bytes)) {
            self.0.used.fetch_sub(bytes, Ordering::AcqRel);
            return false;
        }
        self.0.peak.fetch_max(before + bytes, Ordering::AcqRel);
        true
    }

    fn charge(&self, bytes: usize) {
        let before = self.0.used.fetch_add(bytes, Ordering::AcqRel);
        self.0.peak.fetch_max(before + bytes, Ordering::AcqRel);
        if let Some(parent) = &self.0.parent {
            parent.charge(bytes);
        }
    }

    fn release(&self, bytes: usize) {
        let before = self.0.used.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(before >= bytes, "budget {} released more than it held", self.0.name);
        self.0.freed.notify_waiters();
        if let Some(parent) = &self.0.parent {
            parent.release(bytes);
        }
    }
}

/// Bytes charged to a budget until dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// How many bytes are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Grows by `more` bytes if they fit; `false` leaves it as it was.
    #[must_use]
    pub fn try_grow(&mut self, more: usize) -> bool {
        let ok = self.budget.try_charge(more);
        if ok {
            self.bytes += more;
        }
        ok
    }

    /// Takes `bytes` (at most all) out of this holding into one of their own, without freeing them.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// Takes over what `other`, of the same budget, holds.
    pub fn merge(&mut self, mut other: Self) {
        assert!(Arc::ptr_eq(&self.budget.0, &other.budget.0), "reservations of different budgets");
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Changes the holding to `bytes`, above the limit if need be: for a size known only
    /// afterwards.
    pub fn resize(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget.charge(bytes - self.bytes);
        } else {
            self.budget.release(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_cannot_take_more_than_its_parent_has() {
        let all = Budget::new("all", 100);
        let (a, b) = (all.child("a", 80), all.child("b", 80));
        let held = a.try_reserve(70).expect("fits");
        assert!(b.try_reserve(40).is_none());
        assert_eq!(b.used(), 0, "a refused charge leaves nothing behind");
        drop(held);
        assert!(b.try_reserve(80).is_some());
        assert_eq!((all.used(), all.peak()), (0, 80));
    }

    #[tokio::test]
    async fn a_waiter_is_woken_when_bytes_come_back() {
        let all = Budget::new("all", 10);
        let held = all.try_reserve(10).expect("fits");
        let mut waiter = tokio::task::JoinSet::new();
        waiter.spawn({
            let all = all.clone();
            async move { all.reserve(5).await.bytes() }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(waiter.join_next().await.expect("one").expect("joined"), 5);
    }
}
