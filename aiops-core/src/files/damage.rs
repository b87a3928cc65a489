//! Damage that was met, each place of which is told once.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Damage, StorageError};

/// Places that are not what was written.
#[derive(Debug, Default)]
pub(crate) struct DamageList(Mutex<Vec<Known>>);

#[derive(Debug)]
struct Known {
    damage: Damage,
    /// Whether a call has ended with it.
    told: bool,
}

fn same(one: &Damage, other: &Damage) -> bool {
    one.offset == other.offset && one.path == other.path
}

impl DamageList {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a place that is still to be told.
    pub(crate) fn note(&self, damage: Damage) {
        let mut all = self.known();
        if !all.iter().any(|known| same(&known.damage, &damage)) {
            all.push(Known {
                damage,
                told: false,
            });
        }
    }

    /// A place was met: an error the first time, and nothing from then on.
    pub(crate) fn meet(&self, damage: Damage) -> Result<(), StorageError> {
        let mut all = self.known();
        match all.iter_mut().find(|known| same(&known.damage, &damage)) {
            Some(known) if known.told => return Ok(()),
            Some(known) => known.told = true,
            None => all.push(Known {
                damage: damage.clone(),
                told: true,
            }),
        }
        Err(damage.into())
    }

    /// A file is gone, and its damage with it.
    pub(crate) fn forget(&self, path: &Path) {
        self.known().retain(|known| known.damage.path != path);
    }

    /// All that is known, in the order in which it was met.
    pub(crate) fn all(&self) -> Vec<Damage> {
        let all = self.known();
        all.iter().map(|known| known.damage.clone()).collect()
    }
}
