//! Opening the store after whatever has happened to it.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use super::cache::RunCache;
use super::{DiskStore, DiskStoreConfig, Keeper, Lower, Recovery, Shared, Writer};
use crate::files::{DamageList, Files};
use crate::journal;
use crate::store::block::{self, Block, Opened, SeriesInfo};
use crate::store::catalog::Catalog;
use crate::store::log::{self, Log};
use crate::store::series::Columns;
use crate::{Damage, Labels, StorageError};

const LOCK: &str = "lock";
const BLOCKS: &str = "blocks";
const LOG: &str = "log";

pub(super) fn open(
    files: Arc<dyn Files>,
    folder: &Path,
    config: DiskStoreConfig,
) -> Result<DiskStore, StorageError> {
    let (blocks_folder, log_folder) = (folder.join(BLOCKS), folder.join(LOG));
    for folder in [folder, &blocks_folder, &log_folder] {
        files
            .create_folder(folder)
            .map_err(StorageError::io("create", folder))?;
    }
    let path = folder.join(LOCK);
    let lock = files
        .lock(&path)
        .map_err(StorageError::io("lock", &path))?
        .ok_or(StorageError::Locked { path })?;
    let mut recovery = Recovery::default();
    let found = Found::read(files.as_ref(), &blocks_folder, &mut recovery.damage)?;
    files
        .sync_folder(folder)
        .map_err(StorageError::io("sync", folder))?;
    let mut catalog = Catalog::default();
    for series in found.blocks.iter().flat_map(|(_, series)| series) {
        catalog.add_older(&series.labels, series.samples, series.newest);
    }
    let blocks: Vec<_> = found.blocks.into_iter().map(|(block, _)| block).collect();
    let covers = blocks.iter().map(|block| block.covers()).max().unwrap_or(0);
    let damage = DamageList::default();
    let recovered = {
        let mut replay = Replay {
            catalog: &mut catalog,
            older: Lower {
                frozen: None,
                blocks: &blocks,
                damage: &damage,
                scratch: Columns::default(),
            },
            defined: HashMap::new(),
            recovery: &mut recovery,
            failure: None,
            log: &log_folder,
            covers,
        };
        let recovered = journal::recover(
            files.as_ref(),
            &log_folder,
            covers,
            &mut |offset, _, record| {
                replay.record(offset, record);
            },
        )?;
        if let Some(error) = replay.failure {
            return Err(error);
        }
        recovered
    };
    recovery.cut = recovered.cut;
    recovery.damage.extend(recovered.damage);
    for place in &recovery.damage {
        damage.note(place.clone());
    }
    let end = recovered.segments.last().map_or(covers, |held| held.end);
    let log = Log::new(
        files.clone(),
        &log_folder,
        &recovered.segments,
        end.max(covers),
    );
    let log_size = log.size().into();
    let store = DiskStore {
        config,
        folder: folder.to_owned(),
        files,
        keeper: Mutex::new(Keeper {
            next_block: found.next,
            dead: Vec::new(),
        }),
        writer: Mutex::new(Writer {
            log,
            accepted: Vec::new(),
        }),
        shared: RwLock::new(Shared {
            catalog,
            frozen: None,
            blocks: Arc::new(blocks),
        }),
        log_size,
        evicted: 0.into(),
        cache: RunCache::new(config.cache_bytes),
        damage,
        recovery,
        _lock: lock,
    };
    let full = store.reading().catalog.head_bytes() as u64 >= config.memory_bytes;
    if full {
        store.cut(&mut store.keeper())?;
    }
    Ok(store)
}

impl DiskStore {
    pub(super) fn blocks_folder(&self) -> std::path::PathBuf {
        self.folder.join(BLOCKS)
    }
}

/// The blocks in a folder.
struct Found {
    /// In order of their identifiers.
    blocks: Vec<(Arc<Block>, Vec<SeriesInfo>)>,
    next: u64,
}

impl Found {
    /// Opens all blocks, and removes what a crash has left over.
    fn read(
        files: &dyn Files,
        folder: &Path,
        damage: &mut Vec<Damage>,
    ) -> Result<Self, StorageError> {
        let names = files
            .list(folder)
            .map_err(StorageError::io("list", folder))?;
        let remove = |path: &Path| files.remove(path).map_err(StorageError::io("remove", path));
        for name in names.iter().filter(|name| block::is_unfinished(name)) {
            remove(&folder.join(name))?;
        }
        let mut found = Self {
            blocks: Vec::new(),
            next: 1,
        };
        for id in names.iter().filter_map(|name| block::id_of(name)) {
            found.next = found.next.max(id + 1);
            match Block::open(files, folder, id)? {
                Opened::Whole(block, series) => found.blocks.push((Arc::new(block), series)),
                Opened::Damaged(place) => damage.push(place),
            }
        }
        // A block that is replaced does not replace others, so the latest come first.
        let mut replaced = BTreeSet::new();
        for (block, _) in found.blocks.iter().rev() {
            if !replaced.contains(&block.id()) {
                replaced.extend(block.replaces().iter().copied());
            }
        }
        for id in &replaced {
            let path = folder.join(block::file_name(*id));
            damage.retain(|place| place.path != path);
            if names.contains(&block::file_name(*id)) {
                remove(&path)?;
            }
        }
        found
            .blocks
            .retain(|(block, _)| !replaced.contains(&block.id()));
        files
            .sync_folder(folder)
            .map_err(StorageError::io("sync", folder))?;
        Ok(found)
    }
}

/// Puts the records of the log into the catalog.
struct Replay<'a> {
    catalog: &'a mut Catalog,
    older: Lower<'a>,
    defined: log::Defined,
    recovery: &'a mut Recovery,
    failure: Option<StorageError>,
    log: &'a Path,
    /// Records before this offset are in blocks.
    covers: u64,
}

impl Replay<'_> {
    fn record(&mut self, offset: u64, record: &[u8]) {
        let (catalog, older) = (&mut *self.catalog, &mut self.older);
        let (mut replayed, mut failure) = (0, None);
        let mut insert = |labels: &Labels, time, value| {
            let id = catalog.create(labels);
            match catalog.insert(id, time, value, older) {
                Ok(new) => replayed += u64::from(new),
                Err(error) => failure = Some(error),
            }
        };
        let read = log::define(record, &mut self.defined).and_then(|samples| {
            // What is in a block already may have been deleted there.
            if offset < self.covers {
                return Some(());
            }
            log::replay(samples, &self.defined, &mut insert)
        });
        self.recovery.replayed += replayed;
        self.failure = self.failure.take().or(failure);
        if read.is_none() {
            let what = format!("samples of record {offset} are lost with their labels");
            self.recovery.damage.push(Damage::new(self.log, 0, what));
        }
    }
}
