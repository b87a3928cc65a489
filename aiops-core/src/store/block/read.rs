//! Reading a block.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    ChunkInfo, FOOTER_BYTES, Footer, LEAST_ENTRY, PACKED, PAGE_ENTRIES, Place, Unreadable,
    file_name,
};
use crate::files::{FileHandle, Files};
use crate::journal::u64_at;
use crate::store::Cancelled;
use crate::store::label_bytes;
use crate::store::packed;
use crate::store::series::{Columns, Span};
use crate::store::varint::Reader;
use crate::{Damage, Labels, StorageError};

/// A block that is open.
#[derive(Debug)]
pub(in crate::store) struct Block {
    pub(in crate::store) path: PathBuf,
    file: Box<dyn FileHandle>,
    size: u64,
    footer: Footer,
    replaces: Vec<u64>,
    /// Fingerprint of the first entry of each page of the directory, and where in it the page is.
    pages: Vec<(u64, u32)>,
    /// Whether it is not to be merged with others.
    apart: AtomicBool,
}

/// A series in a block.
#[derive(Clone, Debug)]
pub(in crate::store) struct SeriesInfo {
    pub(in crate::store) labels: Labels,
    pub(in crate::store) samples: u64,
    pub(in crate::store) newest: i64,
}

/// The samples of a series in a block, as they are in the file.
#[derive(Clone, Debug)]
pub(in crate::store) struct Run {
    pub(in crate::store) bytes: Vec<u8>,
    pub(in crate::store) samples: u32,
    /// Times of the first and the last sample.
    pub(in crate::store) min: i64,
    pub(in crate::store) max: i64,
}

/// A block, or why it cannot be used.
#[derive(Debug)]
pub(in crate::store) enum Opened {
    /// With its series in order of labels.
    Whole(Block, Vec<SeriesInfo>),
    /// What describes its contents is not what was written.
    Damaged(Damage),
}

/// What is read, and what is wrong with it: two errors that are told apart.
type Checked<T> = Result<Result<T, Damage>, StorageError>;

impl Block {
    /// Opens a block, and checks everything but the samples.
    pub(in crate::store) fn open(
        files: &dyn Files,
        folder: &Path,
        id: u64,
    ) -> Result<Opened, StorageError> {
        let path = folder.join(file_name(id));
        let file = files.open(&path).map_err(StorageError::io("open", &path))?;
        let size = file.size().map_err(StorageError::io("read", &path))?;
        let mut block = Self {
            path,
            file,
            size,
            footer: Footer::default(),
            replaces: Vec::new(),
            pages: Vec::new(),
            apart: AtomicBool::new(false),
        };
        Ok(match block.load(id)? {
            Ok(series) => Opened::Whole(block, series),
            Err(damage) => Opened::Damaged(damage),
        })
    }

    fn load(&mut self, id: u64) -> Checked<Vec<SeriesInfo>> {
        let Some(footer_at) = self.size.checked_sub(FOOTER_BYTES as u64) else {
            let what = format!("only {} bytes long", self.size);
            return Ok(Err(Damage::new(&self.path, 0, what)));
        };
        let footer = match Footer::parse(&self.bytes(footer_at, FOOTER_BYTES)?) {
            Ok(footer) => footer,
            Err(Unreadable::Damaged(what)) => {
                return Ok(Err(Damage::new(&self.path, footer_at, what)));
            }
            Err(Unreadable::Newer(format)) => {
                let what = format!("format {format} is not one that this release reads");
                return Err(Damage::new(&self.path, footer_at + 88, what).into());
            }
        };
        self.footer = footer;
        if let Some(damage) = self.wrong_places(footer_at, id) {
            return Ok(Err(damage));
        }
        let replaces_at = footer_at - 8 * u64::from(footer.replaces);
        let replaces = match self.section(
            replaces_at,
            8 * u64::from(footer.replaces),
            footer.replaces_crc,
        )? {
            Ok(replaces) => replaces,
            Err(damage) => return Ok(Err(damage)),
        };
        self.replaces = replaces.chunks_exact(8).map(|id| u64_at(id, 0)).collect();
        let directory = match self.section(
            footer.directory_at,
            self.directory_len(),
            footer.directory_crc,
        )? {
            Ok(directory) => directory,
            Err(damage) => return Ok(Err(damage)),
        };
        let Some(pages) = self.pages_of(&directory) else {
            let what = "the directory cannot be read";
            return Ok(Err(Damage::new(&self.path, footer.directory_at, what)));
        };
        self.pages = pages;
        self.series()
    }

    fn directory_len(&self) -> u64 {
        self.footer.directory_len.into()
    }

    fn span(&self) -> (i64, i64) {
        (self.footer.min, self.footer.max)
    }

    /// Entries on a page of the directory.
    fn entries_on(&self, page: usize) -> usize {
        (self.footer.series as usize - page * PAGE_ENTRIES).min(PAGE_ENTRIES)
    }

