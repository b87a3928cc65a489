//! The running program: threads around the pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::IntoFuture as _;
use std::net::{SocketAddr, TcpListener};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aiops_alert::engine::{Delivery, Notification};
use aiops_core::ingest::LabelInterner;
use aiops_core::queue::Queue as _;
use aiops_core::store::Maintenance;
use aiops_core::{Cause, IncidentId, StorageError, Timestamp};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use crate::clock;
use crate::config::Config;
use crate::counters::Counters;
use crate::host::HostCollector;
use crate::http::{self, Answers, Shared};
use crate::ingest::{self, Intake};
use crate::notify::{Notifier, Outgoing};
use crate::outlook;
use crate::pipeline::Pipeline;
use crate::record::{Reader, Record};
use crate::scrape::Target;
use crate::setup;
use crate::state::{self, Damaged};
use crate::watches::SHARDS;

/// How often the state and one file of models are written when nothing calls for it. A turn
/// through all files takes about five minutes.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Searches for causes in one step; when more incidents begin at one time, the others are told
/// without.
const MAX_SEARCHES: usize = 10;
/// How long open connections may go on when the program stops.
const GRACE: Duration = Duration::from_secs(3);
/// How often forecasts are made.
const FORECAST_EVERY: Duration = Duration::from_secs(30);
/// How soon again while there is nothing to forecast yet.
const FORECAST_SOON: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again to tidy up the store.
const TIDY_AGAIN: Duration = Duration::from_secs(10);
/// How often old samples are dropped.
const RETAIN_EVERY: Duration = Duration::from_mins(10);
/// How soon a thread notices that the program is to stop.
const PATIENCE: Duration = Duration::from_millis(200);
/// Bytes that are taken from the queue at one time.
const READ_BYTES: usize = 4 << 20;
/// Label sets whose decoded form is kept.
const INTERNED: usize = 500_000;

/// Why the program cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}. Another program may have the port; choose another \
         one with --listen, such as --listen 127.0.0.1:{}, or `listen` in the configuration",
        .address.port().wrapping_add(1)
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data folder cannot be used.
    #[error("{0}")]
    Storage(String),
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// The operating system does not give what is needed.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        Self::Storage(ingest::describe(&error))
    }
}

/// The running program. Dropping it without [`stop`](Self::stop) leaves its threads to end with
/// the process.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    close_server: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl App {
    /// Opens the data folder, recovers, listens, and starts all threads.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let listener = listen(config.listen)?;
        let address = listener.local_addr().map_err(|source| StartError::System {
            what: "learn the own address",
            source,
        })?;
        let folder = &config.data_dir;
        fs::create_dir_all(folder).map_err(StorageError::io("create", folder))?;
        let counters = Arc::new(Counters::default());
        let queue = Arc::new(setup::queue(&config)?);
        let store = Arc::new(setup::store(&config)?);
        let mut pipeline =
            Pipeline::new(config.clone(), counters.clone(), store).map_err(StartError::Config)?;
        let settings = setup::detection_settings(&config);
        let offset = recover(&config, &settings, &mut pipeline, queue.offsets())?;
        let intake = Arc::new(Intake::new(queue, counters));
        let shared = Shared {
            config: config.clone(),
            intake: intake.clone(),
            pipeline: Arc::new(Mutex::new(pipeline)),
            outlooks: Arc::new(Mutex::new(Vec::new())),
            interner: Arc::new(Mutex::new(LabelInterner::new(INTERNED))),
            in_flight: Arc::new(Semaphore::new(config.limits.in_flight_bytes / 1024 + 1)),
            answers: Arc::new(Answers::default()),
            counts: Arc::new(Mutex::new(None)),
            alerting: Arc::default(),
            started: clock::now(),
        };
        let mut app = Self {
            address,
            stopping: Arc::new(AtomicBool::new(false)),
            close_server: None,
            threads: Vec::new(),
        };
        app.start_threads(&shared, settings, offset, listener)?;
        Ok(app)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking in, processes what is in the queue, writes the state, and ends all threads.
    pub fn stop(mut self) {
        if let Some(close) = self.close_server.take() {
            let _ = close.send(()); // the server may have ended by itself
        }
        self.stopping.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread failed while the program stopped");
            }
        }
        tracing::info!("stopped");
    }

    fn start_threads(
        &mut self,
        shared: &Shared,
        settings: String,
        offset: u64,
        listener: TcpListener,
    ) -> Result<(), StartError> {
        let notified = shared.clone();
        let report = move |outgoing: &Outgoing, delivery: Delivery| {
            let ok = delivery == Delivery::Delivered;
            notified.intake.counters().delivery(ok);
            let mut pipeline = notified.pipeline();
            pipeline.delivered(clock::now(), &outgoing.key, delivery);
        };
        let what = "start a thread";
        let notifier = Notifier::start(&shared.config.webhooks, &self.stopping, &report)
            .map_err(|source| StartError::System { what, source })?;
        let worker = Worker {
            shared: shared.clone(),
            stopping: self.stopping.clone(),
            notifier,
            settings,
            offset,
            last_tick: Timestamp::MIN,
            next_shard: 0,
            metadata: 0,
            learned: 0,
            saved: Instant::now(),
            retained: Instant::now(),
        };
        self.spawn("process", move || worker.run())?;
        if shared.config.host.enabled {
            let (shared, stopping) = (shared.clone(), self.stopping.clone());
            self.spawn("host", move || collect_host(&shared, &stopping))?;
        }
        for job in &shared.config.scrape {
            for target in Target::of(job, shared.config.limits.body_bytes) {
                let (shared, stopping) = (shared.clone(), self.stopping.clone());
                self.spawn("scrape", move || scrape(&shared, &target, &stopping))?;
            }
        }
        let (forecasting, stopping) = (shared.clone(), self.stopping.clone());
        self.spawn("forecast", move || forecast(&forecasting, &stopping))?;
        let (tidying, stopping) = (shared.clone(), self.stopping.clone());
        self.spawn("tidy", move || tidy(&tidying, &stopping))?;
        let (close, closed) = oneshot::channel();
        self.close_server = Some(close);
        let serving = shared.clone();
        self.spawn("http", move || serve(serving, listener, closed))
    }

    fn spawn(
        &mut self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        self.threads.push(start_thread(name, work)?);
        Ok(())
    }
}

