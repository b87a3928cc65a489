//! The samples of one series in memory: compressed chunks, a chunk that grows, and a few samples
//! that came out of order.

use crate::{TimeRange, Timestamp};

use super::gorilla::{self, Encoder};

/// Samples of a chunk.
const CHUNK_SAMPLES: u32 = 120;
/// Samples that wait out of order before they are merged into the chunks.
const MAX_STRAYS: usize = 64;

/// Some samples of a series, compressed.
#[derive(Clone, Debug)]
struct Chunk {
    first: i64,
    last: i64,
    count: u32,
    bytes: Box<[u8]>,
}

impl Chunk {
    fn new(encoder: &Encoder) -> Self {
        Self {
            first: encoder.first(),
            last: encoder.last(),
            count: encoder.count(),
            bytes: encoder.bytes().into(),
        }
    }
}

/// Instants from the first to the last, both included, so that the very last one can be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Span {
    pub(super) const ALL: Self = Self {
        first: i64::MIN,
        last: i64::MAX,
    };

    /// The instants of a range; `None` of an empty one.
    pub(super) fn of(range: TimeRange) -> Option<Self> {
        (!range.is_empty()).then(|| Self {
            first: range.start.as_nanos(),
            last: range.end.as_nanos() - 1,
        })
    }

    pub(super) fn instant(at: i64) -> Self {
        Self {
            first: at,
            last: at,
        }
    }

    /// Whether something that lasts from `first` to `last` lies partly inside.
    pub(super) fn overlaps(&self, first: i64, last: i64) -> bool {
        first <= self.last && last >= self.first
    }
}

/// Columns that are filled.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub(super) times: Vec<Timestamp>,
    pub(super) values: Vec<f64>,
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
    }

    pub(super) fn push(&mut self, time: i64, value: u64) {
        self.times.push(Timestamp::from_nanos(time));
        self.values.push(f64::from_bits(value));
    }

    /// Appends the samples of `other` in `span`; they are in order of time.
    pub(super) fn extend(&mut self, other: &Self, span: Span) {
        let start = |time: &Timestamp| time.as_nanos() < span.first;
        let end = |time: &Timestamp| time.as_nanos() <= span.last;
        let start = other.times.partition_point(start);
        let end = other.times.partition_point(end).max(start);
        self.times.extend_from_slice(&other.times[start..end]);
        self.values.extend_from_slice(&other.values[start..end]);
    }

    /// The samples in parts of at most `len`.
    pub(super) fn parts(&self, len: usize) -> impl Iterator<Item = Part<'_>> {
        let parts = self.times.chunks(len).zip(self.values.chunks(len));
        parts.map(|(times, values)| Part { times, values })
    }

    /// Keeps the samples whose time passes.
    pub(super) fn retain(&mut self, passes: impl Fn(i64) -> bool) {
        let mut kept = 0;
        for index in 0..self.len() {
            if passes(self.times[index].as_nanos()) {
                self.times[kept] = self.times[index];
                self.values[kept] = self.values[index];
                kept += 1;
            }
        }
        self.times.truncate(kept);
        self.values.truncate(kept);
    }

    /// Time in nanoseconds and bits of the value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        let times = self.times.iter().map(|time| time.as_nanos());
        times.zip(self.values.iter().map(|value| value.to_bits()))
    }

    /// Of the samples from index `from` on, keeps those in `span`; they are in order of time.
    pub(super) fn trim(&mut self, from: usize, span: Span) {
        let added = &self.times[from..];
        let start = from + added.partition_point(|time| time.as_nanos() < span.first);
        let end = from + added.partition_point(|time| time.as_nanos() <= span.last);
        self.times.truncate(end.max(start));
        self.values.truncate(end.max(start));
        self.times.drain(from..start);
        self.values.drain(from..start);
    }

    /// Puts the samples into order of time; of several at one instant, the first stays.
    pub(super) fn settle(&mut self) {
        if self.times.is_sorted_by(|one, next| one < next) {
            return;
        }
        let mut samples: Vec<_> = self.iter().collect();
        samples.sort_by_key(|(time, _)| *time);
        samples.dedup_by_key(|(time, _)| *time);
        self.clear();
        for (time, value) in samples {
            self.push(time, value);
        }
    }
}

