//! The program is killed at any write of its journal, and in the middle of one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use aiops_alert::engine::journal::{
    JournalError, JournalFiles, JournalStore, Journaled, LEAST_JOURNAL,
};
use aiops_alert::engine::{
    AlertEngine, Delivery, EngineConfig, Notification, Received, Silence, SilenceId,
};
use aiops_core::stored::save;
use aiops_core::{AlertStatus, Rng, Seed};

use crate::engine::quick;
use crate::support::{alert, at};

/// What a disk holds, and when it dies.
#[derive(Debug, Default)]
struct Disk {
    snapshot: Vec<u8>,
    journal: Vec<u8>,
    /// Bytes of the journal that a loss of power leaves.
    safe: usize,
    writes: usize,
    /// The write at which it dies, and how much of it gets through, in thousandths.
    dies: Option<(usize, usize)>,
    is_dead: bool,
}

impl Disk {
    /// Counts a write; answers how much of it gets through.
    fn write(&mut self) -> io::Result<Option<usize>> {
        if self.is_dead {
            return Err(io::Error::other("dead"));
        }
        self.writes += 1;
        let dies = self.dies.filter(|(write, _)| *write == self.writes);
        self.is_dead = dies.is_some();
        Ok(dies.map(|(_, share)| share))
    }

    /// The power comes back: what was not safe may be there in part.
    fn restart(&mut self, share: usize) {
        let unsafe_bytes = self.journal.len() - self.safe;
        self.journal
            .truncate(self.safe + unsafe_bytes * share / 1_000);
        self.safe = self.journal.len();
        self.is_dead = false;
        self.dies = None;
    }
}

#[derive(Clone, Debug, Default)]
struct Store(Rc<RefCell<Disk>>);

impl JournalStore for Store {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        match disk.write()? {
            None => disk.journal.extend_from_slice(bytes),
            Some(share) => {
                let part = bytes.len() * share / 1_000;
                disk.journal.extend_from_slice(&bytes[..part]);
                return Err(io::Error::other("dies"));
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        if disk.write()?.is_some() {
            return Err(io::Error::other("dies"));
        }
        disk.safe = disk.journal.len();
        Ok(())
    }

    fn replace(&mut self, snapshot: &[u8]) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        let dies = disk.write()?;
        if dies.is_some_and(|share| share < 500) {
            return Err(io::Error::other("dies before the new snapshot"));
        }
        disk.snapshot = snapshot.to_vec();
        if dies.is_some() {
            return Err(io::Error::other("dies before the journal is empty"));
        }
        disk.journal.clear();
        disk.safe = 0;
        Ok(())
    }
}

/// Somebody who drops what was seen, by its key, and notices what is wrong.
#[derive(Debug, Default)]
struct Receiver {
    seen: BTreeSet<String>,
    fires: BTreeMap<String, bool>,
    changes: usize,
}

impl Receiver {
    fn take(&mut self, notification: &Notification) {
        if !self.seen.insert(notification.key.clone()) {
            return;
        }
        let fires = notification.status == AlertStatus::Firing;
        let before = self.fires.insert(notification.group_key.clone(), fires);
        assert_ne!(before, Some(fires), "told twice: {notification:?}");
        self.changes += 1;
    }
}

fn open(disk: &Store) -> io::Result<Journaled<Store>> {
    let (snapshot, journal) = {
        let disk = disk.0.borrow();
        (disk.snapshot.clone(), disk.journal.clone())
    };
    let first = AlertEngine::try_from(quick()).unwrap();
    match Journaled::open(disk.clone(), &snapshot, &journal, first) {
        Ok((engine, _)) => Ok(engine),
        Err(JournalError::Store(error)) => Err(error),
        Err(error) => panic!("{error:?}"),
    }
}

const NAMES: [&str; 4] = ["A", "B", "C", "Quiet"];

/// The world around the program; it repeats what it is not known to have heard.
#[derive(Debug)]
struct World {
    disk: Store,
    receiver: Receiver,
    fires: [bool; 4],
    unheard: [Option<f64>; 4],
    silence: Option<SilenceId>,
    /// Writes of the story, without those after it.
    writes: usize,
}

impl World {
    fn new() -> Self {
        Self {
            disk: Store::default(),
            receiver: Receiver::default(),
            fires: [false; 4],
            unheard: [None; 4],
            silence: None,
            writes: 0,
        }
    }

