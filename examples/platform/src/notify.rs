//! Sends notifications to webhooks, each in a thread of its own, so that one that is slow or away
//! does not hold up another. When to try again is decided by the alert engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aiops_alert::engine::Delivery;

use crate::config::Webhook;

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for which a receiver may ask to be left alone.
const MAX_REST: Duration = Duration::from_hours(1);

/// A notification on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The same for every attempt at the same notification; sent as `Idempotency-Key`.
    pub key: String,
    /// Which of the configured webhooks gets it.
    pub webhook: usize,
    /// Whether it says that an incident is over.
    pub resolved: bool,
    /// Alertmanager's webhook payload, version 4.
    pub body: String,
    /// One line for the log.
    pub summary: String,
}

/// The threads that send.
#[derive(Debug, Default)]
pub struct Notifier {
    lanes: Vec<(Sender<Outgoing>, JoinHandle<()>)>,
    stopping: Arc<AtomicBool>,
}

impl Notifier {
    /// Starts one thread for each webhook. `report` is told what became of each attempt. Once
    /// `stopping` is set, nothing more is tried.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    pub fn start(
        webhooks: &[Webhook],
        stopping: &Arc<AtomicBool>,
        report: &(impl Fn(&Outgoing, Delivery) + Clone + Send + 'static),
    ) -> std::io::Result<Self> {
        let mut lanes = Vec::with_capacity(webhooks.len());
        for (number, webhook) in webhooks.iter().enumerate() {
            let (sender, incoming) = channel();
            let (webhook, report, stopping) = (webhook.clone(), report.clone(), stopping.clone());
            let thread = std::thread::Builder::new()
                .name(format!("webhook-{number}"))
                .spawn(move || run(&webhook, &incoming, &stopping, &report))?;
            lanes.push((sender, thread));
        }
        Ok(Self {
            lanes,
            stopping: stopping.clone(),
        })
    }

    /// Hands over what is to be sent. Where no webhook is configured, there is nobody to tell.
    pub fn send(&self, outgoing: Outgoing) {
        let Some((lane, _)) = self.lanes.get(outgoing.webhook) else {
            return;
        };
        if lane.send(outgoing).is_err() {
            tracing::error!("the thread of a webhook has ended");
        }
    }

    /// Waits for what is being sent, but no longer than `patience`; answers whether all ended.
    pub fn finish(self, patience: Duration) -> bool {
        self.stopping.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + patience;
        let (senders, threads): (Vec<_>, Vec<_>) = self.lanes.into_iter().unzip();
        drop(senders);
        while !threads.iter().all(JoinHandle::is_finished) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

fn run(
    webhook: &Webhook,
    incoming: &Receiver<Outgoing>,
    stopping: &AtomicBool,
    report: &impl Fn(&Outgoing, Delivery),
) {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .build();
    let agent: ureq::Agent = config.into();
    while let Ok(outgoing) = incoming.recv() {
        if stopping.load(Ordering::SeqCst) {
            return; // the engine does not hear of it, and sends it again after the next start
        }
        let delivery = post(&agent, webhook, &outgoing).unwrap_or_else(|(failed, why)| {
            tracing::warn!(key = outgoing.key, why, "webhook failed");
            failed
        });
        report(&outgoing, delivery);
    }
}

/// On failure also says why. The address is not part of the text, since addresses of webhooks hold
/// secrets.
fn post(
    agent: &ureq::Agent,
    webhook: &Webhook,
    outgoing: &Outgoing,
) -> Result<Delivery, (Delivery, String)> {
    let mut request = agent
        .post(webhook.url.expose())
        .header("content-type", "application/json")
        .header("idempotency-key", &outgoing.key);
    if let Some(token) = &webhook.token {
        request = request.header("authorization", format!("Bearer {}", token.expose()));
    }
    let response = request.send(&outgoing.body).map_err(|error| {
        let why = error.to_string().replace(webhook.url.expose(), "(address)");
        (Delivery::failed(true), why)
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(Delivery::Delivered);
    }
    let after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(|secs| Duration::from_secs(secs).min(MAX_REST));
    let retry = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    let why = format!("the receiver answered {status}");
    Err((Delivery::Failed { retry, after }, why))
}
