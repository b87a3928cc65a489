//! Alerts: recorded scenarios of Alertmanager, replayed on a virtual clock; sets of alerts of real
//! failures that overlap in time.

mod overlap;
#[path = "../../../../aiops-alert/tests/it/scenario.rs"]
mod scenario;

use std::path::Path;

use serde_json::json;

use crate::Fallible;
use crate::args::Args;
use crate::report::Report;
use crate::table;

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    scenarios(&args.data, args, report)?;
    overlap::run(&args.data, args, report)?;
    // The sets lie beside, among the data for root causes.
    let beside = args.data.join("../rca");
    if args.data.ends_with("alerts") && beside.is_dir() {
        overlap::run(&beside, args, report)?;
    }
    Ok(())
}

/// A scenario passes when order, content and times of all notifications are as recorded, or, after
/// a crash, nothing is lost or told twice.
fn scenarios(folder: &Path, args: &Args, report: &mut Report) -> Fallible<()> {
    let (mut passed, mut all) = (0, 0);
    for (name, path) in table::files(folder, ".json")? {
        if !name.contains("scenarios/") || !args.wants_set(&name) {
            continue;
        }
        let wrong = scenario::outcome(&path).map_err(|error| format!("{name}: {error}"))?;
        all += 1;
        passed += u32::from(wrong.is_empty());
        for line in &wrong {
            eprintln!("{name}: {line}");
        }
        report.detail(&name, "engine", json!({ "passed": wrong.is_empty() }));
    }
    if all > 0 {
        report.put("alerts.scenarios_passed", f64::from(passed))?;
        report.put("alerts.scenarios", f64::from(all))?;
    }
    Ok(())
}
