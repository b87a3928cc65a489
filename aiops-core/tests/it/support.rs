//! What several tests need.

use std::path::Path;

use tempfile::TempDir;

/// A folder that is removed at the end. In memory where there is such a file system: these tests
/// open and sync thousands of times.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}