/// Some samples of columns, at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) times: &'a [Timestamp],
    pub(super) values: &'a [f64],
}

impl Part<'_> {
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn first(&self) -> i64 {
        self.times[0].as_nanos()
    }

    pub(super) fn last(&self) -> i64 {
        self.times[self.len() - 1].as_nanos()
    }
}

/// The samples of one series in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct SeriesHead {
    /// In order of time, without overlap.
    chunks: Vec<Chunk>,
    /// Later than all chunks.
    open: Option<Encoder>,
    /// In order of time; at no instant that a chunk has.
    strays: Vec<(i64, u64)>,
}

impl SeriesHead {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.open.is_none() && self.strays.is_empty()
    }

    /// Number of samples.
    pub(super) fn len(&self) -> u64 {
        let sealed: u64 = self.chunks.iter().map(|chunk| u64::from(chunk.count)).sum();
        let open = self.open.as_ref().map_or(0, Encoder::count);
        sealed + u64::from(open) + self.strays.len() as u64
    }

    /// Memory in use besides the structure itself.
    pub(super) fn size_bytes(&self) -> usize {
        let sealed: usize = self.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        sealed
            + self.chunks.capacity() * size_of::<Chunk>()
            + self.open.as_ref().map_or(0, Encoder::capacity)
            + self.strays.capacity() * size_of::<(i64, u64)>()
    }

    /// Time of the oldest sample.
    pub(super) fn oldest(&self) -> Option<i64> {
        let chunk = self.chunks.first().map(|chunk| chunk.first);
        let open = self.open.as_ref().map(Encoder::first);
        let stray = self.strays.first().map(|(time, _)| *time);
        [chunk, open, stray].into_iter().flatten().min()
    }

    /// Adds a sample that is later than all others.
    pub(super) fn push(&mut self, time: i64, value: u64) {
        self.chunks.extend(add(&mut self.open, time, value));
    }

    /// Adds a sample out of order, at an instant that has none.
    pub(super) fn insert(&mut self, time: i64, value: u64) {
        let place = self.strays.partition_point(|(other, _)| *other < time);
        self.strays.insert(place, (time, value));
        if self.strays.len() >= MAX_STRAYS {
            self.merge();
        }
    }

    /// Whether there is a sample at this instant. `scratch` is overwritten.
    pub(super) fn contains(&self, time: i64, scratch: &mut Columns) -> bool {
        if self
            .strays
            .binary_search_by_key(&time, |(other, _)| *other)
            .is_ok()
        {
            return true;
        }
        scratch.clear();
        match &self.open {
            Some(open) if open.last() == time => return true,
            Some(open) if open.first() <= time && time < open.last() => append(open, scratch),
            _ => {
                let place = self.chunks.partition_point(|chunk| chunk.last < time);
                match self.chunks.get(place) {
                    Some(chunk) if chunk.first <= time => append_chunk(chunk, scratch),
                    _ => return false,
                }
            }
        }
        scratch
            .times
            .binary_search(&Timestamp::from_nanos(time))
            .is_ok()
    }

    /// Appends the samples in `span`, in order of time.
    pub(super) fn read(&self, span: Span, columns: &mut Columns) {
        let from = columns.len();
        let skip = self.chunks.partition_point(|chunk| chunk.last < span.first);
        let inside = |chunk: &&Chunk| chunk.first <= span.last;
        for chunk in self.chunks[skip..].iter().take_while(inside) {
            append_chunk(chunk, columns);
        }
        if let Some(open) = &self.open
            && span.overlaps(open.first(), open.last())
        {
            append(open, columns);
        }
        columns.trim(from, span);
        let first = self.strays.partition_point(|(time, _)| *time < span.first);
        let past = self.strays.partition_point(|(time, _)| *time <= span.last);
        if first < past {
            merge_into(columns, from, &self.strays[first..past]);
        }
    }

    /// Merges the strays into the chunks that they lie between.
    fn merge(&mut self) {
        let (Some(&(low, _)), Some(&(high, _))) = (self.strays.first(), self.strays.last()) else {
            return;
        };
        if let Some(open) = self.open.take_if(|open| open.first() <= high) {
            self.chunks.push(Chunk::new(&open));
        }
        let from = self.chunks.partition_point(|chunk| chunk.last < low);
        let to = self.chunks.partition_point(|chunk| chunk.first <= high);
        let to = to.max(from);
        let mut columns = Columns::default();
        for chunk in &self.chunks[from..to] {
            append_chunk(chunk, &mut columns);
        }
        merge_into(&mut columns, 0, &self.strays);
        self.strays = Vec::new();
        self.chunks.splice(from..to, chunks_of(columns.iter()));
    }

    /// Deletes the samples in `range`; answers how many.
    pub(super) fn delete(&mut self, range: TimeRange) -> u64 {
        let before = self.len();
        let (start, end) = (range.start.as_nanos(), range.end.as_nanos());
        if range.is_empty() || before == 0 {
            return 0;
        }
        self.strays.retain(|(time, _)| !(start..end).contains(time));
        if let Some(open) = self
            .open
            .take_if(|open| open.first() < end && open.last() >= start)
        {
            self.chunks.push(Chunk::new(&open));
        }
        let from = self.chunks.partition_point(|chunk| chunk.last < start);
        let to = self.chunks.partition_point(|chunk| chunk.first < end);
        if from < to {
            let mut columns = Columns::default();
            for chunk in &self.chunks[from..to] {
                append_chunk(chunk, &mut columns);
            }
            let kept = columns
                .iter()
                .filter(|(time, _)| !(start..end).contains(time));
            let kept: Vec<_> = chunks_of(kept).collect();
            self.chunks.splice(from..to, kept);
        }
        before - self.len()
    }

    /// Drops chunks that end before `oldest`; answers how many samples.
    pub(super) fn retain_from(&mut self, oldest: i64) -> u64 {
        let before = self.len();
        let old = self.chunks.partition_point(|chunk| chunk.last < oldest);
        self.chunks.drain(..old);
        self.open.take_if(|open| open.last() < oldest);
        self.strays.retain(|(time, _)| *time >= oldest);
        if self.chunks.len() * 4 < self.chunks.capacity() {
            self.chunks.shrink_to_fit();
        }
        before - self.len()
    }
}

