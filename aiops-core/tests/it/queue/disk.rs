//! The durable queue: damage, torn ends, locks, full disks.

use std::fs;
use std::path::{Path, PathBuf};

use aiops_core::StorageError;
use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue};
use tempfile::TempDir;

use super::{Reopen, read, time};

struct OnDisk {
    folder: TempDir,
    limit_bytes: u64,
    queue: Option<DiskQueue>,
}

impl Reopen for OnDisk {
    fn queue(&self) -> &dyn Queue {
        self.queue.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.queue = None;
        let queue = open(self.folder.path(), self.limit_bytes).unwrap();
        assert_eq!(queue.recovery(), &aiops_core::queue::Recovery::default());
        self.queue = Some(queue);
    }
}

/// A queue in a folder of its own, with small segments.
pub(super) fn queue(limit_bytes: u64) -> Box<dyn Reopen> {
    let folder = crate::support::folder();
    let queue = Some(open(folder.path(), limit_bytes).unwrap());
    Box::new(OnDisk {
        folder,
        limit_bytes,
        queue,
    })
}

fn open(folder: &Path, limit_bytes: u64) -> Result<DiskQueue, StorageError> {
    let mut config = DiskQueueConfig::default();
    config.limit_bytes = limit_bytes;
    config.segment_bytes = 16 << 10;
    DiskQueue::open(folder, config)
}

/// The segments in a folder, in order.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    segments.sort();
    segments
}

/// A folder with one segment of these records.
fn filled(records: &[&[u8]]) -> (TempDir, PathBuf) {
    let folder = crate::support::folder();
    let queue = open(folder.path(), 1 << 20).unwrap();
    for record in records {
        queue.append(time(1), record).unwrap();
    }
    queue.sync().unwrap();
    drop(queue);
    let [segment] = &segments(folder.path())[..] else {
        panic!("one segment");
    };
    let segment = segment.clone();
    (folder, segment)
}

#[test]
fn a_second_opening_is_refused_until_the_first_ends() {
    let folder = crate::support::folder();
    let first = open(folder.path(), 1 << 20).unwrap();
    let second = open(folder.path(), 1 << 20);
    assert!(matches!(second, Err(StorageError::Locked { path }) if path.ends_with("lock")));
    drop(first);
    open(folder.path(), 1 << 20).unwrap();
}

#[test]
fn segments_are_deleted_when_all_of_them_is_released() {
    let folder = crate::support::folder();
    let queue = open(folder.path(), 1 << 20).unwrap();
    for _ in 0..100 {
        queue.append(time(0), &[1; 1_000]).unwrap();
        queue.sync().unwrap();
    }
    let before = segments(folder.path()).len();
    assert!(before >= 6, "{before} segments of 16 KiB");
    queue.release(50).unwrap();
    let after = segments(folder.path()).len();
    assert!(after < before && after >= 3, "{after} of {before} are left");
    assert_eq!(read(&queue, 50).len(), 50);
    queue.release(100).unwrap();
    assert!(segments(folder.path()).len() <= 1);
}

#[test]
fn a_torn_end_is_cut_at_every_byte() {
    let records: [&[u8]; 3] = [b"first", b"second", b"the third one"];
    let (folder, segment) = filled(&records);
    let whole = fs::read(&segment).unwrap();
    let ends: Vec<usize> = records
        .iter()
        .scan(24, |end, record| {
            *end += 24 + record.len();
            Some(*end)
        })
        .collect();
    assert_eq!(ends[2], whole.len());
    for len in 0..=whole.len() {
        fs::write(&segment, &whole[..len]).unwrap();
        let left = ends.iter().filter(|end| **end <= len).count();
        let queue = open(folder.path(), 1 << 20).unwrap();
        assert_eq!(queue.offsets(), 0..left as u64, "cut at {len}");
        let at_an_end = len <= 24 || ends.contains(&len);
        let cut = &queue.recovery().cut;
        assert_eq!(cut.is_none(), at_an_end, "cut at {len}: {cut:?}");
        assert_eq!(queue.recovery().damage, [], "cut at {len}");
        let found = read(&queue, 0);
        assert!(
            found
                .iter()
                .zip(records)
                .all(|(found, record)| found.2 == record)
        );
        // It goes on where it ended.
        assert_eq!(queue.append(time(2), b"next").unwrap(), left as u64);
        queue.sync().unwrap();
        drop(queue);
        let queue = open(folder.path(), 1 << 20).unwrap();
        assert_eq!(read(&queue, left as u64)[0].2, b"next", "cut at {len}");
    }
}

