//! From the bytes of remote-write to samples that are acknowledged, 1,000 requests in flight.
//!
//! Four ways, the same bodies: the library alone (decoding, the queue's group commit with its fsync,
//! in one thread), the same with the durable store taking the samples in as well, the library behind HTTP (a thread for each connection; acknowledged after the fsync),
//! and `VictoriaMetrics` behind HTTP, which acknowledges what is in its memory and writes later. The
//! clients of both servers are the same and run on the same processors.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aiops_core::ingest::{Batch, LabelInterner, Limits, remote_write};
use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue};
use aiops_core::store::{DiskStore, DiskStoreConfig, SeriesStore};
use aiops_core::{Labels, Timestamp};

use crate::http::{self, Connection};
use crate::programs::{find, victoria_metrics};
use crate::timing::Rounds;

/// Samples of a request: what Prometheus sends at most by default.
const SAMPLES: usize = 500;
const IN_FLIGHT: usize = 1_000;
/// Scrapes that the store takes in.
const ROUNDS: i64 = 10;
/// Threads of the client; each has its share of the connections.
const CLIENTS: usize = 4;

pub(super) fn run(rounds: Rounds) {
    let (in_flight, lasts) = match rounds {
        Rounds::One => (20, Duration::from_millis(50)),
        Rounds::Full => (IN_FLIGHT, Duration::from_secs(10)),
    };
    let bodies: Vec<_> = (0..in_flight).map(|sender| body(sender, 0)).collect();
    let tell = |name: &str, rate: f64| {
        let millions = rate / 1e6;
        println!("storage/acknowledged/{in_flight}_in_flight {name:27} {millions:.3} M samples/s");
    };
    tell("library alone", alone(&bodies, lasts));
    tell("library alone, with store", stored(in_flight));
    tell("library behind HTTP", behind_http(&bodies, lasts));
    if let Some(program) = find("victoria-metrics") {
        let folder = tempfile::tempdir().expect("a folder");
        let server = victoria_metrics(&program, folder.path());
        tell("victoria-metrics", rate_of(server.address, &bodies, lasts));
        server.stop();
    }
}

/// The request of one sender: 500 series of a host of its own.
fn body(sender: usize, round: i64) -> Vec<u8> {
    let mut batch = Batch::default();
    for index in 0..SAMPLES {
        let labels = Labels::of([
            ("__name__", format!("node_metric_{}_total", index % 50)),
            ("device", format!("device{}", index / 50)),
            (
                "instance",
                format!("10.0.{}.{}:9100", sender / 250, sender % 250),
            ),
            ("job", "node".to_owned()),
        ]);
        batch.start_series(labels.expect("the labels are good"));
        let at = Timestamp::from_millis(1_700_000_000_000 + 15_000 * round).expect("in range");
        batch.push(at, (index * sender % 1_013) as f64 * 0.25);
    }
    remote_write::encode(&batch)
}

/// Decodes, and keeps in the queue what is to be acknowledged at the next sync.
struct Receiver {
    interner: LabelInterner,
    batch: Batch,
    record: Vec<u8>,
}

impl Receiver {
    fn new() -> Self {
        Self {
            interner: LabelInterner::new(2 * SAMPLES * IN_FLIGHT),
            batch: Batch::default(),
            record: Vec::new(),
        }
    }

    fn take(&mut self, body: &[u8], queue: &DiskQueue) {
        self.batch.clear();
        remote_write::decode(
            body,
            &Limits::default(),
            &mut self.interner,
            &mut self.batch,
        )
        .expect("the request is good");
        self.record.clear();
        self.batch.encode(&mut self.record);
        queue
            .append(Timestamp::EPOCH, &self.record)
            .expect("there is room");
    }
}

fn queue_in(folder: &tempfile::TempDir) -> DiskQueue {
    let mut config = DiskQueueConfig::default();
    config.limit_bytes = 4 << 30;
    DiskQueue::open(folder.path(), config).expect("the queue opens")
}

/// The consumer has stored what was synced, so the disk does not fill up.
fn release(queue: &DiskQueue) {
    let offsets = queue.offsets();
    queue.release(offsets.end).expect("the note is written");
}

fn alone(bodies: &[Vec<u8>], lasts: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = queue_in(&folder);
    let mut receiver = Receiver::new();
    for body in bodies {
        receiver.take(body, &queue); // the series are known from here on
    }
    let (started, mut samples) = (Instant::now(), 0);
    while started.elapsed() < lasts {
        for body in bodies {
            receiver.take(body, &queue);
        }
        queue.sync().expect("the disk works");
        samples += SAMPLES * bodies.len();
        release(&queue);
    }
    samples as f64 / started.elapsed().as_secs_f64()
}

