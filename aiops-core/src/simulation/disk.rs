//! The file system with faults.
//!
//! What a program reads is what it wrote. What a crash leaves is: what was synced, and of each later
//! write all, a part, or nothing, whatever became of the others; the same for names, until their
//! folder is synced. A sync that fails forgets what it should have written, as Linux does.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Faults;
use crate::files::{FileHandle, Files, Lock};
use crate::{Rng, Seed};

/// Bytes that a disk writes as a whole.
const SECTOR: usize = 512;

/// A disk that outlives the programs that use it.
#[derive(Clone, Debug)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rng: Rng,
    faults: Faults,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    locked: Vec<PathBuf>,
    /// Operations until the program dies.
    until_crash: Option<u64>,
    /// Counts crashes; handles of a former life are dead.
    life: u64,
    bytes_read: u64,
}

#[derive(Debug, Default)]
struct Inode {
    contents: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Size(u64),
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Unlink(PathBuf),
}

fn apply(contents: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, bytes) => {
            let end = *at as usize + bytes.len();
            if contents.len() < end {
                contents.resize(end, 0);
            }
            contents[*at as usize..end].copy_from_slice(bytes);
        }
        Change::Size(size) => contents.resize(*size as usize, 0),
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, change: &NameChange) {
    match change {
        NameChange::Link(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Rename(from, to, inode) => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        NameChange::Unlink(path) => {
            names.remove(path);
        }
    }
}

impl State {
    /// Counts an operation; fails when the program is dead, or by chance.
    fn operate(&mut self, life: u64) -> io::Result<()> {
        if life != self.life || self.until_crash == Some(0) {
            return Err(io::Error::other("the program is dead"));
        }
        if let Some(left) = &mut self.until_crash {
            *left -= 1;
        }
        if self.faults.errors > 0 && self.rng.below(self.faults.errors) == 0 {
            return Err(io::Error::other("input/output error"));
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        let sizes = self
            .names
            .values()
            .map(|inode| self.inodes[*inode].contents.len());
        sizes.sum::<usize>() as u64
    }

    /// What a crash, or a failed sync, makes of the changes since the last sync.
    fn survivors(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let mut survivors = Vec::new();
        for change in changes {
            match (self.rng.below(4), change) {
                (0, _) => {}
                (1, Change::Write(at, bytes)) => {
                    // The disk writes sectors, some of which get there.
                    let mut from = 0;
                    while from < bytes.len() {
                        let sector = SECTOR - (at as usize + from) % SECTOR;
                        let to = (from + sector).min(bytes.len());
                        if self.rng.below(2) == 0 {
                            survivors
                                .push(Change::Write(at + from as u64, bytes[from..to].to_vec()));
                        }
                        from = to;
                    }
                }
                (2, Change::Write(at, bytes)) => {
                    let len = self.rng.below(bytes.len() + 1);
                    survivors.push(Change::Write(at, bytes[..len].to_vec()));
                }
                (_, change) => survivors.push(change),
            }
        }
        survivors
    }
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: Seed(seed).child(1).rng(),
            faults: Faults::default(),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            locked: Vec::new(),
            until_crash: None,
            life: 0,
            bytes_read: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a program sees that starts now.
    pub(super) fn files(&self) -> Arc<dyn Files> {
        let life = self.state().life;
        Arc::new(SimFiles {
            disk: self.clone(),
            life,
        })
    }

    pub(super) fn hurt(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The program dies after so many operations.
    pub(super) fn crash_after(&self, operations: u64) {
        self.state().until_crash = Some(operations);
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.state().until_crash == Some(0)
    }

    /// The program dies, and the machine stays: everything written is there.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.until_crash = None;
        state.faults = Faults::default();
        state.locked.clear();
    }

    /// The machine dies: what was not synced is lost, in part or as a whole.
    pub(super) fn lose_power(&self) {
        self.kill();
        let mut state = self.state();
        for index in 0..state.inodes.len() {
            let changes = std::mem::take(&mut state.inodes[index].changes);
            let survivors = state.survivors(changes);
            let inode = &mut state.inodes[index];
            for change in &survivors {
                apply(&mut inode.durable, change);
            }
            inode.contents = inode.durable.clone();
        }
        for change in std::mem::take(&mut state.name_changes) {
            if state.rng.below(2) == 0 {
                rename(&mut state.durable_names, &change);
            }
        }
        state.names = state.durable_names.clone();
    }

    /// Flips a bit somewhere in a file that passes; answers the file, or `None` when there is none.
    pub(super) fn flip_bit(&self, passes: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let mut state = self.state();
        let is_full = |inode: usize| !state.inodes[inode].contents.is_empty();
        let names = state.names.iter();
        let found: Vec<_> = names
            .filter(|(path, inode)| passes(path) && is_full(**inode))
            .map(|(path, inode)| (path.clone(), *inode))
            .collect();
        if found.is_empty() {
            return None;
        }
        let (path, inode) = found[state.rng.below(found.len())].clone();
        let len = state.inodes[inode].contents.len();
        let (byte, bit) = (state.rng.below(len), state.rng.below(8));
        state.inodes[inode].contents[byte] ^= 1 << bit;
        let inode = &mut state.inodes[inode];
        inode.durable.clone_from(&inode.contents);
        Some(path)
    }

    /// Bytes read since the last call, and bytes of all files.
    pub(super) fn take_read(&self) -> (u64, u64) {
        let mut state = self.state();
        (std::mem::take(&mut state.bytes_read), state.used())
    }
}

#[derive(Debug)]
struct SimFiles {
    disk: SimDisk,
    life: u64,
}

impl SimFiles {
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.disk.state();
        state.operate(self.life)?;
        Ok(state)
    }

    fn handle(&self, inode: usize) -> Box<dyn FileHandle> {
        Box::new(SimFile {
            disk: self.disk.clone(),
            life: self.life,
            inode,
        })
    }
}

impl Files for SimFiles {
    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.operate()?;
        let inside = state
            .names
            .keys()
            .filter(|path| path.parent() == Some(folder));
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        Ok(inside.map(name).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let mut state = self.operate()?;
        let known = state.names.get(path).copied();
        let inode = known.unwrap_or(state.inodes.len());
        if known.is_some() {
            state.inodes[inode].contents.clear();
            state.inodes[inode].changes.push(Change::Size(0));
        } else {
            state.inodes.push(Inode::default());
            let change = NameChange::Link(path.to_owned(), inode);
            rename(&mut state.names, &change);
            state.name_changes.push(change);
        }
        drop(state);
        Ok(self.handle(inode))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let inode = self.operate()?.names.get(path).copied();
        inode
            .map(|inode| self.handle(inode))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let inode = state.names.get(from).copied();
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        let change = NameChange::Rename(from.to_owned(), to.to_owned(), inode);
        rename(&mut state.names, &change);
        state.name_changes.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        state.name_changes.push(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let in_folder = |change: &NameChange| match change {
            NameChange::Link(path, _)
            | NameChange::Rename(_, path, _)
            | NameChange::Unlink(path) => path.parent() == Some(folder),
        };
        let changes = std::mem::take(&mut state.name_changes);
        let (synced, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(in_folder);
        state.name_changes = others;
        for change in synced {
            rename(&mut state.durable_names, &change);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.operate()?;
        if state.locked.iter().any(|locked| locked == path) {
            return Ok(None);
        }
        state.locked.push(path.to_owned());
        Ok(Some(Box::new(SimLock {
            disk: self.disk.clone(),
            life: self.life,
            path: path.to_owned(),
        })))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    life: u64,
    path: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locked.retain(|locked| *locked != self.path);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    life: u64,
    inode: usize,
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.disk.state();
        let died = state.until_crash == Some(0);
        let allowed = state.operate(self.life);
        let mut change = change;
        let mut result = Ok(());
        if let Err(error) = allowed {
            if died || state.life != self.life {
                return Err(error);
            }
            result = Err(error);
        }
        if let Change::Write(_, bytes) = &mut change {
            let limit = state.faults.limit;
            let free = limit.saturating_sub(state.used()) as usize;
            if limit > 0 && free < bytes.len() {
                bytes.truncate(free);
                result = Err(io::ErrorKind::StorageFull.into());
            } else if result.is_err() {
                let len = state.rng.below(bytes.len() + 1);
                bytes.truncate(len);
            }
        } else if result.is_err() {
            return result;
        }
        let inode = &mut state.inodes[self.inode];
        apply(&mut inode.contents, &change);
        inode.changes.push(change);
        result
    }
}

impl FileHandle for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.operate(self.life)?;
        Ok(state.inodes[self.inode].contents.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.operate(self.life)?;
        let contents = &state.inodes[self.inode].contents;
        let from = (at as usize).min(contents.len());
        let len = buffer.len().min(contents.len() - from);
        buffer[..len].copy_from_slice(&contents[from..from + len]);
        state.bytes_read += len as u64;
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.change(Change::Write(at, bytes.to_vec()))
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.change(Change::Size(size))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let died = state.until_crash == Some(0) || state.life != self.life;
        let allowed = state.operate(self.life);
        if died {
            return allowed;
        }
        let mut changes = std::mem::take(&mut state.inodes[self.inode].changes);
        if allowed.is_err() {
            // The pages count as clean from now on, whether they were written or not.
            changes = state.survivors(changes);
        }
        let inode = &mut state.inodes[self.inode];
        for change in &changes {
            apply(&mut inode.durable, change);
        }
        allowed
    }
}