/// Reads everything; of damage, the message.
fn read_past_damage(queue: &DiskQueue) -> (Vec<u64>, Vec<String>) {
    let (mut offsets, mut told) = (Vec::new(), Vec::new());
    loop {
        offsets.clear();
        let result = queue.read(queue.offsets().start, &mut |offset, _, _| {
            offsets.push(offset);
            std::ops::ControlFlow::Continue(())
        });
        match result {
            Ok(_) => return (offsets, told),
            Err(error @ StorageError::Corrupt { .. }) => told.push(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn every_flipped_bit_is_named_and_costs_one_record() {
    let records: [&[u8]; 3] = [b"first", b"second", b"third"];
    let (folder, segment) = filled(&records);
    let whole = fs::read(&segment).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&segment, &bytes).unwrap();
        let queue = open(folder.path(), 1 << 20).unwrap();
        let recovery = queue.recovery().clone();
        let (offsets, told) = read_past_damage(&queue);
        let lost: Vec<u64> = (0..3).filter(|offset| !offsets.contains(offset)).collect();
        let named = recovery.cut.iter().chain(&recovery.damage).count();
        assert_eq!(named, 1, "bit {bit}: {recovery:?}");
        assert!(lost.len() <= 1, "bit {bit}: {lost:?} are lost");
        // A header of the file costs no record; the last record is cut off.
        assert_eq!(lost.is_empty(), bit < 24 * 8, "bit {bit}");
        assert_eq!(recovery.cut.is_some(), lost == [2], "bit {bit}");
        assert_eq!(
            told.len(),
            usize::from(lost == [0] || lost == [1]),
            "{told:?}"
        );
        if let [message] = &told[..] {
            let name = segment.to_string_lossy();
            assert!(message.contains(&*name), "{message}");
            assert!(message.contains("are lost"), "{message}");
        }
        assert_eq!(read_past_damage(&queue).1, [""; 0], "told once");
    }
}

#[test]
fn damage_while_it_runs_is_met_by_the_reader() {
    let (folder, segment) = filled(&[b"first", b"second", b"third"]);
    let queue = open(folder.path(), 1 << 20).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[24 + 24 + 5 + 10] ^= 0x40; // in the header of the second record
    fs::write(&segment, &bytes).unwrap();
    let (offsets, told) = read_past_damage(&queue);
    assert_eq!(offsets, [0, 2]);
    assert_eq!(told.len(), 1);
    assert_eq!(queue.damage().len(), 1);
}

#[test]
fn a_lost_segment_is_a_named_gap() {
    let folder = crate::support::folder();
    let queue = open(folder.path(), 1 << 20).unwrap();
    for _ in 0..60 {
        queue.append(time(0), &[1; 1_000]).unwrap();
        queue.sync().unwrap();
    }
    drop(queue);
    let all = segments(folder.path());
    fs::remove_file(&all[1]).unwrap();
    let queue = open(folder.path(), 1 << 20).unwrap();
    let (offsets, told) = read_past_damage(&queue);
    assert_eq!(told.len(), 1, "{told:?}");
    let missing = 60 - offsets.len();
    assert!((10..20).contains(&missing), "{missing} records are missing");
    assert_eq!((offsets[0], *offsets.last().unwrap()), (0, 59));
}

#[test]
fn a_file_of_a_newer_release_is_left_alone() {
    let (folder, segment) = filled(&[b"first"]);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 9;
    let crc = crc(&bytes[..20]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, &bytes).unwrap();
    let error = open(folder.path(), 1 << 20).unwrap_err();
    assert!(error.to_string().contains("format 9 is newer"), "{error}");
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}

/// CRC-32C bit by bit, as a check on the one in use.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_damaged_note_of_what_was_released_costs_nothing() {
    let (folder, _) = filled(&[b"first", b"second"]);
    let queue = open(folder.path(), 1 << 20).unwrap();
    queue.release(1).unwrap();
    drop(queue);
    let note = folder.path().join("released");
    let whole = fs::read(&note).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&note, bytes).unwrap();
        let queue = open(folder.path(), 1 << 20).unwrap();
        assert_eq!(queue.offsets(), 0..2);
        assert_eq!(queue.recovery().damage[0].path, note);
    }
}

#[test]
fn a_record_that_is_too_long_is_refused() {
    let folder = crate::support::folder();
    let queue = open(folder.path(), 1 << 30).unwrap();
    let error = queue.append(time(0), &vec![0; (64 << 20) + 1]).unwrap_err();
    assert!(matches!(
        error,
        StorageError::Full {
            limit: 67_108_864,
            ..
        }
    ));
    queue.append(time(0), &vec![0; 64 << 20]).unwrap();
    queue.sync().unwrap();
    assert_eq!(read(&queue, 0)[0].2.len(), 64 << 20);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let error = open(Path::new("/dev/null/queue"), 1 << 20).unwrap_err();
    assert!(error.to_string().contains("/dev/null/queue"), "{error}");
}
