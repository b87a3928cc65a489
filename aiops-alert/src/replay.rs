//! What happened once more, on a virtual clock: what would have been sent?
//!
//! The very engine that runs live takes in what is recorded, as fast as it can; the clock jumps
//! from one event or look to the next.

use aiops_core::{Alert, Timestamp};

use crate::engine::{
    AlertEngine, ConfigError, Delivery, EngineConfig, Notification, Silence, SilenceId,
};

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An alert came in.
    Alert(Alert),
    /// Alerts were silenced.
    AddSilence(Silence),
    /// A silence was ended: by its number among those that were added, from 0.
    ExpireSilence(usize),
    /// The configuration was replaced.
    Reload(Box<EngineConfig>),
    /// The program was stopped and started again.
    #[cfg(feature = "serde")]
    Restart,
}

/// A notification, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub notification: Notification,
    /// With which result.
    pub delivery: Delivery,
}

/// An engine whose clock is moved by what happens.
#[derive(Debug)]
pub struct Replay<A> {
    engine: AlertEngine,
    answer: A,
    silences: Vec<Option<SilenceId>>,
    sent: Vec<Sent>,
}

impl<A: FnMut(Timestamp, &Notification) -> Delivery> Replay<A> {
    /// `answer` says what becomes of each attempt to send.
    pub fn new(engine: AlertEngine, answer: A) -> Self {
        Self {
            engine,
            answer,
            silences: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Lets time pass up to, not including, `at`, and then the event happen. Events come in order
    /// of time.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a configuration that is loaded cannot be used; the one before stays.
    pub fn event(&mut self, at: Timestamp, event: Event) -> Result<(), ConfigError> {
        self.pass(at);
        match event {
            Event::Alert(alert) => {
                self.engine.receive(at, alert);
            }
            Event::AddSilence(silence) => {
                self.silences
                    .push(self.engine.add_silence(at, silence).ok());
            }
            Event::ExpireSilence(number) => {
                if let Some(Some(id)) = self.silences.get(number) {
                    self.engine.expire_silence(at, *id);
                }
            }
            Event::Reload(config) => {
                let mut later = AlertEngine::try_from(*config)?;
                later.adopt(at, &self.engine);
                self.engine = later;
            }
            #[cfg(feature = "serde")]
            Event::Restart => {
                let bytes = aiops_core::stored::save(&self.engine);
                if let Ok(engine) = aiops_core::stored::load(&bytes) {
                    self.engine = engine;
                }
            }
        }
        Ok(())
    }

    /// Lets time pass up to and including `until`.
    pub fn finish(&mut self, until: Timestamp) {
        self.pass(until);
        self.tick(until);
    }

    /// The engine as it is now.
    pub fn engine(&self) -> &AlertEngine {
        &self.engine
    }

    /// What was sent so far, in order.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// What was sent.
    pub fn into_sent(self) -> Vec<Sent> {
        self.sent
    }

    fn pass(&mut self, until: Timestamp) {
        while let Some(next) = self.engine.next_deadline().filter(|next| *next < until) {
            self.tick(next);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        for notification in self.engine.tick(now) {
            let delivery = (self.answer)(now, &notification);
            self.engine
                .report_delivery(now, &notification.key, delivery);
            self.sent.push(Sent {
                at: now,
                notification,
                delivery,
            });
        }
    }
}

/// What two replays of the same events sent differently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Sent before, and not after.
    pub spared: Vec<Sent>,
    /// Sent after, and not before.
    pub added: Vec<Sent>,
    /// Number of notifications that both sent, at whatever time.
    pub same: usize,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} notifications would not have been sent, {} would, {} are the same",
            self.spared.len(),
            self.added.len(),
            self.same
        )
    }
}

/// Compares what was sent under one configuration with what was sent under another. Two
/// notifications are the same when receiver, status and alerts are, each counted as often as it
/// was sent; failed attempts are not counted.
pub fn compare(before: &[Sent], after: &[Sent]) -> Difference {
    let mut unmatched: std::collections::HashMap<_, Vec<usize>> = std::collections::HashMap::new();
    let delivered = |sent: &&Sent| sent.delivery == Delivery::Delivered;
    for (place, sent) in after.iter().enumerate().filter(|(_, sent)| delivered(sent)) {
        unmatched.entry(content(sent)).or_default().push(place);
    }
    // The earliest of several is matched first.
    for places in unmatched.values_mut() {
        places.reverse();
    }
    let mut difference = Difference::default();
    for sent in before.iter().filter(delivered) {
        let twin = unmatched.get_mut(&content(sent)).and_then(Vec::pop);
        match twin {
            Some(_) => difference.same += 1,
            None => difference.spared.push(sent.clone()),
        }
    }
    let mut added: Vec<usize> = unmatched.into_values().flatten().collect();
    added.sort_unstable();
    difference.added = added
        .into_iter()
        .map(|place| after[place].clone())
        .collect();
    difference
}

type Content = (String, aiops_core::AlertStatus, Vec<(u64, bool)>);

/// What makes a notification the same as another one.
fn content(sent: &Sent) -> Content {
    let notification = &sent.notification;
    let alerts = notification.alerts.iter();
    let mut alerts: Vec<(u64, bool)> = alerts
        .map(|alert| (alert.fingerprint().0, alert.ends_at.is_some()))
        .collect();
    alerts.sort_unstable();
    (notification.receiver.clone(), notification.status, alerts)
}
