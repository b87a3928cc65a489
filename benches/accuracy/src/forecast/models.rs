//! What is measured, with library defaults.

use aiops_core::DynForecaster;
use aiops_forecast::arima::{AutoArima, AutoArimaConfig};
use aiops_forecast::auto::{Auto, AutoConfig};
use aiops_forecast::conformal::{Conformal, ConformalConfig};
use aiops_forecast::direct::{Direct, DirectConfig};
use aiops_forecast::ets::{AutoEts, AutoEtsConfig};
use aiops_forecast::mstl::{Mstl, MstlConfig};
use aiops_forecast::naive::drift::Drift;
use aiops_forecast::naive::last::Naive;
use aiops_forecast::naive::seasonal::{SeasonalNaive, SeasonalNaiveConfig};
use aiops_forecast::smoothing::holt::{Holt, HoltConfig};
use aiops_forecast::smoothing::holt_winters::{HoltWinters, HoltWintersConfig};
use aiops_forecast::smoothing::simple::{SimpleSmoothing, SimpleSmoothingConfig};

use aiops_forecast::theta::{Theta, ThetaConfig};

use super::sets::Kind;

/// A forecaster with its name in the report.
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) forecaster: Box<dyn DynForecaster>,
}

fn model(name: &'static str, forecaster: impl DynForecaster + 'static) -> Model {
    Model {
        name,
        forecaster: Box::new(forecaster),
    }
}

/// All that suit a kind of series, of which the shortest has `shortest` samples.
pub(super) fn all(kind: Kind, horizon: usize, shortest: usize) -> impl Iterator<Item = Model> {
    let season = kind.season;
    let mut seasonal_naive = SeasonalNaiveConfig::default();
    seasonal_naive.season = season;
    let mut holt_winters = HoltWintersConfig::default();
    holt_winters.season = season;
    let mut ets = AutoEtsConfig::default();
    ets.season = season;
    let mut theta = ThetaConfig::default();
    theta.season = season;
    let mut auto = AutoConfig::default();
    auto.seasons = kind.seasons.to_vec();
    auto.horizon = horizon;
    let mut arima = AutoArimaConfig::default();
    arima.seasons = kind.seasons.to_vec();
    let always = [
        AutoArima::try_from(arima).ok().map(|f| model("arima", f)),
        Auto::try_from(auto).ok().map(|f| model("auto", f)),
        Theta::try_from(theta).ok().map(|f| model("theta", f)),
        Some(model("naive", Naive)),
        Some(model("drift", Drift)),
        SimpleSmoothing::try_from(SimpleSmoothingConfig::default())
            .ok()
            .map(|f| model("ses", f)),
        Holt::try_from(HoltConfig::default())
            .ok()
            .map(|f| model("holt", f)),
        AutoEts::try_from(ets).ok().map(|f| model("ets", f)),
        AutoEts::try_from(ets)
            .ok()
            .and_then(|f| Conformal::new(f, ConformalConfig::default()).ok())
            .map(|f| model("ets_conformal", f)),
    ];
    let mut mstl = MstlConfig::default();
    mstl.seasons = kind.seasons.to_vec();
    let mut direct = DirectConfig::default();
    direct.seasons = kind.seasons.to_vec();
    direct.horizon = horizon;
    // These refuse series of fewer than three seasons.
    let long = kind
        .seasons
        .first()
        .is_some_and(|season| shortest > 3 * season);
    let seasonal = [
        Mstl::try_from(mstl)
            .ok()
            .filter(|_| long)
            .map(|f| model("mstl", f)),
        Direct::try_from(direct)
            .ok()
            .filter(|_| long)
            .map(|f| model("direct", f)),
        SeasonalNaive::try_from(seasonal_naive)
            .ok()
            .map(|f| model("seasonal_naive", f)),
        HoltWinters::try_from(holt_winters)
            .ok()
            .map(|f| model("holt_winters", f)),
    ];
    let seasonal = seasonal.into_iter().filter(move |_| season > 1);
    always.into_iter().chain(seasonal).flatten()
}
