//! Queue and store beside Prometheus and `VictoriaMetrics`, which run as processes of their own.
//!
//! The programs are looked for on `PATH`; one that is missing is named and skipped, and makes the
//! run fail with `AIOPS_REQUIRE_PEERS=1`.

mod acknowledged;
mod density;
mod recording;

use crate::timing::Rounds;

pub(crate) fn run(rounds: Rounds) {
    density::run(rounds);
    acknowledged::run(rounds);
}
