//! Requests before a time against those after it.

use aiops_core::Timestamp;
use aiops_core::logs::Template;

use super::requests::{Feature, Group, Link, Requests, Shown};
use crate::order;

/// Calls or requests on each side, at least.
const MIN_EACH: usize = 2;
/// Calls on the smaller side from which on a shift counts fully.
const ENOUGH: f64 = 5.0;
/// Standard error of a median in units of that of a mean, for normal samples.
const MEDIAN_ERROR: f64 = 1.2533;
/// Interquartile range of a normal distribution in units of its standard deviation.
const IQR_TO_SIGMA: f64 = 1.349;
/// Likelihood ratio that counts as much as a call that takes e times as long.
const UNIT: f64 = 8.0;

/// How one kind of call changed.
struct Shift {
    /// Difference of the medians of the logarithms beyond its standard error; 0 or more.
    size: f64,
    before: f64,
    after: f64,
    calls: [usize; 2],
}

/// In how many requests something was shown, before and after.
struct Shares {
    shown: [usize; 2],
    of: [usize; 2],
}

impl Shares {
    /// Twice the logarithm of the likelihood ratio.
    fn g(&self) -> f64 {
        let all = (self.shown[0] + self.shown[1]) as f64 / (self.of[0] + self.of[1]) as f64;
        let side = |k: usize| {
            let (shown, of) = (self.shown[k] as f64, self.of[k] as f64);
            term(shown, of * all) + term(of - shown, of * (1.0 - all))
        };
        2.0 * (side(0) + side(1))
    }

    /// By how much the share changed, from -1 to 1.
    fn change(&self) -> f64 {
        let share = |k: usize| self.shown[k] as f64 / self.of[k] as f64;
        share(1) - share(0)
    }
}

/// `n ln(n / expected)`, 0 for none.
fn term(n: f64, expected: f64) -> f64 {
    if n > 0.0 {
        n * (n / expected).ln()
    } else {
        0.0
    }
}

impl Requests<'_> {
    /// A score for each component, had it begun at `at`.
    pub(super) fn scores(&self, at: Timestamp, explained: f64, keys: &mut Vec<u64>) -> Vec<f64> {
        let mut around = vec![(0.0, 0_u32); self.components.len()];
        for link in &self.links {
            let Some(shift) = self.shift(link, at, keys) else {
                continue;
            };
            for component in [link.key.caller, link.key.callee] {
                let (sum, count) = &mut around[component as usize];
                (*sum, *count) = (*sum + shift.size, *count + 1);
            }
        }
        let chance = self.chance();
        let mut own: Vec<f64> = around
            .iter()
            .map(|(sum, count)| sum / f64::from((*count).max(1)).sqrt())
            .collect();
        for same in self.features() {
            let component = same[0].component as usize;
            own[component] = own[component].max((self.g(same, at) - chance) / UNIT);
        }
        let below = |component: usize| {
            let callees = self.callees.get(&(component as u32)).into_iter().flatten();
            callees
                .map(|callee| own[*callee as usize])
                .fold(0.0, f64::max)
        };
        (0..own.len())
            .map(|c| own[c] * (1.0 - explained * (below(c) / own[c].max(1e-9)).min(1.0)))
            .collect()
    }

    /// What speaks for a component, the strongest first.
    pub(super) fn facts(&self, component: u32, at: Timestamp, keys: &mut Vec<u64>) -> Vec<String> {
        let mut facts: Vec<(f64, String)> = Vec::new();
        for link in &self.links {
            let Link { caller, callee } = link.key;
            let shift = self.shift(link, at, keys).filter(|shift| shift.size > 0.5);
            let Some(shift) = shift.filter(|_| [caller, callee].contains(&component)) else {
                continue;
            };
            let (before, after) = (shift.before.exp() * 1e3, shift.after.exp() * 1e3);
            let text = format!(
                "calls from {} to {} waited {after:.1} ms, before {before:.1} ms ({} and {} calls)",
                self.components[caller as usize],
                self.components[callee as usize],
                shift.calls[1],
                shift.calls[0],
            );
            facts.push((shift.size, text));
        }
        for same in self
            .features()
            .filter(|same| same[0].component == component)
        {
            let size = (self.g(same, at) - self.chance()) / UNIT;
            if size <= 0.0 {
                continue;
            }
            let (mut shown, mut of) = ([0; 2], [0; 2]);
            for shares in same.iter().filter_map(|shown| self.shares(shown, at)) {
                for side in 0..2 {
                    shown[side] += shares.shown[side];
                    of[side] += shares.of[side];
                }
            }
            let what = match same[0].feature {
                Feature::Template(id, _) => {
                    let text = self.miner.template(id).map(Template::text);
                    format!("log line `{}`", text.unwrap_or_default())
                }
                Feature::Failed(operation) => {
                    format!("failed `{}`", self.operations[operation as usize])
                }
            };
            let text = format!(
                "{what} in {} of {} requests, before in {} of {}",
                shown[1], of[1], shown[0], of[0]
            );
            facts.push((size, text));
        }
        facts.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        facts.into_iter().map(|(_, text)| text).collect()
    }

    fn shift(&self, link: &Group<Link>, at: Timestamp, keys: &mut Vec<u64>) -> Option<Shift> {
        let rows = &self.waits[link.rows.clone()];
        let (before, after) = rows.split_at(rows.partition_point(|row| row.0 < at));
        let calls = [before.len(), after.len()];
        let least = calls[0].min(calls[1]);
        if least < MIN_EACH {
            return None;
        }
        let mut side = |rows: &[(Timestamp, f64)]| {
            keys.clear();
            keys.extend(rows.iter().map(|row| order::key(row.1)));
            let [low, median, high] = order::quartiles(keys);
            (
                median,
                ((high - low) / IQR_TO_SIGMA).powi(2) / rows.len() as f64,
            )
        };
        let (before, after) = (side(before), side(after));
        let error = MEDIAN_ERROR * (before.1 + after.1).sqrt();
        let beyond = (after.0 - before.0 - error).max(0.0);
        Some(Shift {
            size: beyond * (least as f64 / ENOUGH).min(1.0),
            before: before.0,
            after: after.0,
            calls,
        })
    }

    /// What the largest of all likelihood ratios reaches by chance.
    fn chance(&self) -> f64 {
        2.0 * (self.features().count().max(1) as f64).ln()
    }

    /// A feature of a component over all kinds of requests.
    fn features(&self) -> impl Iterator<Item = &[Shown]> {
        let same = |a: &Shown, b: &Shown| (a.component, a.feature) == (b.component, b.feature);
        self.shown.chunk_by(same)
    }

    /// The likelihood ratio of a feature where it is bad news, times how much its share changed:
    /// what was requested varies too, but moves few shares from all to none.
    fn g(&self, same: &[Shown], at: Timestamp) -> f64 {
        let shares = same.iter().filter_map(|shown| self.shares(shown, at));
        shares
            .filter(|shares| same[0].feature.is_bad_news(shares.change() > 0.0))
            .map(|shares| shares.g() * shares.change().abs())
            .sum()
    }

    fn shares(&self, shown: &Shown, at: Timestamp) -> Option<Shares> {
        let asked = &self.asked[self.kinds[shown.kind].rows.clone()];
        let before = asked.partition_point(|start| *start < at);
        let of = [before, asked.len() - before];
        let places = &self.places[shown.places.clone()];
        let first = places.partition_point(|place| (*place as usize) < before);
        let shown = [first, places.len() - first];
        (of[0].min(of[1]) >= MIN_EACH).then_some(Shares { shown, of })
    }
}
