//! How is nothing lost that was acknowledged? Samples are queued and synced, then the program
//! "crashes" before it has processed them; the next one plays them again.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Duration;

use aiops_core::ingest::{Batch, LabelInterner};
use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue as _};
use aiops_core::store::{DiskStore, DiskStoreConfig, SeriesStore as _};
use aiops_core::{Labels, Selector, TimeRange, Timestamp};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (queue_folder, store_folder) = (folder.path().join("queue"), folder.path().join("store"));
    let depth = Labels::of([("__name__", "queue_depth"), ("service", "cart")])?;
    {
        let queue = DiskQueue::open(&queue_folder, DiskQueueConfig::default())?; // aiops-core
        for second in 0..5 {
            let time = Timestamp::EPOCH.saturating_add(Duration::from_secs(second));
            let mut batch = Batch::default();
            batch.start_series(depth.clone());
            batch.push(time, second as f64);
            let mut record = Vec::new();
            batch.encode(&mut record);
            queue.append(time, &record)?;
        }
        let durable = queue.sync()?; // one fsync for all that were appended
        println!("{durable} records acknowledged; now the program dies");
    }

    let queue = DiskQueue::open(&queue_folder, DiskQueueConfig::default())?;
    let store = DiskStore::open(&store_folder, DiskStoreConfig::default())?;
    let mut interner = LabelInterner::new(1_000);
    for attempt in 1..=2 {
        let mut records = Vec::new();
        let end = queue.read(0, &mut |_, _, record| {
            records.push(record.to_vec());
            ControlFlow::Continue(())
        })?;
        let (mut accepted, mut duplicates) = (0, 0);
        for record in records {
            let report = store.append(&Batch::decode(&record, &mut interner)?)?;
            (accepted, duplicates) = (accepted + report.accepted, duplicates + report.duplicates);
        }
        println!("played {attempt} times: {accepted} samples kept, {duplicates} known already");
        if attempt == 2 {
            store.sync()?;
            queue.release(end)?; // only what the store has for good is let go
        }
    }
    for (labels, columns) in store.read(&Selector::metric("queue_depth"), TimeRange::ALL)? {
        println!("{labels} {:?}", columns.values);
    }
    println!("the queue holds {} records", queue.stats().records);
    Ok(())
}
