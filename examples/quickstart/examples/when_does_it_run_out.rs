//! When does it run out? A disk that fills slowly, one that is cleaned up again and again, and one
//! that does not fill at all.

use std::error::Error;
use std::time::Duration;

use aiops_core::{Seed, Series, TimeAxis, Timestamp};
use aiops_forecast::capacity::{Capacity, CapacityConfig, Limit};

const POINTS: usize = 288; // two days, one every ten minutes

fn main() -> Result<(), Box<dyn Error>> {
    let mut noise = Seed::default().rng();
    let start: Timestamp = "2026-03-02T00:00:00Z".parse()?;
    let axis = TimeAxis::regular(start, Duration::from_mins(10), POINTS)?;
    let mut series = |level: fn(f64) -> f64| {
        let values = (0..POINTS).map(|point| level(point as f64) + 0.2 * noise.normal());
        Series::new(axis.clone(), values.collect())
    };
    let disks = [
        ("fills", series(|point| 60.0 + point / 20.0)?),
        ("cleaned up", series(|point| 30.0 + point % 48.0)?),
        ("steady", series(|_| 70.0)?),
    ];
    println!(
        "the last sample is of {}",
        disks[0].1.view().axis().at(POINTS - 1)
    );

    let capacity = Capacity::try_from(CapacityConfig::default())?; // aiops-forecast
    for (name, disk) in disks {
        let outlook = capacity.outlook(disk.view(), Limit::Above(95.0))?;
        println!("{name:10}  {:5.1} % now, {outlook}", outlook.current);
    }
    Ok(())
}
