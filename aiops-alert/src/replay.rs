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
                later.adopt(&self.engine);
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
