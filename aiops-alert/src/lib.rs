//! Alert rules, grouping and incidents as a pure state machine: who is told what, and when?
//!
//! ```
//! use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig};
//! use aiops_alert::rule::{Condition, Rule, RuleConfig, RuleSet};
//! use aiops_alert::webhook;
//! use aiops_core::{Labels, Sample, Selector, Timestamp};
//! use std::time::Duration;
//!
//! let condition = Condition::Above { limit: 90.0, resolve: Some(80.0) };
//! let busy = RuleConfig::new("Busy", Selector::metric("cpu_percent"), condition);
//! let mut rules = RuleSet::new([Rule::try_from(busy)?]);
//! let mut config = EngineConfig::default();
//! config.group_by = vec!["host".into()];
//! config.group_wait = Duration::from_secs(2);
//! let mut engine = AlertEngine::try_from(config)?;
//!
//! let cpu = Labels::of([("__name__", "cpu_percent"), ("host", "web-1")])?;
//! let mut bodies = Vec::new();
//! for second in 0..10 {
//!     let now = Timestamp::from_secs(second).unwrap();
//!     rules.observe_sample(&cpu, Sample::new(now, 97.0));
//!     for alert in rules.tick(now) {
//!         engine.receive(now, alert);
//!     }
//!     for notification in engine.tick(now) {
//!         let incident = engine.incident(notification.incident);
//!         bodies.push(webhook::payload(&notification, incident, "").to_string());
//!         engine.report_delivery(now, &notification.key, Delivery::Delivered);
//!     }
//! }
//! assert_eq!(bodies.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where this sits
//!
//! ```text
//! Sample, Verdict -> rule::RuleSet        pending, firing, resolved
//! Alert           -> engine::AlertEngine  routed, grouped, muted, one incident
//! Notification    -> webhook, payload     what is sent; by the program, not here
//! Delivery        -> engine::AlertEngine  what became of it: tried again, or done
//! Incident        -> report, availability what happened, and how well services do
//! ```
//!
//! # Which part?
//!
//! | question | part |
//! |---|---|
//! | is something wrong? | [`rule`]: threshold, anomaly, absence, change, forecast, burn rate and combinations; [`expr`]: Prometheus's query language |
//! | who is told, and when? | [`engine`]: routes, groups, silences, inhibition, [time intervals](interval) |
//! | what belongs together? | [`correlate`]: by time, topology, labels and what fired together before |
//! | why was this told, or not? | [`AlertEngine::explain`](engine::AlertEngine::explain), [`Ledger`](engine::Ledger) |
//! | what if the program is killed? | `engine::journal` (feature `serde`) |
//! | what if the configuration were another one? | [`replay`] |
//! | what does it look like at the receiver? | [`webhook`], [`payload`] |
//! | what do Alertmanager's clients ask? | `api` (feature `api`) |
//! | what happened? | [`report`], [`availability`] |
//! | what may be done about it? | [`remediation`] |
//!
//! Rules read samples and verdicts of any detector; this crate knows none of them.
//!
//! # Missing values
//!
//! A missing value (`NaN`) leaves a condition as it was; a staleness marker and five minutes of
//! silence end it. [`RuleSet`](rule::RuleSet) has the table.
//!
//! # Crate features
//!
//! - `serde`: `Serialize` and `Deserialize` for configurations, and stored rule sets and engines.
//! - `files`: Prometheus's rule files and Alertmanager's configuration, with line numbers (adds a
//!   YAML reader).
//! - `api`: Alertmanager's API, version 2, as questions and changes.
//! - `email`: e-mail as MIME (adds a MIME writer).
//! - `time-zones`: time intervals by the clocks of the time zone database, which is built in.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "api")]
pub mod api;
pub mod availability;
pub mod correlate;
mod duration;
pub mod engine;
pub mod expr;
#[cfg(feature = "files")]
pub mod files;
mod html;
pub mod interval;
mod json;
pub mod payload;
pub mod remediation;
pub mod replay;
pub mod report;
pub mod rule;
pub mod template;
#[cfg(feature = "serde")]
mod text;
pub mod webhook;
