//! The detectors over rows, by name, with library defaults.

use aiops_core::ndarray::Array2;
use aiops_core::{DynMultivariateDetector, FittedMultivariateDetector, ParamError, Seed};
use aiops_detect::auto_metrics::{AutoMetrics, AutoMetricsConfig};
use aiops_detect::auto_table::{AutoTable, AutoTableConfig};
use aiops_detect::copod::Copod;
use aiops_detect::ecod::Ecod;
use aiops_detect::extended_isolation_forest::{
    ExtendedIsolationForest, ExtendedIsolationForestConfig,
};
use aiops_detect::hbos::{Hbos, HbosConfig};
use aiops_detect::isolation_forest::{IsolationForest, IsolationForestConfig};
use aiops_detect::knn::{Knn, KnnConfig};
use aiops_detect::lof::{Lof, LofConfig};
use aiops_detect::pca::{Pca, PcaConfig};
use aiops_detect::robust_mahalanobis::{RobustMahalanobis, RobustMahalanobisConfig};
use aiops_detect::sampled_neighbors::{SampledNeighbors, SampledNeighborsConfig};

use crate::Fallible;
use crate::args::Args;

/// Makes the detector; those without randomness do not look at the seed.
type Make = fn(Seed) -> Result<Box<dyn DynMultivariateDetector>, ParamError>;

/// One line of a results table.
pub(super) struct Model {
    pub(super) name: &'static str,
    /// Its scores depend on a seed, so several are run and their figures averaged.
    pub(super) random: bool,
    make: Make,
}

/// Every model that was asked for. A name that is not known is an error.
pub(super) fn wanted(args: &Args, kind: Kind) -> Fallible<Vec<Model>> {
    let mut all = all();
    all.push(match kind {
        Kind::Table => auto_table(),
        Kind::Series => auto_metrics(),
    });
    for name in &args.models {
        if !all.iter().any(|model| model.name == name) {
            let known: Vec<&str> = all.iter().map(|model| model.name).collect();
            return Err(format!("no model `{name}`; there are {}", known.join(", ")).into());
        }
    }
    let wanted = all.into_iter().filter(|model| args.wants_model(model.name));
    Ok(wanted.collect())
}

/// What the rows are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// In no order.
    Table,
    /// Instants, in order of time.
    Series,
}

/// `auto` for tables.
fn auto_table() -> Model {
    random("auto", |seed| {
        let mut config = AutoTableConfig::default();
        config.seed = seed;
        Ok(Box::new(AutoTable::from(config)))
    })
}

/// `auto` for metrics over time.
fn auto_metrics() -> Model {
    random("auto", |seed| {
        let mut config = AutoMetricsConfig::default();
        config.seed = seed;
        Ok(Box::new(AutoMetrics::try_from(config)?))
    })
}

fn all() -> Vec<Model> {
    vec![
        random("isolation_forest", |seed| {
            let mut config = IsolationForestConfig::default();
            config.seed = seed;
            Ok(Box::new(IsolationForest::try_from(config)?))
        }),
        random("extended_isolation_forest", |seed| {
            let mut config = ExtendedIsolationForestConfig::default();
            config.seed = seed;
            Ok(Box::new(ExtendedIsolationForest::try_from(config)?))
        }),
        random("sampled_neighbors", |seed| {
            let mut config = SampledNeighborsConfig::default();
            config.seed = seed;
            Ok(Box::new(SampledNeighbors::try_from(config)?))
        }),
        fixed("pca", |_| {
            Ok(Box::new(Pca::try_from(PcaConfig::default())?))
        }),
        random("robust_mahalanobis", |seed| {
            let mut config = RobustMahalanobisConfig::default();
            config.seed = seed;
            Ok(Box::new(RobustMahalanobis::try_from(config)?))
        }),
        fixed("knn", |_| {
            Ok(Box::new(Knn::try_from(KnnConfig::default())?))
        }),
        fixed("lof", |_| {
            Ok(Box::new(Lof::try_from(LofConfig::default())?))
        }),
        fixed("ecod", |_| Ok(Box::new(Ecod::default()))),
        fixed("copod", |_| Ok(Box::new(Copod::default()))),
        fixed("hbos", |_| {
            let mut config = HbosConfig::default();
            config.bins = Some(10);
            Ok(Box::new(Hbos::try_from(config)?))
        }),
        fixed("hbos_auto", |_| {
            Ok(Box::new(Hbos::try_from(HbosConfig::default())?))
        }),
    ]
}

fn random(name: &'static str, make: Make) -> Model {
    Model {
        name,
        random: true,
        make,
    }
}

fn fixed(name: &'static str, make: Make) -> Model {
    Model {
        name,
        random: false,
        make,
    }
}

impl Model {
    pub(super) fn fit(
        &self,
        seed: Seed,
        train: &Array2<f64>,
    ) -> Fallible<Box<dyn FittedMultivariateDetector>> {
        Ok((self.make)(seed)?.fit_boxed(train.view())?)
    }

    /// Scores of the rows among each other.
    pub(super) fn fit_score(&self, seed: Seed, rows: &Array2<f64>) -> Fallible<Vec<f64>> {
        Ok((self.make)(seed)?.fit_score_boxed(rows.view())?)
    }

    /// The seeds to average over.
    pub(super) fn seeds(&self) -> Vec<Seed> {
        let count = if self.random { 5 } else { 1 };
        (0..count).map(Seed).collect()
    }
}
