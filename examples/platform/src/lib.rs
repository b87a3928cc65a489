//! The whole online loop in one process: collect, queue, process, store, query, visualise, alert,
//! explain. A reference service: it shows how the libraries go together, and is meant to be read.
//!
//! ```text
//! host.rs, scrape.rs, http/ingest.rs    samples and changes come in
//! http/signals.rs                       metrics, logs and spans of OTLP, InfluxDB's lines, log lines
//! ingest.rs                             they are on disk before the sender gets its answer
//! alerting.rs                           alerts and silences from elsewhere, as Alertmanager takes them
//! record.rs                             what lies in the queue
//! app.rs (Worker)                       takes them from the queue, one record after another
//! pipeline.rs                           store, detect, rules, incidents: no thread, no clock
//! activity.rs                           log lines and spans become series
//! watch.rs, watches.rs                  one series and its detector; all of them
//! explain.rs                            causes of an incident, before anyone is told of it
//! notify.rs                             webhooks, each in its own thread
//! http/query.rs, chart.rs, assets/      what people see
//! http/answers.rs, patience.rs          queries shared for a moment, and given up in time
//! outlook.rs                            what runs out
//! state.rs                              what survives a restart
//! replay.rs                             recorded data through the same pipeline
//! setup.rs                              from the configuration to the libraries' types
//! ```

pub mod activity;
pub mod alerting;
pub mod app;
pub mod args;
pub mod chart;
pub mod cli;
pub mod clock;
pub mod component;
pub mod config;
pub mod counters;
pub mod duration;
pub mod explain;
pub mod host;
pub mod http;
pub mod ingest;
pub mod notify;
pub mod outlook;
pub mod patience;
pub mod pipeline;
pub mod record;
pub mod replay;
pub mod scrape;
pub mod setup;
pub mod state;
pub mod watch;
pub mod watches;
