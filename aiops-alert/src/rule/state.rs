//! What a rule set knows, apart from its rules: for restarts and for other configurations.

use std::collections::HashMap;

use aiops_core::{Labels, Timestamp};

use super::instance::Phase;
use super::{Condition, Rule, RuleSet};

/// Everything that has to survive a restart. Rules are counted by their place in `rules`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rules: Vec<Rule>,
    pub(super) last_tick: Timestamp,
    pub(super) series: Vec<SeriesState>,
    pub(super) instances: Vec<InstanceState>,
}

/// A series that a rule looks at.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct SeriesState {
    pub(super) labels: Labels,
    pub(super) last: Timestamp,
    /// Rules that hold for it.
    pub(super) holding: Vec<u32>,
}

/// An alert that is not inactive.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct InstanceState {
    pub(super) rule: u32,
    pub(super) identity: Labels,
    pub(super) series: Labels,
    pub(super) since: Timestamp,
    #[cfg_attr(feature = "serde", serde(with = "aiops_core::stored::exact"))]
    pub(super) value: f64,
    pub(super) reason: Option<String>,
    pub(super) phase: Phase,
    pub(super) last_sent: Timestamp,
    /// It speaks for a selector that nothing has ever passed.
    pub(super) never_seen: bool,
}

impl RuleSet {
    pub(super) fn state(&self) -> State {
        let mut series: Vec<_> = self.index.iter().map(|(_, one)| one).collect();
        series.sort_by_key(|one| one.labels.fingerprint());
        let series = series.into_iter().map(|one| {
            let holding = one.watches.iter().filter(|watch| watch.holds);
            SeriesState {
                labels: one.labels.clone(),
                last: one.last,
                holding: holding.map(|watch| watch.rule).collect(),
            }
        });
        let instances = self.instances.iter().enumerate();
        let mut instances: Vec<_> = instances
            .filter_map(|(id, one)| Some((id as u32, one.as_ref()?)))
            .filter(|(_, one)| !one.is_idle())
            .collect();
        instances.sort_by(|(_, a), (_, b)| (a.rule, &a.identity).cmp(&(b.rule, &b.identity)));
        let instances = instances
            .into_iter()
            .map(|(id, one)| one.state_as(one.rule, self.speaks_for_selector(id)));
        State {
            rules: self.rules.clone(),
            last_tick: self.last_tick,
            series: series.collect(),
            instances: instances.collect(),
        }
    }

    pub(super) fn apply(&mut self, state: State) {
        fn names(rules: &[Rule]) -> impl Iterator<Item = &str> {
            rules.iter().map(|rule| rule.config.name.as_str())
        }
        let places = places(names(&state.rules), names(&self.rules));
        for series in state.series {
            self.apply_series(&series, &places);
        }
        for instance in state.instances {
            if let Some(rule) = place(&places, instance.rule) {
                self.apply_instance(rule, instance);
            }
        }
        self.last_tick = self.last_tick.max(state.last_tick);
        if state.last_tick > Timestamp::MIN {
            self.restored_at = Some(state.last_tick);
        }
    }

    fn apply_series(&mut self, series: &SeriesState, places: &[Option<u32>]) {
        let Some((slot, _)) = self.slot(&series.labels) else {
            return;
        };
        let Some(watched) = self.index.get_mut(slot) else {
            return;
        };
        watched.last = series.last;
        let holding = series.holding.iter();
        let holding: Vec<u32> = holding.filter_map(|&rule| place(places, rule)).collect();
        let mut active = Vec::new();
        for watch in &mut watched.watches {
            if holding.contains(&watch.rule)
                && !watch.holds
                && let Some(one) = &mut self.instances[watch.instance as usize]
            {
                watch.holds = true;
                one.begin(series.last);
                active.push(watch.instance);
            }
        }
        if !active.is_empty() {
            self.index.holding.insert(slot);
        }
        for instance in active {
            self.activate(instance);
        }
    }

    fn apply_instance(&mut self, rule: u32, state: InstanceState) {
        // Labels or templates may have changed: another identity is another alert.
        let now = self.rules[rule as usize].identity(&state.series);
        if now != state.identity {
            return;
        }
        let id = self.instance(rule, state.identity.clone(), &state.series);
        let absence = matches!(
            self.rules[rule as usize].config.condition,
            Condition::Absent { .. }
        );
        if state.never_seen && absence {
            self.speak_for_selector(rule, id);
        }
        if let Some(one) = &mut self.instances[id as usize] {
            one.restore(state);
        }
        self.activate(id);
    }
}

fn place(places: &[Option<u32>], rule: u32) -> Option<u32> {
    places.get(rule as usize).copied().flatten()
}

/// For each earlier rule its place among the later ones: the same name, and the same one in order
/// among those of that name.
pub(super) fn places<'a>(
    earlier: impl Iterator<Item = &'a str>,
    later: impl Iterator<Item = &'a str>,
) -> Vec<Option<u32>> {
    let mut of_name: HashMap<&str, Vec<u32>> = HashMap::new();
    for (number, name) in later.enumerate() {
        of_name.entry(name).or_default().push(number as u32);
    }
    let mut used: HashMap<&str, usize> = HashMap::new();
    let place = |name: &'a str| {
        let next = of_name.get(name)?;
        let used = used.entry(name).or_default();
        *used += 1;
        next.get(*used - 1).copied()
    };
    earlier.map(place).collect()
}
