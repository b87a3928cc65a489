//! Stored forms.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

use super::{Dspot, Spot, SpotConfig};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    #[serde(with = "exact")]
    risk: f64,
    initial: usize,
    #[serde(with = "exact")]
    level: f64,
    peaks: usize,
    depth: usize,
    #[serde(with = "exact_vec")]
    first_scores: Vec<f64>,
    #[serde(with = "exact")]
    tail: f64,
    #[serde(with = "exact_vec")]
    excesses: Vec<f64>,
    normal: u64,
    peaks_seen: u64,
    /// Of the drifting form; empty in the other.
    #[serde(with = "exact_vec")]
    recent: Vec<f64>,
}

fn store(spot: &Spot, recent: Vec<f64>) -> V1 {
    V1 {
        risk: spot.config.risk,
        initial: spot.config.initial,
        level: spot.config.level,
        peaks: spot.config.peaks,
        depth: spot.config.depth,
        first_scores: spot.initial.clone(),
        tail: spot.tail,
        excesses: spot.excesses.iter().copied().collect(),
        normal: spot.normal,
        peaks_seen: spot.peaks,
        recent,
    }
}

fn load(payload: Payload<'_>) -> Result<(Spot, Vec<f64>), LoadError> {
    let wire: V1 = payload.read()?;
    let config = SpotConfig {
        risk: wire.risk,
        initial: wire.initial,
        level: wire.level,
        peaks: wire.peaks,
        depth: wire.depth,
    };
    let mut spot = Spot::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
    let all_finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if !all_finite(&wire.first_scores) || !all_finite(&wire.recent) {
        return Err(LoadError::payload("a remembered score is not finite"));
    }
    let kept = wire.excesses.len();
    let tail_known = if wire.tail.is_nan() {
        wire.first_scores.len() < config.initial && kept == 0 && wire.peaks_seen == 0
    } else {
        let counted = wire.peaks_seen >= kept as u64 && wire.normal >= wire.peaks_seen;
        wire.first_scores.is_empty() && wire.tail.is_finite() && counted && wire.normal > 0
    };
    let positive = wire.excesses.iter().all(|&e| e > 0.0 && e.is_finite());
    if !tail_known || !positive || kept > config.peaks || wire.recent.len() > config.depth {
        return Err(LoadError::payload("tail and peaks do not agree"));
    }
    spot.initial = wire.first_scores;
    spot.tail = wire.tail;
    spot.excesses = wire.excesses.into();
    (spot.normal, spot.peaks) = (wire.normal, wire.peaks_seen);
    if !spot.tail.is_nan() {
        spot.refit();
    }
    Ok((spot, wire.recent))
}

impl StoredModel for Spot {
    const KIND: &'static str = "detect.spot";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        store(self, Vec::new())
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let (spot, recent) = load(payload)?;
        if recent.is_empty() {
            Ok(spot)
        } else {
            Err(LoadError::payload("the form without drift has a mean"))
        }
    }
}

impl StoredModel for Dspot {
    const KIND: &'static str = "detect.dspot";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        store(&self.spot, self.recent.iter().copied().collect())
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let (spot, recent) = load(payload)?;
        Ok(Self {
            spot,
            recent: recent.into(),
        })
    }
}
