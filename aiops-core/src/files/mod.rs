//! The narrow layer between queue, store and the operating system, so that tests can put a file
//! system with faults in its place.

mod damage;
mod os;

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub(crate) use damage::DamageList;
pub(crate) use os::OsFiles;

/// What is needed of a file system. After a crash, what was synced is there; anything else may be
/// there, in part, or not at all.
pub(crate) trait Files: Send + Sync + Debug {
    /// Creates a folder and those above it.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Names in a folder, sorted.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// A new, empty file in place of any other of that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>>;
    /// An existing file, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FileHandle>>;
    /// Gives a file another name; replaces the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a folder survive a crash.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Takes the lock of a file, which is created; `None` when another process has it. The lock
    /// lasts as long as the answer.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// A lock that is held until it is dropped.
pub(crate) trait Lock: Send + Sync + Debug {}

/// An open file.
pub(crate) trait FileHandle: Send + Sync + Debug {
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from position `at` on; answers less than its length only at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at position `at`.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Cuts or extends.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Makes the contents survive a crash.
    fn sync(&self) -> io::Result<()>;
}

/// Writes a file that is either there as a whole after a crash, or not at all.
pub(crate) fn replace(
    files: &dyn Files,
    folder: &Path,
    name: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let (path, fresh) = (folder.join(name), folder.join(format!("{name}.new")));
    let file = files.create(&fresh)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    files.rename(&fresh, &path)?;
    files.sync_folder(folder)
}

/// An error with the same kind, code and text; `io::Error` itself cannot be copied.
pub(crate) fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
