//! Which log lines are odd? A shop's log by the minute, and by the order: a failure that was never seen
//! before, and the orders that it happened to.

use std::error::Error;
use std::time::Duration;

use aiops_core::logs::{Template, TemplateId, TemplateMiner, TemplateMinerConfig};
use aiops_core::{Seed, Timestamp};
use aiops_detect::logs::invariants::{Invariants, InvariantsConfig};
use aiops_detect::logs::rates::{TemplateRates, TemplateRatesConfig};
use aiops_detect::logs::{FittedSessionDetector as _, SessionDetector as _};

/// The lines of one order; from minute 180 on every third payment times out, and nothing is sent.
fn order(number: u64, minute: u64) -> Vec<String> {
    let broken = minute >= 180 && number.is_multiple_of(3);
    let mut lines = vec![
        format!("order {number} received from 10.0.{}.7", number % 250),
        format!(
            "order {number}: {} items reserved in stock-eu",
            number % 5 + 1
        ),
    ];
    if broken {
        lines.push(format!("payment of order {number} timed out after 3000 ms"));
    } else {
        lines.push(format!(
            "payment of order {number} accepted, {} cents",
            number * 37 % 9_000
        ));
        lines.push(format!("mail for order {number} sent"));
    }
    lines
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())?; // aiops-core
    let mut rates = TemplateRates::try_from(TemplateRatesConfig::default())?; // aiops-detect
    let mut noise = Seed::default().rng();
    let (mut number, mut orders) = (1_000, Vec::new());
    println!("by the minute");
    for minute in 0..184 {
        for _ in 0..20 + (10.0 * noise.uniform()) as u64 {
            number += 1;
            let lines = order(number, minute);
            let ids: Vec<TemplateId> = lines.iter().map(|line| miner.observe(line)).collect();
            for &id in &ids {
                rates.observe(id);
            }
            orders.push((number, ids));
        }
        let end = Timestamp::EPOCH.saturating_add(Duration::from_secs(60 * (minute + 1)));
        for found in rates.end_interval(end, |id| miner.current(id)).findings {
            let text = miner.template(found.template).map(Template::text);
            let expected = found.band.map_or(0.0, |band| band.center);
            println!(
                "minute {minute}: {:?}, {} lines, {expected:.0} expected, score {:.1}: {}",
                found.change,
                found.count,
                found.score,
                text.unwrap_or_default()
            );
        }
    }

    let sessions: Vec<Vec<TemplateId>> = orders
        .iter()
        .map(|(_, ids)| ids.iter().map(|&id| miner.current(id)).collect())
        .collect();
    let usual = Invariants::try_from(InvariantsConfig::default())?.fit(&sessions[..4_000])?;
    println!(
        "\nby the order: {} relations always held",
        usual.invariants().len()
    );
    let odd = |session: &&Vec<TemplateId>| usual.score(session) > 2.0;
    println!(
        "{} of the last {} orders broke one",
        sessions[4_000..].iter().filter(odd).count(),
        sessions.len() - 4_000
    );
    if let Some(index) = (4_000..sessions.len()).find(|&index| odd(&&sessions[index])) {
        println!("the first is order {}, because of", orders[index].0);
        for (template, blame) in usual.explain(&sessions[index]).into_iter().take(2) {
            let text = miner.template(template).map(Template::text);
            println!("  {blame:.1}  {}", text.unwrap_or_default());
        }
    }
    Ok(())
}