/// Chunks of samples in order of time.
fn chunks_of(samples: impl Iterator<Item = (i64, u64)>) -> impl Iterator<Item = Chunk> {
    let mut chunks = Vec::new();
    let mut open: Option<Encoder> = None;
    for (time, value) in samples {
        chunks.extend(add(&mut open, time, value));
    }
    chunks.extend(open.as_ref().map(Chunk::new));
    chunks.into_iter()
}

/// Adds a sample to the chunk that grows; answers that chunk when a new one had to be begun.
fn add(open: &mut Option<Encoder>, time: i64, value: u64) -> Option<Chunk> {
    if let Some(open) = open
        && open.count() < CHUNK_SAMPLES
        && open.push(time, value)
    {
        return None;
    }
    let full = open.replace(Encoder::new(time, value));
    full.as_ref().map(Chunk::new)
}

fn append(encoder: &Encoder, columns: &mut Columns) {
    append_bytes(encoder.bytes(), encoder.count(), columns);
}

fn append_chunk(chunk: &Chunk, columns: &mut Columns) {
    append_bytes(&chunk.bytes, chunk.count, columns);
}

/// The bytes are our own, in memory.
fn append_bytes(bytes: &[u8], count: u32, columns: &mut Columns) {
    let decoded = gorilla::decode(bytes, count, &mut columns.times, &mut columns.values);
    debug_assert!(decoded.is_some(), "an encoder wrote these bytes");
}

/// Merges `strays` into the samples from index `from` on.
fn merge_into(columns: &mut Columns, from: usize, strays: &[(i64, u64)]) {
    let mut left = columns.len();
    columns.times.resize(left + strays.len(), Timestamp::EPOCH);
    columns.values.resize(left + strays.len(), 0.0);
    let mut place = columns.len();
    let mut strays = strays.iter().rev().peekable();
    while let Some(&&(time, value)) = strays.peek() {
        place -= 1;
        let time = Timestamp::from_nanos(time);
        if left > from && columns.times[left - 1] > time {
            left -= 1;
            columns.times[place] = columns.times[left];
            columns.values[place] = columns.values[left];
        } else {
            columns.times[place] = time;
            columns.values[place] = f64::from_bits(value);
            strays.next();
        }
    }
}