fn start_thread(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let what = "start a thread";
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|source| StartError::System { what, source })
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener =
        TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })?;
    listener
        .set_nonblocking(true)
        .map_err(|source| StartError::System {
            what: "set up the socket",
            source,
        })?;
    Ok(listener)
}

/// Brings the pipeline to the state on disk; answers the offset to go on from.
fn recover(
    config: &Config,
    settings: &str,
    pipeline: &mut Pipeline,
    held: Range<u64>,
) -> Result<u64, StartError> {
    let found = state::restore(&config.data_dir, settings, pipeline)?;
    for Damaged { aside, why } in &found.damaged {
        tracing::error!(
            file = %aside.display(),
            why,
            "a file cannot be used and was set aside; samples are kept, models learn from them"
        );
    }
    if let Some(offset) = found.offset {
        let series = pipeline.watches().len();
        tracing::info!(offset, series, "state restored");
    }
    let offset = found.offset.unwrap_or(held.start).max(held.start);
    if offset > held.end {
        let end = held.end;
        tracing::warn!(
            offset,
            end,
            "the queue is not the one of the state; it is read from its start"
        );
        return Ok(held.start);
    }
    Ok(offset)
}

/// Takes records from the queue to the pipeline.
struct Worker {
    shared: Shared,
    stopping: Arc<AtomicBool>,
    notifier: Notifier,
    /// What the detectors are configured with.
    settings: String,
    offset: u64,
    last_tick: Timestamp,
    /// The file of models that is written next.
    next_shard: usize,
    /// Descriptions of metrics that are on disk.
    metadata: u64,
    /// Log lines whose templates are on disk.
    learned: u64,
    saved: Instant,
    retained: Instant,
}

impl Worker {
    fn run(mut self) {
        let counters = self.shared.intake.counters().clone();
        let mut reader = Reader::new(INTERNED, self.shared.config.limits.series, counters);
        while !self.stopping.load(Ordering::SeqCst) {
            self.shared.intake.wait(PATIENCE);
            self.work(&mut reader);
            if self.saved.elapsed() >= SAVE_EVERY {
                self.save(self.next_shard..self.next_shard + 1);
                self.next_shard = (self.next_shard + 1) % SHARDS;
            }
            self.retain();
        }
        self.work(&mut reader);
        self.finish();
    }

    fn work(&mut self, reader: &mut Reader) {
        if let Err(error) = self.drain(reader) {
            let what = ingest::describe(&error);
            tracing::error!(error = what, "processing waits for the disk");
            self.shared.intake.counters().storage(Some(what));
            std::thread::sleep(PATIENCE);
        }
        self.tick(clock::now());
    }

