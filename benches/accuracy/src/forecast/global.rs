//! Networks that are trained on a whole set.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use aiops_core::{DynForecaster, Series, TimeAxis, Timestamp};
use aiops_forecast::lstm::{GlobalLstm, Lstm, LstmConfig};
use serde_json::{Value, json};

use super::Clock;
use super::sets::{Case, Set};
use crate::Fallible;

/// One network for each origin, trained on what lay before that origin only.
pub(super) struct Networks {
    by_origin: BTreeMap<String, GlobalLstm>,
    seconds: f64,
}

impl Networks {
    /// The one that has not seen what comes after `case`.
    pub(super) fn of(&self, case: &Case) -> &dyn DynForecaster {
        &self.by_origin[origin(case)]
    }

    pub(super) fn report(&self) -> Value {
        let one = |(origin, network): (&String, &GlobalLstm)| {
            let report = network.report();
            json!({
                "origin": origin,
                "weights": network.weights(),
                "steps": report.steps,
                "series": report.series,
                "skipped": report.skipped,
                "held_out_losses": report.held_out_losses,
            })
        };
        let networks: Vec<Value> = self.by_origin.iter().map(one).collect();
        json!({ "training_cpu_s": self.seconds, "networks": networks })
    }
}

/// What follows the last `@` of a name; the same for all cases of a competition.
fn origin(case: &Case) -> &str {
    case.name.rsplit_once('@').map_or("", |(_, origin)| origin)
}

pub(super) fn train(set: &Set) -> Fallible<Networks> {
    let mut groups: BTreeMap<&str, Vec<Series>> = BTreeMap::new();
    for case in &set.cases {
        let axis = TimeAxis::regular(Timestamp::EPOCH, set.kind.step, case.past.len())?;
        let series = Series::new(axis, case.past.clone())?;
        groups.entry(origin(case)).or_default().push(series);
    }
    let mut config = LstmConfig::default();
    config.seasons = set.kind.seasons.to_vec();
    config.horizon = set.horizon();
    let lstm = Lstm::try_from(config)?;
    let clock = Clock::start();
    let mut by_origin = BTreeMap::new();
    for (origin, series) in groups {
        let views: Vec<_> = series.iter().map(Series::view).collect();
        let network = lstm.train(&views, |now| {
            eprintln!(
                "{}: net {} of {}, step {} of {}: loss {:.4}, held out {:.4}, {:.0} s",
                set.name,
                now.net + 1,
                now.nets,
                now.step,
                now.steps,
                now.loss,
                now.held_out_loss,
                clock.seconds(),
            );
            ControlFlow::Continue(())
        })?;
        by_origin.insert(origin.to_owned(), network);
    }
    Ok(Networks {
        by_origin,
        seconds: clock.seconds(),
    })
}
