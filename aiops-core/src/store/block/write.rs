//! Writing a block from front to end.

use std::io;
use std::path::{Path, PathBuf};

use super::{ChunkInfo, FRESH, Footer, HEADER_BYTES, MAGIC, PACKED, Place, Run, file_name};
use crate::Labels;
use crate::files::{FileHandle, Files};
use crate::store::label_bytes;
use crate::store::packed::{self, CHUNK_SAMPLES};
use crate::store::series::Columns;
use crate::store::varint;

/// Bytes that are written at one time.
const WRITE_BYTES: usize = 1 << 20;

/// What a block says about itself.
#[derive(Clone, Debug)]
pub(in crate::store) struct About {
    pub(in crate::store) id: u64,
    /// Records of the log before this offset are in blocks.
    pub(in crate::store) covers: u64,
    /// Blocks that this one stands for.
    pub(in crate::store) replaces: Vec<u64>,
}

/// Writes a block. Dropped unfinished, it leaves a file that the next opening removes.
#[derive(Debug)]
pub(in crate::store) struct BlockWriter<'a> {
    files: &'a dyn Files,
    folder: &'a Path,
    about: About,
    fresh: PathBuf,
    file: Box<dyn FileHandle>,
    written: u64,
    buffer: Vec<u8>,
    /// Series section.
    series: Vec<u8>,
    labels: Vec<u8>,
    /// Time of the latest sample of the series before.
    newest: i64,
    places: Vec<Place>,
}

impl<'a> BlockWriter<'a> {
    pub(in crate::store) fn create(
        files: &'a dyn Files,
        folder: &'a Path,
        about: About,
    ) -> io::Result<Self> {
        let fresh = folder.join(format!("{}{FRESH}", file_name(about.id)));
        let file = files.create(&fresh)?;
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        buffer.extend_from_slice(&MAGIC);
        buffer.extend_from_slice(&super::FORMAT.to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        debug_assert_eq!(buffer.len() as u64, HEADER_BYTES);
        Ok(Self {
            files,
            folder,
            about,
            fresh,
            file,
            written: 0,
            buffer,
            series: Vec::new(),
            labels: Vec::new(),
            newest: 0,
            places: Vec::new(),
        })
    }

    /// Adds the samples of a series; series come in order of labels, samples in order of time.
    pub(in crate::store) fn add(&mut self, labels: &Labels, samples: &Columns) -> io::Result<()> {
        let (Some(first), Some(last)) = (samples.times.first(), samples.times.last()) else {
            return Ok(());
        };
        let (mut infos, mut chunks) = (Vec::new(), Vec::new());
        for part in samples.parts(CHUNK_SAMPLES) {
            let start = chunks.len();
            packed::encode(part, &mut chunks);
            infos.push(ChunkInfo {
                codec: PACKED,
                count: part.len() as u32,
                len: chunks.len() - start,
                first: part.first(),
                last: part.last(),
            });
        }
        let mut bytes = Vec::with_capacity(chunks.len() + 8 * infos.len());
        ChunkInfo::put_all(&infos, &mut bytes);
        bytes.append(&mut chunks);
        let run = Run {
            bytes,
            samples: u32::try_from(samples.len()).map_err(|_| io::ErrorKind::FileTooLarge)?,
            min: first.as_nanos(),
            max: last.as_nanos(),
        };
        self.add_run(labels, &run)
    }

    /// Adds a run as it is in another block.
    pub(in crate::store) fn add_run(&mut self, labels: &Labels, run: &Run) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.labels.len() + 32);
        label_bytes::put(&mut bytes, labels);
        self.places.push(Place {
            fingerprint: labels.fingerprint().0,
            check: crc32c::crc32c(&bytes),
            len: u32::try_from(run.bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?,
            at: self.written + self.buffer.len() as u64,
            samples: run.samples,
            crc: crc32c::crc32c(&run.bytes),
            min: run.min,
            max: run.max,
        });
        let pairs = bytes.iter().zip(&self.labels);
        let same = pairs.take_while(|(one, other)| one == other).count();
        varint::put(&mut self.series, same as u64);
        varint::put(&mut self.series, (bytes.len() - same) as u64);
        self.series.extend_from_slice(&bytes[same..]);
        varint::put(&mut self.series, run.samples.into());
        varint::put_signed(&mut self.series, run.max.wrapping_sub(self.newest));
        self.newest = run.max;
        self.labels = bytes;
        self.put(&run.bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn at(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes what is left and puts the file in place.
    pub(in crate::store) fn finish(mut self) -> io::Result<()> {
        let series = std::mem::take(&mut self.series);
        let mut footer = Footer {
            series_at: self.at(),
            series_len: series.len() as u64,
            series_crc: crc32c::crc32c(&series),
            series: u32::try_from(self.places.len()).map_err(|_| io::ErrorKind::FileTooLarge)?,
            replaces: self.about.replaces.len() as u32,
            samples: self
                .places
                .iter()
                .map(|place| u64::from(place.samples))
                .sum(),
            min: self.places.iter().map(|place| place.min).min().unwrap_or(0),
            max: self.places.iter().map(|place| place.max).max().unwrap_or(0),
            id: self.about.id,
            covers: self.about.covers,
            ..Footer::default()
        };
        self.put(&series)?;
        self.places
            .sort_unstable_by_key(|place| (place.fingerprint, place.check));
        let mut section = Vec::new();
        Place::put_all(&self.places, (footer.min, footer.max), &mut section);
        footer.directory_at = self.at();
        footer.directory_len =
            u32::try_from(section.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        footer.directory_crc = crc32c::crc32c(&section);
        self.put(&section)?;
        section.clear();
        let replaces = std::mem::take(&mut self.about.replaces);
        for id in replaces {
            section.extend_from_slice(&id.to_le_bytes());
        }
        footer.replaces_crc = crc32c::crc32c(&section);
        section.extend_from_slice(&footer.to_bytes());
        self.put(&section)?;
        self.flush()?;
        self.file.sync()?;
        let path = self.folder.join(file_name(self.about.id));
        self.files.rename(&self.fresh, &path)?;
        self.files.sync_folder(self.folder)
    }
}
