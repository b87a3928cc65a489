//! The alerts that are held.

use std::collections::HashMap;
use std::time::Duration;

use aiops_core::{Alert, Fingerprint, Labels, Timestamp};

/// An alert and where it belongs.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) alert: Alert,
    /// Its end; never absent, unlike that of the alert as it is shown.
    pub(super) ends_at: Timestamp,
    /// Nobody said when it ends: `ends_at` is a guess.
    pub(super) guessed: bool,
    /// Counts changes.
    pub(super) version: u64,
    /// Groups it is in.
    pub(super) groups: Vec<u32>,
    /// Groups it belongs to while it goes on.
    pub(super) targets: u32,
    /// How often it came back soon after its end.
    pub(super) flaps: u32,
    /// How long its end is not believed.
    pub(super) hold: Duration,
    /// The incident it belongs to, where that is not said by its labels.
    pub(super) cluster: Option<u64>,
    /// When each sender says that it ends, where senders are told apart.
    pub(super) senders: Vec<(String, Timestamp)>,
}

/// Most senders of one alert that are told apart.
const MAX_SENDERS: usize = 16;

impl Held {
    /// From an alert that came in at `now`.
    pub(super) fn new(now: Timestamp, mut alert: Alert, timeout: Duration) -> Self {
        let (ends_at, guessed) = match alert.ends_at {
            Some(end) => (end, false),
            None => (now.saturating_add(timeout), true),
        };
        alert.starts_at = alert.starts_at.min(now).min(ends_at);
        alert.ends_at = Some(ends_at);
        Self {
            alert,
            ends_at,
            guessed,
            version: 0,
            groups: Vec::new(),
            targets: 0,
            flaps: 0,
            hold: Duration::ZERO,
            cluster: None,
            senders: Vec::new(),
        }
    }

    /// A sender says when it ends; answers the latest end that any of them says.
    pub(super) fn hear(&mut self, sender: &str, ends: Timestamp) -> Timestamp {
        if let Some((_, known)) = self.senders.iter_mut().find(|(name, _)| name == sender) {
            *known = ends;
        } else {
            if self.senders.len() == MAX_SENDERS {
                self.senders.sort_by_key(|(_, ends)| *ends);
                self.senders.remove(0);
            }
            self.senders.push((sender.to_owned(), ends));
        }
        let ends = self.senders.iter().map(|(_, ends)| *ends);
        ends.max().unwrap_or(Timestamp::MIN)
    }

    /// Whether it counts as firing at `now`: ends are believed after a while.
    pub(super) fn fires(&self, now: Timestamp) -> bool {
        self.ends_at.saturating_add(self.hold) > now
    }

    /// Whether it is over, by what was said.
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }

    /// Takes in what came later about the same alert. Alertmanager's rules: the earliest
    /// beginning, the later text; an end that was said wins over a guess, the later one over the
    /// earlier one unless the news is that it is over. Alerts that do not overlap in time are
    /// different ones, unless the earlier one still counts as firing.
    ///
    /// Answers whether anything changed that people may see.
    pub(super) fn merge(&mut self, now: Timestamp, later: Self) -> bool {
        let (starts, ends) = (later.alert.starts_at, later.ends_at);
        let (old_starts, old_ends) = (self.alert.starts_at, self.ends_at);
        let was_over = self.has_ended(now);
        let overlaps =
            (ends > old_starts && ends < old_ends) || (starts > old_starts && starts < old_ends);
        let goes_on = !later.has_ended(now) && was_over && self.fires(now);
        let mut merged = later.alert;
        let (mut merged_end, mut guessed) = (ends, later.guessed);
        if overlaps || goes_on {
            merged.starts_at = starts.min(old_starts);
        }
        if overlaps {
            if ends <= now {
                if was_over && old_ends > ends {
                    merged_end = old_ends;
                }
            } else if old_ends > ends && !self.guessed {
                (merged_end, guessed) = (old_ends, false);
            }
        }
        merged.ends_at = Some(merged_end);
        let is_over = merged_end <= now;
        let changed = is_over != was_over
            || (is_over && merged_end != old_ends)
            || merged.starts_at != old_starts
            || merged.annotations != self.alert.annotations
            || merged.generator_url != self.alert.generator_url;
        // Keeps the one allocation of labels that everything else shares.
        merged.labels = self.alert.labels.clone();
        self.alert = merged;
        (self.ends_at, self.guessed) = (merged_end, guessed);
        self.version += 1;
        changed
    }
}

/// A table of alerts by identity; places stay the same while an alert is held.
#[derive(Clone, Debug, Default)]
pub(super) struct Alerts {
    by_identity: HashMap<Labels, u32>,
    held: Vec<Option<Held>>,
    free: Vec<u32>,
}

impl Alerts {
    pub(super) fn len(&self) -> usize {
        self.by_identity.len()
    }

    pub(super) fn find(&self, labels: &Labels) -> Option<u32> {
        self.by_identity.get(labels).copied()
    }

    pub(super) fn get(&self, place: u32) -> Option<&Held> {
        self.held.get(place as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Held> {
        self.held.get_mut(place as usize)?.as_mut()
    }

    pub(super) fn insert(&mut self, held: Held) -> u32 {
        let labels = held.alert.labels.clone();
        let place = if let Some(place) = self.free.pop() {
            self.held[place as usize] = Some(held);
            place
        } else {
            self.held.push(Some(held));
            (self.held.len() - 1) as u32
        };
        self.by_identity.insert(labels, place);
        place
    }

    pub(super) fn remove(&mut self, place: u32) {
        if let Some(held) = self.held.get_mut(place as usize).and_then(Option::take) {
            self.by_identity.remove(&held.alert.labels);
            self.free.push(place);
        }
    }

    /// With their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Held)> {
        let held = self.held.iter().enumerate();
        held.filter_map(|(place, held)| Some((place as u32, held.as_ref()?)))
    }

    /// In order of identity.
    pub(super) fn sorted(&self) -> Vec<&Held> {
        let mut held: Vec<&Held> = self.held.iter().flatten().collect();
        held.sort_by_key(|one| (one.alert.fingerprint(), one.alert.labels.clone()));
        held
    }
}

/// Alertmanager's order of the alerts in a notification: by `job`, by `instance`, by the number
/// of labels, by names and values.
pub(super) fn display_order(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    for name in ["job", "instance"] {
        match (a.get(name), b.get(name)) {
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(one), Some(other)) if one != other => return one.cmp(other),
            _ => {}
        }
    }
    a.len().cmp(&b.len()).then_with(|| by_names(a, b))
}

fn by_names(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (mut ours, mut theirs) = (a.iter(), b.iter());
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((name, value)), Some((other, its))) => {
                // A name that only one of them has: the one without it comes first.
                let order = other.cmp(name).then_with(|| value.cmp(its));
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

/// The identity, for sets.
pub(super) fn identity(held: &Held) -> Fingerprint {
    held.alert.fingerprint()
}
