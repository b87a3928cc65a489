//! The bytes in `fuzz/seeds`, and changed ones, through the functions that the fuzz targets call.

pub(crate) mod entries;

use std::panic::catch_unwind;
use std::path::Path;

use aiops_core::{Rng, Seed};
use entries::ENTRIES;

const CHANGED: usize = 40;

/// `bytes` with some bits changed, cut off, or with a piece doubled.
fn changed(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut below = |end: usize| rng.below(end.max(1));
    let mut bytes = bytes.to_vec();
    for _ in 0..=below(4) {
        let (at, bit) = (below(bytes.len()), below(8));
        match below(4) {
            0 => bytes.truncate(at),
            1 => {
                let piece = bytes[at..(at + below(16)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte ^= 1 << bit),
        }
    }
    bytes
}

#[test]
fn seeds_and_changed_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for (number, (name, entry)) in ENTRIES.into_iter().enumerate() {
        let found = std::fs::read_dir(root.join(name)).unwrap();
        let mut paths: Vec<_> = found.map(|found| found.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{name} has no seeds");
        let mut rng = Seed::default().child(number as u64).rng();
        for path in paths {
            let seed = std::fs::read(&path).unwrap();
            let run = |bytes: &[u8]| {
                let held = catch_unwind(|| entry(bytes)).is_ok();
                assert!(
                    held,
                    "{} as {:?}",
                    path.display(),
                    bytes.escape_ascii().to_string()
                );
            };
            run(&seed);
            for _ in 0..CHANGED {
                run(&changed(&seed, &mut rng));
            }
        }
    }
}
