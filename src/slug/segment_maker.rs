//! The threads that get segments from the store or make them, several at once and handed over in order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, mpsc};

use super::contents::Contents;
use super::deflate::{self, Blob};
use super::error::SlugError;
use super::segment::Segment;
use crate::env::Env;
use crate::store::Store;

/// How many bytes the segments that are under way may take: enough for sixteen cores, and then writing is the limit.
const UNDER_WAY: u64 = 48 << 20;

/// The buffers for a segment.
///
/// The thread that hands out the work makes them and lets go of them: the C library keeps memory for each thread that
/// did so itself, which came to hundreds of megabytes on machines with many cores.
struct Buffers {
    content: Vec<u8>,
    blob: Vec<u8>,
}

impl Buffers {
    fn for_segment(segment: &Segment) -> Self {
        let length = usize::try_from(segment.length).unwrap_or(0);
        // Reading asks for some more before it sees the end.
        Self { content: Vec::with_capacity(length + 64), blob: Vec::with_capacity(deflate::room(length)) }
    }
}

/// What a segment takes while it is under way: itself, what it is compressed to, and the compressor's own tables.
fn taken_by(segment: &Segment) -> u64 {
    2 * segment.length + (512 << 10)
}

/// A segment, ready to be written.
pub(super) struct MadeSegment {
    pub(super) blob: Blob,
    /// Its uncompressed bytes, where the hash of the tar file needs them.
    pub(super) content: Option<Vec<u8>>,
    /// Whether it was compressed now.
    pub(super) is_new: bool,
}

/// The threads that get segments from the store or make them.
pub(super) struct SegmentMaker<'a> {
    pub(super) contents: Contents<'a>,
    pub(super) segments: &'a [Segment],
    pub(super) keys: &'a [String],
    pub(super) first_unknown: usize,
    pub(super) store: &'a Store,
    pub(super) env: &'a Env,
}

impl SegmentMaker<'_> {
    /// Makes all segments on this many threads and hands them over in order.
    ///
    /// What is under way or waiting for its turn is bounded twice: by the number of threads, and by its bytes, which
    /// are there once as they are and once compressed. So neither the app's size nor many cores take much memory.
    pub(super) fn run(
        &self,
        threads: usize,
        mut take: impl FnMut(usize, MadeSegment) -> Result<(), SlugError>,
    ) -> Result<(), SlugError> {
        let window = 2 * threads;
        let threads = threads.min(self.segments.len());
        let (orders, incoming) = mpsc::channel::<(usize, Buffers)>();
        let incoming = Mutex::new(incoming);
        let (finished, results) = mpsc::channel();
        std::thread::scope(|scope| {
            // Moved in, so that it is dropped however this ends: that sends the threads home.
            let orders = orders;
            for _ in 0..threads {
                let (incoming, finished) = (&incoming, finished.clone());
                scope.spawn(move || {
                    loop {
                        let order = incoming.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok((number, buffers)) = order else { return };
                        if finished.send((number, self.make(number, buffers))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(finished);
            let (mut ordered, mut under_way) = (0, 0);
            let mut waiting = BTreeMap::new();
            for number in 0..self.segments.len() {
                while let Some(next) = self.segments.get(ordered)
                    && (ordered == number
                        || (ordered < number + window && under_way + taken_by(next) <= UNDER_WAY))
                {
                    // It fails only if all threads have gone, and then there are no more results either.
                    let _ = orders.send((ordered, Buffers::for_segment(next)));
                    under_way += taken_by(next);
                    ordered += 1;
                }
                let made = loop {
                    if let Some(made) = waiting.remove(&number) {
                        break made;
                    }
                    match results.recv() {
                        Ok((number, made)) => waiting.insert(number, made),
                        // A thread that panicked; the scope passes that on.
                        Err(_) => return Ok(()),
                    };
                };
                take(number, made?)?;
                under_way -= taken_by(&self.segments[number]);
            }
            Ok(())
        })
    }

    fn make(&self, number: usize, buffers: Buffers) -> Result<MadeSegment, SlugError> {
        self.env.interrupt.check()?;
        let (segment, key) = (&self.segments[number], &self.keys[number]);
        let needs_content = number >= self.first_unknown;
        let Buffers { mut content, mut blob } = buffers;
        if self.store.read_segment(key, &mut blob)
            && let Some(known) = Blob::parse(std::mem::take(&mut blob), segment.length)
        {
            let inflated = needs_content.then(|| deflate::inflate(&known, std::mem::take(&mut content)));
            // One that doesn't decompress is made anew, as if it hadn't been there.
            if inflated != Some(None) {
                return Ok(MadeSegment { blob: known, content: inflated.flatten(), is_new: false });
            }
        }
        blob.clear();
        self.contents.read(segment, &mut content)?;
        let blob = deflate::compress(&content, blob);
        self.store.put_segment(key, blob.as_bytes())?;
        Ok(MadeSegment { blob, content: needs_content.then_some(content), is_new: true })
    }
}
