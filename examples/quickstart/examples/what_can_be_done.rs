//! What can be done about it, and is it safe? Twelve of forty web servers hang. Two restarts are let
//! through, one does not help and is taken back, and the rest waits for people.

use std::error::Error;
use std::time::Duration;

use aiops_alert::remediation::{
    ActionConfig, Head, Outcome, Permission, Remediation, RemediationConfig, RunId, Situation,
    verify,
};
use aiops_core::{Alert, Incident, IncidentId, Labels, Timestamp};

fn main() -> Result<(), Box<dyn Error>> {
    let mut restart = ActionConfig::default();
    restart.permission = Permission::Allow; // the default is to deny
    restart.when = r#"{alertname="Hangs"}"#.parse()?;
    restart.pool = "web".into();
    (restart.max_targets, restart.max_share) = (5, 0.1); // of those that are healthy at that moment
    restart.can_roll_back = true;
    restart.verify_within = Duration::from_mins(2);
    let mut config = RemediationConfig::default();
    config.actions.insert("restart".into(), restart);
    let mut remediation = Remediation::try_from(config)?; // aiops-alert

    let start: Timestamp = "2026-03-02T10:00:00Z".parse()?;
    let hangs = |number: usize| -> Result<Alert, Box<dyn Error>> {
        let instance = format!("web-{number:02}");
        let labels = Labels::of([("alertname", "Hangs"), ("instance", &instance)])?;
        Ok(Alert::new(labels, start))
    };
    let alerts: Vec<Alert> = (0..12).map(hangs).collect::<Result<_, _>>()?;
    let incident = Incident {
        id: IncidentId(1),
        group: Labels::empty(),
        opened_at: start,
        resolved_at: None,
        summary: "web servers hang".into(),
        alerts: alerts.clone(),
        causes: Vec::new(),
    };

    // A dry run first: it yields the same plan and changes nothing.
    let dry = remediation.plan(start, &incident);
    let plan = remediation.propose(start, &incident)?;
    println!(
        "plan {} with {} steps; the dry run: {}",
        plan.id,
        plan.steps.len(),
        dry == plan
    );

    let situation = Situation {
        firing: &alerts,
        known_at: start,
        healthy: Some(28),
    };
    let mut stored = Vec::new(); // a file, in a real program
    for (number, step) in plan.steps.iter().enumerate() {
        match remediation.begin(start, &plan.id, number, &situation) {
            Ok(order) => {
                stored.extend(remediation.take_entries()); // before it is carried out
                println!(
                    "{} {}: {:?} as {}",
                    order.action, order.target, order.kind, order.run
                );
                remediation.report(start, order.run, Outcome::Done)?;
            }
            Err(refusal) => println!("{} {}: no, {refusal}", step.action, step.target),
        }
    }

    // The first comes back, the second does not.
    let later = start.saturating_add(Duration::from_mins(1));
    remediation.report(later, RunId(0), Outcome::Recovered)?;
    let later = start.saturating_add(Duration::from_mins(2));
    for order in remediation.tick(later) {
        println!(
            "{} {}: {:?}, success did not show in time",
            order.action, order.target, order.kind
        );
        remediation.report(later, order.run, Outcome::Done)?;
    }

    stored.extend(remediation.take_entries());
    let head = verify(Head::default(), &stored)?;
    println!("{} entries of audit, {}", head.next, head.digest);
    Ok(())
}