/// As [`alone`], and each sample is new to a store that takes it in.
fn stored(in_flight: usize) -> f64 {
    let (folder, below) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let queue = queue_in(&folder);
    let store = DiskStore::open(below.path(), DiskStoreConfig::default()).expect("the store opens");
    let mut receiver = Receiver::new();
    let (mut samples, mut took) = (0, Duration::ZERO);
    for round in 0..ROUNDS {
        let bodies: Vec<_> = (0..in_flight).map(|sender| body(sender, round)).collect();
        let started = Instant::now();
        for body in &bodies {
            receiver.take(body, &queue);
            let report = store.append(&receiver.batch).expect("there is room");
            assert_eq!(report.accepted, SAMPLES as u64);
        }
        queue.sync().expect("the disk works");
        store.sync().expect("the disk works");
        release(&queue);
        if round > 0 {
            took += started.elapsed(); // the series are known from here on
            samples += SAMPLES * in_flight;
        }
    }
    samples as f64 / took.as_secs_f64()
}

fn behind_http(bodies: &[Vec<u8>], lasts: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = Arc::new(queue_in(&folder));
    let receivers = std::thread::available_parallelism().map_or(1, usize::from);
    let receivers: Vec<_> = (0..receivers)
        .map(|_| Mutex::new(Receiver::new()))
        .collect();
    let receivers = Arc::new(receivers);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (served, count) = (queue.clone(), bodies.len());
    let server = std::thread::spawn(move || {
        let serving: Vec<_> = (0..count)
            .map(|index| {
                let (stream, _) = listener.accept().expect("a client");
                let (queue, receivers) = (served.clone(), receivers.clone());
                std::thread::spawn(move || serve(stream, &queue, &receivers, index))
            })
            .collect();
        for one in serving {
            let _ = one.join(); // ends with an error when the client hangs up
        }
    });
    let rate = rate_of(address, bodies, lasts);
    server.join().expect("the server ends");
    rate
}

fn serve(
    stream: TcpStream,
    queue: &DiskQueue,
    receivers: &[Mutex<Receiver>],
    index: usize,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut body = Vec::new();
    loop {
        let head = http::read_head(&mut stream)?;
        body.resize(head.length.unwrap_or(0), 0);
        stream.read_exact(&mut body)?;
        let receiver = &receivers[index % receivers.len()];
        receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(&body, queue);
        queue.sync().map_err(io::Error::other)?;
        if index == 0 {
            release(queue);
        }
        stream
            .get_mut()
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

/// Samples acknowledged in a second, each connection with one request under way at any time.
fn rate_of(address: SocketAddr, bodies: &[Vec<u8>], lasts: Duration) -> f64 {
    let requests: Vec<_> = bodies.iter().map(|body| http::remote_write(body)).collect();
    let (warm_up, started) = (lasts / 5, Instant::now());
    let rates = std::thread::scope(|scope| {
        let share = requests.len().div_ceil(CLIENTS);
        let clients: Vec<_> = requests
            .chunks(share)
            .map(|requests| scope.spawn(move || client(address, requests, started, warm_up, lasts)))
            .collect();
        let rates: Vec<f64> = clients
            .into_iter()
            .map(|one| one.join().expect("a client"))
            .collect();
        rates
    });
    rates.into_iter().sum()
}

fn client(
    address: SocketAddr,
    requests: &[Vec<u8>],
    started: Instant,
    warm_up: Duration,
    lasts: Duration,
) -> f64 {
    let open = |_| Connection::open(address).expect("the server listens");
    let mut connections: Vec<_> = requests.iter().map(open).collect();
    for (connection, request) in connections.iter_mut().zip(requests) {
        connection.send(request).expect("the server takes it");
    }
    let (mut from, mut samples) = (None, 0);
    loop {
        let now = started.elapsed();
        if now >= warm_up && from.is_none() {
            (from, samples) = (Some(Instant::now()), 0);
        }
        if let Some(from) = from.filter(|_| now >= warm_up + lasts && samples > 0) {
            return samples as f64 / from.elapsed().as_secs_f64();
        }
        // As soon as one is answered, the next one is sent.
        for (connection, request) in connections.iter_mut().zip(requests) {
            let (status, _) = connection.answer().expect("the server answers");
            assert_eq!(status, 204);
            samples += SAMPLES;
            connection.send(request).expect("the server takes it");
        }
    }
}
