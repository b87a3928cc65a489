use std::sync::atomic::{AtomicUsize, Ordering};

use aiops_core::{Forecaster, Seed, Series};
use aiops_forecast::auto::{Auto, AutoConfig};
use aiops_forecast::many::fit_many;

use crate::support::series;

#[test]
fn each_as_alone_in_order_with_its_error() {
    let all: Vec<Series> = (0..12)
        .map(|index| {
            let mut rng = Seed(index).rng();
            let len = if index == 5 { 0 } else { 40 };
            let values: Vec<f64> = (0..len).map(|t| f64::from(t % 4) + rng.normal()).collect();
            series(&values)
        })
        .collect();
    let mut config = AutoConfig::default();
    config.seasons = vec![4];
    let auto = Auto::try_from(config).unwrap();
    let (calls, largest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let views: Vec<_> = all.iter().map(Series::view).collect();
    let models = fit_many(&auto, &views, |done| {
        calls.fetch_add(1, Ordering::Relaxed);
        largest.fetch_max(done, Ordering::Relaxed);
    });
    assert_eq!((calls.into_inner(), largest.into_inner()), (12, 12));
    for (index, (model, one)) in models.iter().zip(&all).enumerate() {
        match (model, auto.fit(one.view())) {
            (Ok(model), Ok(alone)) => assert_eq!(*model, alone, "{index}"),
            (Err(error), Err(alone)) => {
                assert_eq!((index, error.to_string()), (5, alone.to_string()));
            }
            other => panic!("{index}: {other:?}"),
        }
    }
}
