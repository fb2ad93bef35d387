//! The chunks of a table: which are dirty, which are worth emptying.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chunk::{Chunk, FRESH, REMOVED, Record};

/// Size of a chunk in a table that is not small.
const CHUNK: usize = 1 << 20;
/// Size of the first chunk of a table.
const FIRST_CHUNK: usize = 1 << 12;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) chunk: u32,
    pub(super) offset: u32,
}

#[derive(Debug)]
enum Data {
    Owned(Chunk),
    /// Sealed by a freeze; whoever writes the checkpoint may still read it.
    Shared(Arc<Chunk>),
}

#[derive(Debug)]
struct Slot {
    data: Data,
    /// Grows from chunk to chunk, unlike ids, which are used again.
    number: u64,
    /// Bytes of records that are not dead.
    live: usize,
    /// Those of them that are removals: once sealed they say nothing to the table.
    removals: usize,
    dirty: bool,
    /// Waits to be emptied, or is being emptied.
    sparse: bool,
}

impl Slot {
    #[inline]
    fn chunk(&self) -> &Chunk {
        match &self.data {
            Data::Owned(chunk) => chunk,
            Data::Shared(chunk) => chunk,
        }
    }
}

/// All chunks of a table.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// Chunks written since the last freeze, in the order in which they were begun.
    dirty: Vec<u32>,
    /// To which dirty records are appended.
    open_dirty: Option<u32>,
    /// To which clean records are appended.
    open_clean: Option<u32>,
    sparse: VecDeque<u32>,
    /// How far the first of `sparse` has been emptied.
    pub(super) cursor: u32,
    bytes: usize,
    /// Chunks ever opened.
    opened: u64,
    /// Bytes of records ever written to dirty chunks.
    written: u64,
}

impl Chunks {
    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of records ever written because entries changed.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes of memory of what changed since the last freeze.
    pub(super) fn dirty_bytes(&self) -> usize {
        self.dirty.iter().map(|id| self.chunk(*id).capacity()).sum()
    }

    #[inline]
    fn slot(&self, id: u32) -> &Slot {
        self.slots[id as usize].as_ref().expect("records are in chunks that exist")
    }

    #[inline]
    fn slot_mut(&mut self, id: u32) -> &mut Slot {
        self.slots[id as usize].as_mut().expect("records are in chunks that exist")
    }

    #[inline]
    pub(super) fn chunk(&self, id: u32) -> &Chunk {
        self.slot(id).chunk()
    }

    #[inline]
    pub(super) fn key(&self, at: At) -> &[u8] {
        self.chunk(at.chunk).key(at.offset)
    }

    #[inline]
    pub(super) fn value(&self, at: At) -> &[u8] {
        self.chunk(at.chunk).value(at.offset)
    }

    pub(super) fn is_dirty(&self, id: u32) -> bool {
        self.slot(id).dirty
    }

    /// Whether the key of a record is unknown to every checkpoint.
    pub(super) fn is_fresh(&self, at: At) -> bool {
        let slot = self.slot(at.chunk);
        slot.dirty && slot.chunk().flags(at.offset) & FRESH != 0
    }

    /// A checkpoint has to hold the removal of this key, should it be removed again.
    pub(super) fn clear_fresh(&mut self, at: At) {
        if let Data::Owned(chunk) = &mut self.slot_mut(at.chunk).data {
            chunk.clear(at.offset, FRESH);
        }
    }

    /// Replaces the value where it is, if it may and fits.
    #[inline]
    pub(super) fn replace(&mut self, at: At, value: &[u8]) -> bool {
        match self.slot_mut(at.chunk) {
            Slot { data: Data::Owned(chunk), dirty: true, .. }
                if value.len() <= chunk.room(at.offset) =>
            {
                chunk.set_value(at.offset, value);
                true
            }
            _ => false,
        }
    }

    /// Writes a newer value over that of a record being restored, if no checkpoint shares its chunk
    /// and there is room. Returns whether it did.
    pub(super) fn reload(&mut self, at: At, value: &[u8]) -> bool {
        match self.slot_mut(at.chunk) {
            Slot { data: Data::Owned(chunk), dirty: false, .. }
                if value.len() <= chunk.room(at.offset) =>
            {
                chunk.set_value(at.offset, value);
                true
            }
            _ => false,
        }
    }

