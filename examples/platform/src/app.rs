//! The running program: threads around the pipeline.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aiops_core::ingest::LabelInterner;
use aiops_core::queue::Queue as _;
use aiops_core::store::SeriesStore as _;
use aiops_core::{StorageError, Timestamp};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use crate::clock;
use crate::config::Config;
use crate::counters::Counters;
use crate::host::HostCollector;
use crate::http::{self, Shared};
use crate::ingest::{self, Intake};
use crate::notify::{Delivery, Notifier, Outgoing};
use crate::outlook;
use crate::pipeline::Pipeline;
use crate::scrape::Target;
use crate::setup;
use crate::state::{self, Found};

/// How often the state is written when nothing calls for it.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// How often forecasts are made.
const FORECAST_EVERY: Duration = Duration::from_secs(30);
/// How often old samples are dropped.
const RETAIN_EVERY: Duration = Duration::from_secs(600);
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
        let offset = recover(&config, &mut pipeline, queue.offsets().start)?;
        let intake = Arc::new(Intake::new(queue, counters));
        let shared = Shared {
            config: config.clone(),
            intake: intake.clone(),
            pipeline: Arc::new(Mutex::new(pipeline)),
            outlooks: Arc::new(Mutex::new(Vec::new())),
            interner: Arc::new(Mutex::new(LabelInterner::new(INTERNED))),
            in_flight: Arc::new(Semaphore::new(config.limits.in_flight_bytes / 1024)),
            started: clock::now(),
        };
        let mut app = Self {
            address,
            stopping: Arc::new(AtomicBool::new(false)),
            close_server: None,
            threads: Vec::new(),
        };
        app.start_threads(&shared, offset, listener)?;
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
        offset: u64,
        listener: TcpListener,
    ) -> Result<(), StartError> {
        let (outgoing, incoming) = channel();
        let worker = Worker {
            shared: shared.clone(),
            stopping: self.stopping.clone(),
            outgoing,
            offset,
            last_tick: Timestamp::MIN,
            saved: Instant::now(),
            retained: Instant::now(),
        };
        self.spawn("process", move || worker.run())?;
        let (notified, notifier) = (
            shared.clone(),
            Notifier::new(shared.config.webhooks.clone()),
        );
        self.spawn("notify", move || deliver(&notified, notifier, &incoming))?;
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
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|source| StartError::System {
                what: "start a thread",
                source,
            })?;
        self.threads.push(thread);
        Ok(())
    }
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
fn recover(config: &Config, pipeline: &mut Pipeline, first: u64) -> Result<u64, StartError> {
    match state::restore(&config.data_dir, pipeline)? {
        Found::Nothing => Ok(first),
        Found::State { offset } => {
            tracing::info!(
                offset,
                series = pipeline.watches().count(),
                "state restored"
            );
            Ok(offset.max(first))
        }
        Found::Damaged { aside, why } => {
            tracing::error!(
                file = %aside.display(),
                why,
                "the state cannot be used and was set aside; models start anew, samples are kept"
            );
            Ok(first)
        }
    }
}

/// Takes records from the queue to the pipeline.
struct Worker {
    shared: Shared,
    stopping: Arc<AtomicBool>,
    outgoing: Sender<Outgoing>,
    offset: u64,
    last_tick: Timestamp,
    saved: Instant,
    retained: Instant,
}

impl Worker {
    fn run(mut self) {
        let mut interner = LabelInterner::new(INTERNED);
        loop {
            self.shared.intake.wait(PATIENCE);
            let stopping = self.stopping.load(Ordering::SeqCst);
            if let Err(error) = self.drain(&mut interner) {
                let what = ingest::describe(&error);
                tracing::error!(error = what, "processing waits for the disk");
                self.shared.intake.counters().storage(Some(what));
                std::thread::sleep(PATIENCE);
            }
            let urgent = self.tick(clock::now());
            if urgent || stopping || self.saved.elapsed() >= SAVE_EVERY {
                self.save();
            }
            self.retain();
            if stopping {
                return;
            }
        }
    }

    /// Processes everything in the queue, each record at the time at which it was received.
    fn drain(&mut self, interner: &mut LabelInterner) -> Result<(), StorageError> {
        loop {
            let records = self.next_records()?;
            if records.is_empty() {
                return Ok(());
            }
            for (offset, at, bytes) in records {
                match ingest::decode(&bytes, interner) {
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

    /// Lets time pass; answers whether something is to be sent.
    fn tick(&mut self, now: Timestamp) -> bool {
        let outgoing = self.shared.pipeline().advance(now, &mut self.last_tick);
        let urgent = !outgoing.is_empty();
        if urgent {
            // Before anything leaves, the state that says so is on disk.
            self.save();
        }
        for one in outgoing {
            tracing::info!(
                key = one.key,
                resolved = one.resolved,
                one.summary,
                "notification"
            );
            if self.outgoing.send(one).is_err() {
                tracing::error!("the notifier has ended");
            }
        }
        urgent
    }

    fn save(&mut self) {
        self.saved = Instant::now();
        let bytes = {
            let pipeline = self.shared.pipeline();
            state::encode(&pipeline, self.offset)
        };
        let store = self.shared.pipeline().store().clone();
        let saved = store
            .sync()
            .and_then(|()| state::write(&self.shared.config.data_dir, &bytes))
            .and_then(|()| self.shared.intake.queue().release(self.offset));
        if let Err(error) = saved {
            let what = ingest::describe(&error);
            tracing::error!(error = what, "the state was not saved");
            self.shared.intake.counters().storage(Some(what));
        }
    }

    fn retain(&mut self) {
        if self.retained.elapsed() < RETAIN_EVERY {
            return;
        }
        self.retained = Instant::now();
        let oldest = clock::now().saturating_sub(self.shared.config.retention);
        let store = self.shared.pipeline().store().clone();
        match store.retain_from(oldest) {
            Ok(dropped) => tracing::debug!(dropped, "retention"),
            Err(error) => {
                tracing::error!(error = ingest::describe(&error), "retention failed");
            }
        }
        self.shared.pipeline().forget_before(oldest);
    }
}

fn deliver(shared: &Shared, mut notifier: Notifier, incoming: &Receiver<Outgoing>) {
    while let Ok(outgoing) = incoming.recv() {
        let delivery: Delivery = notifier.send(&outgoing);
        shared
            .pipeline()
            .delivered(clock::now(), &outgoing.key, &delivery);
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
    let mut failing = false;
    every(target.interval, stopping, || {
        let now = clock::now();
        let (batch, failure) = target.fetch(&agent, now);
        if failure.is_some() {
            shared.intake.counters().refuse("scrape.failed", 1);
        }
        if failure.is_some() != failing {
            failing = failure.is_some();
            match &failure {
                Some(why) => tracing::warn!(url = target.url, why, "scrape fails"),
                None => tracing::info!(url = target.url, "scrape works again"),
            }
        }
        keep(shared, &target.source(), now, &batch);
    });
}

fn forecast(shared: &Shared, stopping: &AtomicBool) {
    every(FORECAST_EVERY, stopping, || {
        let store = shared.pipeline().store().clone();
        let found = outlook::forecast_all(store.as_ref(), &shared.config.forecasts, clock::now());
        *shared
            .outlooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = found;
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
        let closing = async {
            let _ = closed.await; // a dropped sender means the same
        };
        axum::serve(listener, http::router(shared))
            .with_graceful_shutdown(closing)
            .await
    });
    if let Err(error) = served {
        tracing::error!(%error, "the server failed");
    }
    // A client that keeps its connection open must not keep the program alive.
    runtime.shutdown_timeout(Duration::from_secs(2));
}