    /// Where the pages of a directory begin; `None` when it is none.
    fn pages_of(&self, directory: &[u8]) -> Option<Vec<(u64, u32)>> {
        let series = self.footer.series as usize;
        if series > directory.len() / LEAST_ENTRY {
            return None;
        }
        let mut bytes = Reader::new(directory);
        let mut pages = Vec::with_capacity(series.div_ceil(PAGE_ENTRIES));
        for page in 0..series.div_ceil(PAGE_ENTRIES) {
            let at = directory.len() - bytes.left();
            let places = Place::read_page(&mut bytes, self.entries_on(page), self.span())?;
            pages.push((places.first()?.fingerprint, at as u32));
        }
        bytes.is_empty().then_some(pages)
    }

    /// The entries of one page of the directory.
    fn page(&self, page: usize) -> Result<Vec<Place>, StorageError> {
        let from = u64::from(self.pages[page].1);
        let next = self.pages.get(page + 1).map(|(_, at)| u64::from(*at));
        let len = next.unwrap_or(self.directory_len()) - from;
        let at = self.footer.directory_at + from;
        let bytes = self.bytes(at, len as usize)?;
        let entries = self.entries_on(page);
        let places = Place::read_page(&mut Reader::new(&bytes), entries, self.span());
        let what = "the directory is not what was written";
        places.ok_or_else(|| Damage::new(&self.path, at, what).into())
    }

    /// Damage when the sections are not one behind the other.
    fn wrong_places(&self, footer_at: u64, id: u64) -> Option<Damage> {
        let footer = &self.footer;
        let series_end = footer.series_at.checked_add(footer.series_len);
        let directory_end = footer.directory_at.checked_add(self.directory_len());
        let replaces_end =
            directory_end.and_then(|end| end.checked_add(8 * u64::from(footer.replaces)));
        let fits = series_end == Some(footer.directory_at)
            && replaces_end == Some(footer_at)
            && footer.id == id;
        let what = "the end belongs to another file";
        (!fits).then(|| Damage::new(&self.path, footer_at, what))
    }

    /// All series, in order of labels.
    pub(in crate::store) fn series(&self) -> Checked<Vec<SeriesInfo>> {
        let Footer {
            series_at,
            series_len,
            series_crc,
            ..
        } = self.footer;
        let section = match self.section(series_at, series_len, series_crc)? {
            Ok(section) => section,
            Err(damage) => return Ok(Err(damage)),
        };
        let what = "the list of series cannot be read";
        Ok(parse_series(&section, self.footer.series)
            .ok_or_else(|| Damage::new(&self.path, series_at, what)))
    }

    fn bytes(&self, at: u64, len: usize) -> Result<Vec<u8>, StorageError> {
        let mut bytes = vec![0; len];
        let read = self
            .file
            .read_at(&mut bytes, at)
            .map_err(StorageError::io("read", &self.path))?;
        if read < len {
            let what = format!("the file ends {} bytes early", len - read);
            return Err(Damage::new(&self.path, at + read as u64, what).into());
        }
        Ok(bytes)
    }

    /// Bytes that lie within the file.
    fn section(&self, at: u64, len: u64, crc: u32) -> Checked<Vec<u8>> {
        let bytes = self.bytes(at, len as usize)?;
        if crc32c::crc32c(&bytes) == crc {
            return Ok(Ok(bytes));
        }
        let what = format!("{len} bytes are not what was written");
        Ok(Err(Damage::new(&self.path, at, what)))
    }

    pub(in crate::store) fn id(&self) -> u64 {
        self.footer.id
    }

    pub(in crate::store) fn covers(&self) -> u64 {
        self.footer.covers
    }

    pub(in crate::store) fn replaces(&self) -> &[u64] {
        &self.replaces
    }

    pub(in crate::store) fn size(&self) -> u64 {
        self.size
    }

    pub(in crate::store) fn min(&self) -> i64 {
        self.footer.min
    }

    pub(in crate::store) fn max(&self) -> i64 {
        self.footer.max
    }

    /// It is not to be merged with others, since something of it is lost.
    pub(in crate::store) fn keep_apart(&self) {
        self.apart.store(true, Ordering::Relaxed);
    }

    pub(in crate::store) fn is_apart(&self) -> bool {
        self.apart.load(Ordering::Relaxed)
    }