    /// Appends a record, to a dirty chunk or to a clean one.
    pub(super) fn append(&mut self, dirty: bool, record: &Record<'_>, room: usize) -> At {
        let size = record.size(room);
        let open = if dirty { self.open_dirty } else { self.open_clean };
        let id = match open {
            Some(id) if self.chunk(id).fits(size) => id,
            _ => self.open(dirty, size),
        };
        let slot = self.slot_mut(id);
        slot.live += size;
        let Data::Owned(chunk) = &mut slot.data else { unreachable!("open chunks are owned") };
        let at = At { chunk: id, offset: chunk.push(record, room) };
        if record.flags & REMOVED != 0 {
            slot.removals += size;
        }
        if dirty {
            self.written += size as u64;
        }
        at
    }

    fn open(&mut self, dirty: bool, size: usize) -> u32 {
        let capacity = (self.bytes / 4).clamp(FIRST_CHUNK, CHUNK).max(size);
        let slot = Slot {
            data: Data::Owned(Chunk::with_capacity(capacity)),
            number: self.opened,
            live: 0,
            removals: 0,
            dirty,
            sparse: false,
        };
        self.opened += 1;
        self.bytes += slot.chunk().capacity();
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("far fewer chunks")
        });
        self.slots[id as usize] = Some(slot);
        let open = if dirty { &mut self.open_dirty } else { &mut self.open_clean };
        let full = open.replace(id);
        if dirty {
            self.dirty.push(id);
        }
        if let Some(full) = full {
            self.settle(full);
        }
        id
    }

    /// A later record, or none, takes the place of this one.
    pub(super) fn kill(&mut self, at: At) {
        let slot = self.slot_mut(at.chunk);
        let size = slot.chunk().size(at.offset);
        slot.live -= size;
        if slot.chunk().flags(at.offset) & REMOVED != 0 {
            slot.removals -= size;
        }
        // Only those who write checkpoints look at the mark, and they do not look at clean chunks.
        if let (Data::Owned(chunk), true) = (&mut slot.data, slot.dirty) {
            chunk.kill(at.offset);
        }
        self.settle(at.chunk);
    }

    /// Frees a chunk without live records, and lines up one with few.
    fn settle(&mut self, id: u32) {
        let open_clean = self.open_clean == Some(id);
        if self.open_dirty == Some(id) || open_clean && self.slot(id).live > 0 {
            return;
        }
        let slot = self.slot_mut(id);
        if slot.live == 0 {
            self.release(id);
        } else if !slot.sparse && slot.live * 2 < slot.chunk().len() {
            slot.sparse = true;
            self.sparse.push_back(id);
        }
    }

    /// Gives up a chunk whose records are all dead or were moved.
    pub(super) fn release(&mut self, id: u32) {
        self.open_clean.take_if(|open| *open == id);
        let slot = self.slots[id as usize].take().expect("released once");
        self.bytes -= slot.chunk().capacity();
        self.free.push(id);
        if slot.dirty {
            self.dirty.retain(|other| *other != id);
        }
        if slot.sparse {
            if self.sparse.front() == Some(&id) {
                self.cursor = 0;
            }
            self.sparse.retain(|other| *other != id);
        }
    }

    /// The chunk to empty next.
    pub(super) fn sparsest(&self) -> Option<u32> {
        self.sparse.front().copied()
    }

    /// The clean chunks, those written longest ago first.
    pub(super) fn clean_by_age(&self) -> Vec<u32> {
        let clean = self.slots.iter().zip(0_u32..).filter_map(|(slot, id)| {
            let slot = slot.as_ref().filter(|slot| !slot.dirty)?;
            Some((slot.number, id))
        });
        let mut clean: Vec<_> = clean.collect();
        clean.sort_unstable();
        clean.into_iter().map(|(_, id)| id).collect()
    }

    /// Seals the dirty chunks and returns them, in order.
    pub(super) fn freeze(&mut self) -> Vec<Arc<Chunk>> {
        let open = self.open_dirty.take();
        let dirty = std::mem::take(&mut self.dirty);
        let mut sealed = Vec::with_capacity(dirty.len());
        for id in &dirty {
            let slot = self.slots[*id as usize].as_mut().expect("dirty chunks exist");
            let Data::Owned(chunk) = &mut slot.data else { unreachable!("dirty chunks are owned") };
            let mut chunk = std::mem::take(chunk);
            if open == Some(*id) {
                self.bytes -= chunk.capacity();
                chunk.shrink();
                self.bytes += chunk.capacity();
            }
            let chunk = Arc::new(chunk);
            slot.data = Data::Shared(Arc::clone(&chunk));
            slot.dirty = false;
            if slot.live > 0 {
                sealed.push(chunk);
            }
            slot.live -= std::mem::take(&mut slot.removals);
        }
        for id in dirty {
            self.settle(id);
        }
        sealed
    }
}