    /// Lets the notifier end, so that what it delivered is in the state, and writes everything.
    fn finish(mut self) {
        let notifier = std::mem::take(&mut self.notifier);
        if !notifier.finish(GRACE) {
            tracing::warn!(
                "a webhook does not answer; what it misses is sent after the next start"
            );
        }
        self.save(0..SHARDS);
    }

    /// Processes everything in the queue, each record at the time at which it was received.
    fn drain(&mut self, reader: &mut Reader) -> Result<(), StorageError> {
        loop {
            let records = self.next_records()?;
            if records.is_empty() {
                return Ok(());
            }
            for (offset, at, bytes) in records {
                match reader.read(at, &bytes) {
                    Ok(Record::Alerting(change)) => {
                        let answer = self.shared.pipeline().take_in(at, change);
                        self.shared.alerting.settle(offset, answer);
                    }
                    Ok(record) => self.shared.pipeline().process(at, record)?,
                    Err(why) => {
                        tracing::error!(offset, why, "a record of the queue cannot be read");
                        self.shared.intake.counters().refuse("queue.record", 1);
                    }
                }
                self.offset = offset + 1;
                self.tick(at);
            }
        }
    }

    /// Copies the next records out of the queue, which must be free while they are processed.
    fn next_records(&self) -> Result<Vec<(u64, Timestamp, Vec<u8>)>, StorageError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        self.shared
            .intake
            .queue()
            .read(self.offset, &mut |offset, at, record| {
                bytes += record.len();
                records.push((offset, at, record.to_vec()));
                if bytes < READ_BYTES {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        Ok(records)
    }

    /// Lets time pass, and hands over what is to be sent.
    fn tick(&mut self, now: Timestamp) {
        let notifications = self.shared.pipeline().advance(now, &mut self.last_tick);
        if notifications.is_empty() {
            return;
        }
        let mut searched = BTreeMap::new();
        let mut ready = Vec::with_capacity(notifications.len());
        for notification in &notifications {
            let causes = self.causes(now, notification, &mut searched);
            ready.push(self.shared.pipeline().outgoing(notification, causes));
        }
        // Before anything leaves, the state that says so is on disk.
        self.save(0..0);
        for one in ready {
            let Outgoing { key, resolved, .. } = &one;
            tracing::info!(key, resolved, one.summary, "notification");
            if self.shared.config.webhooks.is_empty() {
                let mut pipeline = self.shared.pipeline();
                pipeline.delivered(now, key, Delivery::Delivered); // the page has it
            }
            self.notifier.send(one);
        }
    }

    /// The causes of a notified incident, searched once for all receivers.
    fn causes(
        &self,
        now: Timestamp,
        notification: &Notification,
        searched: &mut BTreeMap<IncidentId, Option<Vec<Cause>>>,
    ) -> Option<Vec<Cause>> {
        let incident = notification.incident;
        if let Some(known) = searched.get(&incident) {
            return known.clone();
        }
        if notification.attempt > 1 || searched.len() >= MAX_SEARCHES {
            return None; // it keeps those it has
        }
        let scene = self.shared.pipeline().scene(now, notification);
        let causes = scene.and_then(|scene| scene.causes());
        searched.insert(incident, causes.clone());
        causes
    }

    /// Writes the models of these shards, and the state.
    fn save(&mut self, shards: Range<usize>) {
        self.saved = Instant::now();
        if let Err(error) = self.try_save(shards) {
            let what = ingest::describe(&error);
            tracing::error!(error = what, "the state was not saved");
            self.shared.intake.counters().storage(Some(what));
        }
    }

    fn try_save(&mut self, shards: Range<usize>) -> Result<(), StorageError> {
        let folder = &self.shared.config.data_dir;
        self.shared.store().sync()?;
        let with_templates = shards.contains(&0);
        for shard in shards {
            let copies = state::copy_models(&self.shared.pipeline(), shard);
            state::write_models(folder, shard, &self.settings, copies)?;
        }
        if with_templates {
            let copy = self.shared.pipeline().templates_since(&mut self.learned);
            if let Some(miner) = copy {
                state::write_templates(folder, &miner)?;
            }
        }
        let version = self.shared.pipeline().metadata_version();
        if version != self.metadata {
            let bytes = state::encode_metadata(&self.shared.pipeline());
            state::write_metadata(folder, &bytes)?;
            self.metadata = version;
        }
        let bytes = state::encode(&self.shared.pipeline(), self.offset);
        state::write(folder, &bytes)?;
        self.shared.intake.queue().release(self.offset)
    }

    fn retain(&mut self) {
        if self.retained.elapsed() < RETAIN_EVERY {
            return;
        }
        self.retained = Instant::now();
        let oldest = clock::now().saturating_sub(self.shared.config.retention);
        match self.shared.store().retain_from(oldest) {
            Ok(dropped) => tracing::debug!(dropped, "retention"),
            Err(error) => {
                tracing::error!(error = ingest::describe(&error), "retention failed");
            }
        }
        self.shared.pipeline().forget_before(oldest);
    }
}

fn collect_host(shared: &Shared, stopping: &AtomicBool) {
    let host = &shared.config.host;
    let name = host.name.clone().unwrap_or_else(HostCollector::host_name);
    let mut collector = match HostCollector::new(name, host.top_processes) {
        Ok(collector) => collector,
        Err(error) => {
            tracing::error!(%error, "this host does not tell its metrics");
            return;
        }
    };
    every(host.interval, stopping, || {
        let now = clock::now();
        keep(shared, "host", now, &collector.collect(now));
    });
}

fn scrape(shared: &Shared, target: &Target, stopping: &AtomicBool) {
    let agent = ureq::Agent::new_with_defaults();
    let (mut failing, mut before) = (false, BTreeSet::new());
    every(target.interval, stopping, || {
        let now = clock::now();
        let (batch, failure) = target.fetch(&agent, now, &mut before);
        if failure.is_some() {
            shared.intake.counters().refuse("scrape.failed", 1);
        }
        if failure.is_some() != failing {
            failing = failure.is_some();
            if let Some(why) = &failure {
                tracing::warn!(url = target.url, why, "scrape fails");
            } else {
                tracing::info!(url = target.url, "scrape works again");
            }
        }
        keep(shared, &target.source(), now, &batch);
    });
}

/// Writes and merges blocks of the store, so that what comes in need not wait for it.
fn tidy(shared: &Shared, stopping: &AtomicBool) {
    let store = shared.store();
    let mut due = Instant::now();
    every(PATIENCE, stopping, || {
        if Instant::now() < due {
            return;
        }
        match store.maintain(clock::now()) {
            Ok(Maintenance::Nothing) => {}
            Ok(done) => tracing::debug!(?done, "the store was tidied up"),
            Err(error) => {
                tracing::error!(
                    error = ingest::describe(&error),
                    "the store is not tidied up"
                );
                due = Instant::now() + TIDY_AGAIN;
            }
        }
    });
}

/// Forecasts again and again, taking at most a twentieth of one core.
fn forecast(shared: &Shared, stopping: &AtomicBool) {
    let mut due = Instant::now();
    every(PATIENCE, stopping, || {
        let started = Instant::now();
        if started < due {
            return;
        }
        let store = shared.store();
        let found = outlook::forecast_all(store.as_ref(), &shared.config.forecasts, clock::now());
        let found_some = !found.is_empty();
        *shared
            .outlooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = found;
        let pause = if found_some {
            FORECAST_EVERY
        } else {
            FORECAST_SOON
        };
        due = Instant::now() + pause.max(started.elapsed() * 20);
    });
}

fn keep(shared: &Shared, source: &str, now: Timestamp, batch: &aiops_core::ingest::Batch) {
    if let Err(error) = shared.intake.samples(source, now, batch) {
        tracing::warn!(
            source,
            error = ingest::describe(&error),
            "samples were not kept"
        );
    }
}

/// Calls `work` once each `interval`, until the program stops. A round that takes too long delays
/// the next one; rounds are not made up for.
fn every(interval: Duration, stopping: &AtomicBool, mut work: impl FnMut()) {
    let mut next = Instant::now();
    while !stopping.load(Ordering::SeqCst) {
        let now = Instant::now();
        if now < next {
            std::thread::sleep(PATIENCE.min(next - now));
            continue;
        }
        work();
        next = (next + interval).max(Instant::now());
    }
}

fn serve(shared: Shared, listener: TcpListener, closed: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http-worker")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot serve");
            return;
        }
    };
    let served = runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (begin_closing, closing) = oneshot::channel();
        let server = axum::serve(listener, http::router(shared)).with_graceful_shutdown(async {
            let _ = closing.await; // a dropped sender means the same
        });
        let mut server = std::pin::pin!(server.into_future());
        tokio::select! {
            ended = &mut server => return ended,
            _ = closed => {}
        }
        let _ = begin_closing.send(()); // the server may have ended by itself
        // A client that keeps its connection open must not keep the program alive.
        tokio::time::timeout(GRACE, server).await.unwrap_or(Ok(()))
    });
    if let Err(error) = served {
        tracing::error!(%error, "the server failed");
    }
    runtime.shutdown_timeout(GRACE);
}
