//! Volume under the surface.
//!
//! Paparrizos et al., *Volume Under the Surface: A New Accuracy Evaluation Measure for
//! Time-Series Anomaly Detection*, VLDB 2022, in the form that TSB-AD ranks with (Liu and
//! Paparrizos, *The Elephant in the Room*, `NeurIPS` 2024): 250 thresholds, label ramps
//! `sqrt(1 - d / l)` of half the buffer on either side.

use super::{MetricError, check};

/// Points of each curve, spread evenly over the sorted scores.
const THRESHOLDS: usize = 250;

/// Volumes under the surfaces; see [`vus`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vus {
    /// Under true against false positive rate, and buffer length.
    pub roc: f64,
    /// Under precision against recall, and buffer length: the measure to rank detectors of
    /// series with.
    pub pr: f64,
}

/// How well scores find labelled events whose borders are blurred: the areas under both curves,
/// averaged over buffers of 0 to `window` samples around each event. In a buffer of `l` samples
/// the label falls as `sqrt(1 - d / l)` with the distance `d`, and an event counts as found in
/// proportion to the events that are touched at all.
///
/// `window` is the dominant period of the series, in samples, or 100 where there is none. Only
/// figures with the same window compare. Costs `O(window * (events * window + 250))` after one
/// sort.
///
/// ```
/// use aiops_detect::metrics::vus;
///
/// let labels: Vec<bool> = (0..100).map(|i| (40..50).contains(&i)).collect();
/// let early: Vec<f64> = (0..100).map(|i| f64::from(u8::from((38..48).contains(&i)))).collect();
/// let far: Vec<f64> = (0..100).map(|i| f64::from(u8::from((70..80).contains(&i)))).collect();
/// assert!(vus(&labels, &early, 10)?.pr > 0.8);
/// assert!(vus(&labels, &far, 10)?.pr < 0.2);
/// # Ok::<(), aiops_detect::metrics::MetricError>(())
/// ```
///
/// # Errors
///
/// [`MetricError`] unless there is one score for each label, none missing, and both classes.
pub fn vus(labels: &[bool], scores: &[f64], window: usize) -> Result<Vus, MetricError> {
    let anomalous = check(labels, scores)?;
    let mut surface = Surface::new(labels, scores, anomalous as f64);
    let (mut roc, mut pr) = (0.0, 0.0);
    for buffer in 0..=window {
        let area = surface.areas(buffer);
        roc += area.roc;
        pr += area.pr;
    }
    let count = (window + 1) as f64;
    Ok(Vus {
        roc: roc / count,
        pr: pr / count,
    })
}

/// What all buffer lengths share.
struct Surface<'a> {
    labels: &'a [bool],
    scores: &'a [f64],
    anomalous: f64,
    /// First and last sample of each event.
    events: Vec<(usize, usize)>,
    /// Highest score of each event with its present buffer, which only grows.
    highest: Vec<f64>,
    reach: usize,
    thresholds: Vec<f64>,
    /// For each sample the first threshold that it reaches.
    bucket: Vec<u8>,
    /// Samples that reach each threshold.
    positives: Vec<f64>,
    /// Anomalous samples in each bucket.
    inside: Vec<f64>,
    /// Blurred labels outside of the events; zero between calls.
    ramp: Vec<f64>,
}

impl<'a> Surface<'a> {
    fn new(labels: &'a [bool], scores: &'a [f64], anomalous: f64) -> Self {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let last = (sorted.len() - 1) as f64;
        // The spacing is that of the definition, rounding included: step times index, cut off.
        let step = last / (THRESHOLDS - 1) as f64;
        let thresholds: Vec<f64> = (0..THRESHOLDS)
            .map(|k| {
                if k == THRESHOLDS - 1 {
                    last
                } else {
                    k as f64 * step
                }
            })
            .map(|place| sorted[place as usize])
            .collect();
        let positives = thresholds
            .iter()
            .map(|&level| sorted.partition_point(|&score| score >= level) as f64)
            .collect();
        let bucket: Vec<u8> = scores
            .iter()
            .map(|&score| thresholds.partition_point(|&level| level > score) as u8)
            .collect();
        let mut inside = vec![0.0; THRESHOLDS];
        for (&bucket, _) in bucket.iter().zip(labels).filter(|(_, label)| **label) {
            inside[usize::from(bucket)] += 1.0;
        }
        let events = events(labels);
        let highest = events.iter().map(|&(a, b)| max(&scores[a..=b])).collect();
        Self {
            labels,
            scores,
            anomalous,
            events,
            highest,
            reach: 0,
            thresholds,
            bucket,
            positives,
            inside,
            ramp: vec![0.0; scores.len()],
        }
    }