    /// One step of the program; an error is its death.
    fn step(&mut self, engine: &mut Journaled<Store>, now: f64) -> io::Result<()> {
        if self.silence.is_none() {
            let silence = Silence::new(r#"{alertname="Quiet"}"#.parse().unwrap(), at(0.0), at(1e5));
            self.silence = Some(engine.add_silence(at(now), silence)?.unwrap());
        }
        for (which, name) in NAMES.iter().enumerate() {
            // Once a minute what goes on is said again; here: always.
            let news = self.unheard[which].take();
            let starts = news.unwrap_or(now);
            let ends = if self.fires[which] { now + 1e6 } else { starts };
            if news.is_some() || self.fires[which] {
                let heard = engine
                    .receive(at(now), alert(name, starts, Some(ends)))
                    .and_then(|_| engine.sync());
                if heard.is_err() {
                    self.unheard[which] = news;
                    return heard;
                }
            }
        }
        for notification in engine.tick(at(now))? {
            self.receiver.take(&notification);
            assert_ne!(
                notification.alerts[0].labels.get("alertname"),
                Some("Quiet")
            );
            engine.report_delivery(at(now), &notification.key, Delivery::Delivered)?;
        }
        Ok(())
    }

    fn flip(&mut self, which: usize, now: f64) {
        self.fires[which] = !self.fires[which];
        self.unheard[which] = Some(now);
    }

    /// After a while without deaths the receiver believes what is so.
    fn settle(&mut self, mut engine: Journaled<Store>, from: f64, what: &str) {
        for half in 0..80 {
            self.step(&mut engine, from + f64::from(half) / 2.0)
                .unwrap();
        }
        for (which, name) in NAMES.iter().enumerate() {
            let key = format!("{{}}:{{alertname={name:?}}}");
            let told = self.receiver.fires.get(&key).copied().unwrap_or(false);
            let expected = self.fires[which] && *name != "Quiet";
            assert_eq!(told, expected, "{what}, {name}");
        }
        let silence = self.silence.unwrap();
        let mut silences = engine.engine().silences();
        assert!(silences.any(|(id, _)| id == silence), "{what}: the silence");
        drop(silences);
        // What is on the disk is the engine as it is, bit by bit.
        engine.sync().unwrap();
        let mut again = open(&self.disk).unwrap();
        assert!(again.tick(at(from + 39.5)).unwrap().is_empty()); // the clock is not written
        assert_eq!(again.engine().alerts(), engine.engine().alerts(), "{what}");
        assert_eq!(
            String::from_utf8(save(again.engine())).unwrap(),
            String::from_utf8(save(engine.engine())).unwrap(),
            "{what}"
        );
    }
}

/// The same story for every death: alerts come, go and come again.
fn story(world: &mut World, dies: Option<(usize, usize)>) -> bool {
    world.disk.0.borrow_mut().dies = dies;
    let mut died = false;
    let mut step = 0;
    let mut engine = None;
    while step < 40 {
        let now = f64::from(step) / 2.0;
        match step {
            2 | 18 | 24 => world.flip(0, now),
            3 => world.flip(3, now),
            10 => world.flip(1, now),
            _ => {}
        }
        let done = match &mut engine {
            None => open(&world.disk).map(|new| engine = Some(new)),
            Some(engine) => {
                if step == 20 && engine.journal_bytes() > 0 {
                    engine.compact().and_then(|()| world.step(engine, now))
                } else {
                    world.step(engine, now)
                }
            }
        };
        if done.is_err() {
            died = true;
            engine = None;
            let share = dies.map_or(0, |(_, share)| share);
            world.disk.0.borrow_mut().restart(share);
        }
        step += 1;
    }
    world.writes = world.disk.0.borrow().writes;
    world.disk.0.borrow_mut().dies = None;
    let engine = engine.unwrap_or_else(|| open(&world.disk).unwrap());
    world.settle(engine, 20.0, &format!("{dies:?}"));
    died
}

#[test]
fn killed_at_every_write() {
    let mut world = World::new();
    assert!(!story(&mut world, None));
    let writes = world.writes;
    assert!(writes > 100, "{writes}");
    let mut deaths = 0;
    for write in 1..=writes {
        for share in [0, 400, 999, 1_000] {
            deaths += u32::from(story(&mut World::new(), Some((write, share))));
        }
    }
    assert!(deaths as usize == 4 * writes, "{deaths}");
}

#[test]
fn nothing_is_lost_or_told_twice_over_a_thousand_schedules() {
    let (mut changes, mut deaths) = (0, 0);
    for schedule in 0..1_000 {
        let mut rng = Seed::default().child(schedule).rng();
        let (told, died) = schedule_of(&mut rng, schedule);
        changes += told;
        deaths += died;
    }
    assert!(changes > 2_000, "{changes}");
    assert!(deaths > 3_000, "{deaths}");
}

fn schedule_of(rng: &mut Rng, schedule: u64) -> (usize, usize) {
    let mut world = World::new();
    let (mut engine, mut deaths) = (None, 0);
    for step in 0..60 {
        let now = f64::from(step) / 2.0;
        if step < 40 && rng.below(3) == 0 {
            let which = rng.below(4);
            if world.unheard[which].is_none() {
                world.flip(which, now);
            }
        }
        let started = engine.take().map_or_else(|| open(&world.disk), Ok);
        let Ok(mut current) = started else {
            deaths += 1;
            world.disk.0.borrow_mut().restart(rng.below(1_001));
            continue;
        };
        if rng.below(10) == 0 {
            // Within the next few writes, possibly those of the next start.
            let mut disk = world.disk.0.borrow_mut();
            let write = disk.writes + 1 + rng.below(12);
            disk.dies = Some((write, rng.below(1_001)));
        }
        let compacts = rng.below(10) == 0;
        let done = if compacts { current.compact() } else { Ok(()) };
        let done = done.and_then(|()| world.step(&mut current, now));
        let is_killed = rng.below(20) == 0; // between two writes
        if done.is_err() || is_killed {
            deaths += 1;
            drop(current);
            world.disk.0.borrow_mut().restart(rng.below(1_001));
        } else {
            engine = Some(current);
        }
    }
    world.disk.0.borrow_mut().dies = None;
    let engine = engine.unwrap_or_else(|| open(&world.disk).unwrap());
    world.settle(engine, 30.0, &format!("schedule {schedule}"));
    (world.receiver.changes, deaths)
}

/// A week's worth of repetition: disk and restart are bounded by what goes on, not by the past.
#[test]
fn the_journal_stays_small() {
    let disk = Store::default();
    let mut engine = open(&disk).unwrap();
    let mut largest = 0;
    for minute in 0..1_000 {
        let now = 60.0 * f64::from(minute);
        for host in 0..100 {
            let name = format!("Slow/{host}");
            let received = engine.receive(at(now), alert(&name, 0.0, Some(now + 300.0)));
            let expected = match minute {
                0 => Received::Opened,
                _ => Received::Duplicate,
            };
            assert_eq!(received.unwrap(), expected);
        }
        engine.tick(at(now)).unwrap();
        largest = largest.max(disk.0.borrow().journal.len() as u64);
    }
    let disk = disk.0.borrow();
    assert!(largest <= LEAST_JOURNAL + 1_000, "{largest}");
    let snapshot = disk.snapshot.len() as u64;
    assert!(snapshot < LEAST_JOURNAL, "{snapshot}");
    let written = engine.engine().ledger().received;
    assert_eq!(written, 100_000);
}

#[test]
fn an_alert_that_goes_on_costs_little() {
    let disk = Store::default();
    let mut engine = open(&disk).unwrap();
    let news = |ends: f64| {
        let text = "a text of some length that need not be written again ".repeat(20);
        alert("A/a", 0.0, Some(ends)).annotate("summary", text)
    };
    engine.receive(at(0.0), news(300.0)).unwrap();
    let first = engine.journal_bytes();
    engine.receive(at(60.0), news(360.0)).unwrap();
    let again = engine.journal_bytes() - first;
    assert!(first > 1_000 && again < 160, "{first} and {again}");
    // The same is known after a restart.
    let again = open(&disk).unwrap();
    assert_eq!(
        again.engine().alerts()[0].annotations,
        news(0.0).annotations
    );
    assert_eq!(again.engine().alerts()[0].ends_at, Some(at(360.0)));
}

#[test]
fn damage_is_counted_and_a_broken_snapshot_is_an_error() {
    let disk = Store::default();
    let mut engine = open(&disk).unwrap();
    engine.receive(at(0.0), alert("A/a", 0.0, None)).unwrap();
    engine.receive(at(0.0), alert("B/b", 0.0, None)).unwrap();
    let (snapshot, journal) = {
        let disk = disk.0.borrow();
        (disk.snapshot.clone(), disk.journal.clone())
    };
    let first = || AlertEngine::try_from(EngineConfig::default()).unwrap();
    for place in 0..journal.len() {
        let mut damaged = journal.clone();
        damaged[place] ^= 0x40;
        let (engine, found) =
            Journaled::open(Store::default(), &snapshot, &damaged, first()).unwrap();
        assert!(
            found.replayed < 2 && found.damaged_bytes > 0,
            "{place}: {found:?}"
        );
        assert_eq!(engine.engine().alert_count(), found.replayed);
    }
    for place in 0..28 {
        let mut damaged = snapshot.clone();
        damaged[place] ^= 0x40;
        let error = Journaled::open(Store::default(), &damaged, &journal, first());
        assert!(matches!(error, Err(JournalError::Head)), "{place}");
    }
    let half = &snapshot[..snapshot.len() / 2];
    let error = Journaled::open(Store::default(), half, &journal, first());
    assert!(matches!(error, Err(JournalError::Snapshot(_))));
}

#[test]
fn senders_and_configuration_survive_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let (files, snapshot, journal) = JournalFiles::open(folder.path()).unwrap();
        let first = AlertEngine::try_from(quick()).unwrap();
        Journaled::open(files, &snapshot, &journal, first)
            .unwrap()
            .0
    };
    let mut engine = open();
    let goes_on = alert("A/a", 0.0, Some(300.0));
    engine
        .receive_from(at(0.0), "one", goes_on.clone())
        .unwrap();
    engine.receive_from(at(0.0), "other", goes_on).unwrap();
    let mut config = quick();
    config.receiver = "night".into();
    engine.reconfigure(at(1.0), config).unwrap().unwrap();
    drop(engine);
    let mut engine = open();
    assert_eq!(engine.engine().config().receiver, "night");
    // One of the senders says that it is over; the other one has not said so.
    let over = alert("A/a", 0.0, Some(2.0));
    engine.receive_from(at(2.0), "one", over).unwrap();
    drop(engine);
    let engine = open();
    assert_eq!(engine.engine().alerts()[0].ends_at, Some(at(300.0)));
}
