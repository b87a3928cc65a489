//! Sends notifications to webhooks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::Webhook;

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A notification on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The same for every attempt at the same notification; sent as `Idempotency-Key`.
    pub key: String,
    /// Whether it says that an incident is over.
    pub resolved: bool,
    /// Alertmanager's webhook payload, version 4.
    pub body: String,
    /// One line for the log.
    pub summary: String,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Every receiver has it.
    Done,
    /// Some receiver does not; whether it is worth trying again soon.
    Failed {
        /// False when the receiver refused it (4xx).
        retry: bool,
    },
}

/// Sends to all webhooks, and remembers who has what, so that a second attempt reaches only those
/// that missed the first.
#[derive(Debug)]
pub struct Notifier {
    webhooks: Vec<Webhook>,
    agent: ureq::Agent,
    reached: BTreeMap<String, BTreeSet<usize>>,
}

impl Notifier {
    /// For these receivers.
    pub fn new(webhooks: Vec<Webhook>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build();
        Self {
            webhooks,
            agent: config.into(),
            reached: BTreeMap::new(),
        }
    }

    /// Sends `outgoing` to every receiver that does not have it yet. Blocks.
    pub fn send(&mut self, outgoing: &Outgoing) -> Delivery {
        let reached = self.reached.entry(outgoing.key.clone()).or_default();
        let mut failure = None;
        for (index, webhook) in self.webhooks.iter().enumerate() {
            if reached.contains(&index) || (outgoing.resolved && !webhook.send_resolved) {
                continue;
            }
            match post(&self.agent, webhook, outgoing) {
                Ok(()) => {
                    reached.insert(index);
                }
                Err((retry, why)) => {
                    tracing::warn!(webhook = index, retry, why, "webhook failed");
                    failure = Some(failure.unwrap_or(false) || retry);
                }
            }
        }
        match failure {
            None => {
                self.reached.remove(&outgoing.key);
                Delivery::Done
            }
            Some(retry) => Delivery::Failed { retry },
        }
    }
}

/// On failure: whether another attempt soon may help, and why it failed. The address is not part
/// of the text, since addresses of webhooks hold secrets.
fn post(agent: &ureq::Agent, webhook: &Webhook, outgoing: &Outgoing) -> Result<(), (bool, String)> {
    let mut request = agent
        .post(webhook.url.expose())
        .header("content-type", "application/json")
        .header("idempotency-key", &outgoing.key);
    if let Some(token) = &webhook.token {
        request = request.header("authorization", format!("Bearer {}", token.expose()));
    }
    match request.send(&outgoing.body) {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            let status = response.status();
            let retry = status.is_server_error() || status.as_u16() == 429;
            Err((retry, format!("the receiver answered {status}")))
        }
        Err(error) => Err((
            true,
            error.to_string().replace(webhook.url.expose(), "(address)"),
        )),
    }
}