    /// Areas under both curves for one buffer length; lengths must not fall from call to call.
    fn areas(&mut self, buffer: usize) -> Vus {
        let reach = buffer / 2;
        self.widen(reach);
        let outside = self.outside(buffer, reach);
        let tops = self.tops(reach);
        let samples = self.labels.len() as f64;
        let (mut true_positives, mut soft) = (0.0, self.anomalous);
        let (mut area, mut before) = (Vus { roc: 0.0, pr: 0.0 }, (0.0, 0.0));
        for (k, &outside) in outside.iter().enumerate() {
            true_positives += self.inside[k] + outside;
            soft += outside;
            let touched = tops.partition_point(|&top| top >= self.thresholds[k]);
            let labelled = f64::midpoint(self.anomalous, soft);
            let recall = (true_positives / labelled).min(1.0) * touched as f64 / tops.len() as f64;
            let false_rate = (self.positives[k] - true_positives) / (samples - labelled);
            area.pr += (recall - before.1) * true_positives / self.positives[k];
            area.roc += (false_rate - before.0) * f64::midpoint(recall, before.1);
            before = (false_rate, recall);
        }
        area.roc += (1.0 - before.0) * f64::midpoint(1.0, before.1);
        area
    }

    /// Takes the samples up to `reach` from each event into its highest score.
    fn widen(&mut self, reach: usize) {
        while self.reach < reach {
            self.reach += 1;
            for (&(first, last), highest) in self.events.iter().zip(&mut self.highest) {
                if let Some(&score) = first
                    .checked_sub(self.reach)
                    .and_then(|index| self.scores.get(index))
                {
                    *highest = highest.max(score);
                }
                if let Some(&score) = self.scores.get(last + self.reach) {
                    *highest = highest.max(score);
                }
            }
        }
    }

    /// Sum of the blurred labels outside of the events, for each bucket.
    fn outside(&mut self, buffer: usize, reach: usize) -> Vec<f64> {
        let ramp: Vec<f64> = (1..=reach)
            .map(|distance| (1.0 - distance as f64 / buffer as f64).sqrt())
            .collect();
        for &(first, last) in &self.events {
            let after = self.ramp[last + 1..].iter_mut().zip(&ramp);
            after.for_each(|(label, add)| *label += add);
            let before = self.ramp[..first].iter_mut().rev().zip(&ramp);
            before.for_each(|(label, add)| *label += add);
        }
        let mut sums = vec![0.0; THRESHOLDS];
        for &(first, last) in &self.events {
            let end = (last + 1 + reach).min(self.ramp.len());
            for index in first.saturating_sub(reach)..end {
                let label = std::mem::take(&mut self.ramp[index]).min(1.0);
                if !self.labels[index] {
                    sums[usize::from(self.bucket[index])] += label;
                }
            }
        }
        sums
    }

    /// Highest score of each group of events whose buffers meet, largest first.
    fn tops(&self, reach: usize) -> Vec<f64> {
        let mut tops: Vec<f64> = Vec::new();
        let mut end = None;
        for (&(first, last), &highest) in self.events.iter().zip(&self.highest) {
            match tops.last_mut() {
                // `last + reach < first - reach` of the next one sets them apart.
                Some(top) if end.is_some_and(|end| end + 2 * reach >= first) => {
                    *top = top.max(highest);
                }
                _ => tops.push(highest),
            }
            end = Some(last);
        }
        tops.sort_unstable_by(|a, b| b.total_cmp(a));
        tops
    }
}

/// First and last sample of each run of anomalous ones.
pub(super) fn events(labels: &[bool]) -> Vec<(usize, usize)> {
    let mut events: Vec<(usize, usize)> = Vec::new();
    for index in (0..labels.len()).filter(|&index| labels[index]) {
        match events.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => events.push((index, index)),
        }
    }
    events
}

fn max(scores: &[f64]) -> f64 {
    scores.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