    /// Memory in use besides the structure itself.
    pub(in crate::store) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.pages.capacity() * size_of::<(u64, u32)>()
    }

    /// Whether there may be samples in `span`.
    pub(in crate::store) fn overlaps(&self, span: Span) -> bool {
        span.overlaps(self.footer.min, self.footer.max)
    }

    /// Where the samples of a series are.
    pub(in crate::store) fn find(&self, labels: &Labels) -> Result<Option<Place>, StorageError> {
        let fingerprint = labels.fingerprint().0;
        let after = self
            .pages
            .partition_point(|(first, _)| *first < fingerprint);
        let mut check = None;
        // Equal fingerprints may begin on the page before the first that starts with it.
        for page in after.saturating_sub(1)..self.pages.len() {
            if self.pages[page].0 > fingerprint {
                break;
            }
            let places = self.page(page)?;
            for place in places
                .into_iter()
                .filter(|place| place.fingerprint == fingerprint)
            {
                if *check.get_or_insert_with(|| check_of(labels)) == place.check {
                    return Ok(Some(place));
                }
            }
        }
        Ok(None)
    }

    /// The run of a series as it is in the file.
    pub(in crate::store) fn run(&self, labels: &Labels) -> Result<Option<Run>, StorageError> {
        let Some(place) = self.find(labels)? else {
            return Ok(None);
        };
        Ok(Some(Run {
            bytes: self.checked_run(&place, labels)?,
            samples: place.samples,
            min: place.min,
            max: place.max,
        }))
    }

    fn checked_run(&self, place: &Place, labels: &Labels) -> Result<Vec<u8>, StorageError> {
        let damage = |what| Damage::new(&self.path, place.at, format!("{what} of {labels}"));
        let inside = place
            .at
            .checked_add(place.len.into())
            .is_some_and(|end| end <= self.footer.series_at);
        if !inside {
            return Err(damage("wrong place of the samples").into());
        }
        match self.section(place.at, place.len.into(), place.crc)? {
            Ok(run) => Ok(run),
            Err(_) => Err(damage("lost are the samples").into()),
        }
    }

    /// Appends the samples of a series in `span`, in order of time.
    pub(in crate::store) fn read(
        &self,
        labels: &Labels,
        span: Span,
        columns: &mut Columns,
    ) -> Result<(), StorageError> {
        match self.find(labels)? {
            Some(place) => self.read_place(&place, labels, span, &|| false, columns),
            None => Ok(()),
        }
    }

    /// Appends the samples in `span` of the series that [`find`](Self::find) found there.
    pub(in crate::store) fn read_place(
        &self,
        place: &Place,
        labels: &Labels,
        span: Span,
        cancelled: &Cancelled<'_>,
        columns: &mut Columns,
    ) -> Result<(), StorageError> {
        if !span.overlaps(place.min, place.max) {
            return Ok(());
        }
        let run = self.checked_run(place, labels)?;
        let from = columns.len();
        let failure = match decode_run(&run, place, span, cancelled, columns) {
            Some(ControlFlow::Continue(())) => {
                columns.trim(from, span);
                return Ok(());
            }
            Some(ControlFlow::Break(())) => StorageError::Cancelled,
            None => {
                let what = format!("samples of {labels} cannot be decoded");
                Damage::new(&self.path, place.at, what).into()
            }
        };
        columns.times.truncate(from);
        columns.values.truncate(from);
        Err(failure)
    }

    /// Whether a series has a sample at this instant. `scratch` is overwritten.
    pub(in crate::store) fn contains(
        &self,
        labels: &Labels,
        time: i64,
        scratch: &mut Columns,
    ) -> Result<bool, StorageError> {
        let span = Span::instant(time);
        scratch.clear();
        if self.overlaps(span) {
            self.read(labels, span, scratch)?;
        }
        Ok(scratch.len() > 0)
    }
}

fn check_of(labels: &Labels) -> u32 {
    let mut bytes = Vec::new();
    label_bytes::put(&mut bytes, labels);
    crc32c::crc32c(&bytes)
}

fn parse_series(section: &[u8], count: u32) -> Option<Vec<SeriesInfo>> {
    let mut section = Reader::new(section);
    let mut series = Vec::with_capacity((count as usize).min(section.left() / 4));
    let mut bytes: Vec<u8> = Vec::new();
    let mut newest = 0_i64;
    for _ in 0..count {
        let same = usize::try_from(section.number()?).ok()?;
        if same > bytes.len() {
            return None;
        }
        bytes.truncate(same);
        let other = section.count(1)?;
        bytes.extend_from_slice(section.bytes(other)?);
        series.push(SeriesInfo {
            labels: label_bytes::read(&mut Reader::new(&bytes))?,
            samples: section.number()?,
            newest: newest.wrapping_add(section.signed()?),
        });
        newest = series.last().map_or(0, |info| info.newest);
    }
    section.is_empty().then_some(series)
}

/// Decodes the chunks that may have samples in `span`, unless the reading is cancelled.
fn decode_run(
    run: &[u8],
    place: &Place,
    span: Span,
    cancelled: &Cancelled<'_>,
    columns: &mut Columns,
) -> Option<ControlFlow<()>> {
    let mut run = Reader::new(run);
    for info in ChunkInfo::read_all(&mut run, place.min, place.max)? {
        let bytes = run.bytes(info.len)?;
        if span.overlaps(info.first, info.last) {
            if cancelled() {
                return Some(ControlFlow::Break(()));
            }
            if info.codec != PACKED {
                return None;
            }
            packed::decode(bytes, info.count, info.first, columns)?;
        }
    }
    run.is_empty().then_some(ControlFlow::Continue(()))
}
