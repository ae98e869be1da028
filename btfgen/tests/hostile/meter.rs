//! Meter: an allocator that counts the allocations of each thread; used instead of a clock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has allocated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Bytes in use now.
    pub(crate) live: usize,
    /// Most bytes in use at once.
    pub(crate) peak: usize,
    /// Bytes requested in total.
    pub(crate) total: usize,
    /// Number of requests.
    pub(crate) calls: usize,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { live: 0, peak: 0, total: 0, calls: 0 }) };
}

/// The system's allocator, counted.
pub(crate) struct Meter;

fn grow(bytes: usize) {
    // A thread that is ending has no counts left.
    let _ = COUNTS.try_with(|cell| {
        let mut counts = cell.get();
        counts.live = counts.live.wrapping_add(bytes);
        // A thread may free what another allocated, which leaves it below zero.
        if counts.live < usize::MAX / 2 {
            counts.peak = counts.peak.max(counts.live);
        }
        counts.total = counts.total.wrapping_add(bytes);
        counts.calls += 1;
        cell.set(counts);
    });
}

fn shrink(bytes: usize) {
    let _ = COUNTS.try_with(|cell| {
        let mut counts = cell.get();
        counts.live = counts.live.wrapping_sub(bytes);
        cell.set(counts);
    });
}

// SAFETY: every call is passed unchanged to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promises are `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both allocations may exist at the same time.
        grow(size);
        shrink(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs something and counts what this thread allocates; `live` is what it has not freed.
pub(crate) fn measure(run: impl FnOnce()) -> Counts {
    COUNTS.set(Counts::default());
    run();
    COUNTS.get()
}
