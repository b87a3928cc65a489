//! A journal in two files of a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::JournalStore;

const SNAPSHOT: &str = "snapshot";
const JOURNAL: &str = "journal";

/// Snapshot and journal as files of a folder of their own.
#[derive(Debug)]
pub struct JournalFiles {
    folder: PathBuf,
    journal: File,
}

impl JournalFiles {
    /// Opens or makes the folder; answers the snapshot and the journal that lie in it, both empty
    /// when there are none.
    ///
    /// # Errors
    ///
    /// Of the file system.
    pub fn open(folder: &Path) -> io::Result<(Self, Vec<u8>, Vec<u8>)> {
        fs::create_dir_all(folder)?;
        let read = |name: &str| match fs::read(folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        };
        let (snapshot, bytes) = (read(SNAPSHOT)?, read(JOURNAL)?);
        let path = folder.join(JOURNAL);
        let journal = OpenOptions::new().create(true).append(true).open(path)?;
        let files = Self {
            folder: folder.to_owned(),
            journal,
        };
        Ok((files, snapshot, bytes))
    }
}

impl JournalStore for JournalFiles {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.journal.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.journal.sync_data()
    }

    fn replace(&mut self, snapshot: &[u8]) -> io::Result<()> {
        let new = self.folder.join("snapshot.new");
        let mut file = File::create(&new)?;
        file.write_all(snapshot)?;
        file.sync_all()?;
        fs::rename(&new, self.folder.join(SNAPSHOT))?;
        File::open(&self.folder)?.sync_all()?;
        self.journal.set_len(0)?;
        self.journal.sync_data()
    }
}
