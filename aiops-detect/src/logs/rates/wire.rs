//! Stored form. The interval that is open is not stored: a model is saved between intervals.

use aiops_core::logs::TemplateId;
use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

use super::known::Known;
use super::{TemplateRates, TemplateRatesConfig};
use crate::logs::wire::{read, write};

/// One entry of each list for each template, in increasing order.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    #[serde(with = "exact")]
    memory: f64,
    warmup: usize,
    #[serde(with = "exact")]
    threshold: f64,
    #[serde(with = "exact")]
    new_threshold: f64,
    #[serde(with = "exact")]
    absolute_floor: f64,
    #[serde(with = "exact")]
    relative_floor: f64,
    capacity: usize,
    forget_after: u32,
    intervals: u64,
    #[serde(with = "exact")]
    news: f64,
    templates: String,
    #[serde(with = "exact_vec")]
    weights: Vec<f64>,
    #[serde(with = "exact_vec")]
    means: Vec<f64>,
    #[serde(with = "exact_vec")]
    variances: Vec<f64>,
    silent: Vec<u32>,
    told: Vec<u32>,
}

impl StoredModel for TemplateRates {
    const KIND: &'static str = "detect.template-rates";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let templates: Vec<TemplateId> = self.known.keys().copied().collect();
        let known = || self.known.values();
        V1 {
            memory: self.config.memory,
            warmup: self.config.warmup,
            threshold: self.config.threshold,
            new_threshold: self.config.new_threshold,
            absolute_floor: self.config.absolute_floor,
            relative_floor: self.config.relative_floor,
            capacity: self.config.capacity,
            forget_after: self.config.forget_after,
            intervals: self.intervals,
            news: self.news,
            templates: write(&templates),
            weights: known().map(|known| known.weight).collect(),
            means: known().map(|known| known.mean).collect(),
            variances: known().map(|known| known.variance).collect(),
            silent: known().map(|known| known.silent).collect(),
            told: known().map(|known| known.told).collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let config = TemplateRatesConfig {
            memory: wire.memory,
            warmup: wire.warmup,
            threshold: wire.threshold,
            new_threshold: wire.new_threshold,
            absolute_floor: wire.absolute_floor,
            relative_floor: wire.relative_floor,
            capacity: wire.capacity,
            forget_after: wire.forget_after,
        };
        let mut model =
            Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
        let templates = read(&wire.templates)?;
        let lengths = [
            wire.weights.len(),
            wire.means.len(),
            wire.variances.len(),
            wire.silent.len(),
            wire.told.len(),
        ];
        let count = templates.len();
        if lengths.iter().any(|&len| len != count) || count > config.capacity {
            return Err(LoadError::payload("not one entry for each template"));
        }
        if !templates.is_sorted_by(|a, b| a < b) || !(0.0..=1.0).contains(&wire.news) {
            return Err(LoadError::payload("templates or their news cannot be"));
        }
        for (index, template) in templates.into_iter().enumerate() {
            let known = Known {
                weight: wire.weights[index],
                mean: wire.means[index],
                variance: wire.variances[index],
                silent: wire.silent[index],
                told: wire.told[index],
            };
            let moment = |value: f64| value >= 0.0 && value.is_finite();
            let fits = (1.0..=config.memory).contains(&known.weight)
                && moment(known.mean)
                && moment(known.variance)
                && known.told <= known.silent
                && known.told < config.forget_after;
            if !fits {
                return Err(LoadError::payload("a rate cannot be"));
            }
            model.known.insert(template, known);
        }
        (model.intervals, model.news) = (wire.intervals, wire.news);
        Ok(model)
    }
}
