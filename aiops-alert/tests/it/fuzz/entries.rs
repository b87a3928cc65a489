//! What is done with arbitrary bytes: by the fuzz targets in `fuzz/`, and by the tests with the
//! bytes that are kept there. Each function panics when something that must hold does not.

use aiops_alert::api::{Call, Change, Request, Server};
use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig};
use aiops_alert::expr::{Expression, SeriesSource};
use aiops_alert::files::{alertmanager, prometheus};
use aiops_alert::payload::JsonTemplate;
use aiops_alert::remediation::Remediation;
use aiops_alert::rule::{RuleSet, SignalRules};
use aiops_alert::template::Template;
use aiops_core::ingest::Limits;
use aiops_core::stored::{LoadError, StoredModel, load, save};
use aiops_core::{Alert, Labels, Sample, Selector, Timestamp};

/// A name, and what is done with the bytes under it.
pub(crate) type Entry = (&'static str, fn(&[u8]));

/// Every entry; the name is that of the fuzz target and of the folder of its seeds.
pub(crate) const ENTRIES: [Entry; 9] = [
    ("rule_file", rule_file),
    ("alertmanager_file", alertmanager_file),
    ("promql", promql),
    ("template", template),
    ("alert_api", api),
    ("alert_engine", engine),
    ("signal_rules", signal_rules),
    ("rule_set", rule_set),
    ("remediation", remediation),
];

const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds).expect("in range")
}

fn labels() -> Labels {
    let pairs = [
        ("__name__", "m"),
        ("job", "a"),
        ("severity", "page"),
        ("alertname", "A"),
    ];
    Labels::of(pairs).expect("labels")
}

/// Two series with a gap and a value that is none.
struct Some2;

impl SeriesSource for Some2 {
    fn range(
        &self,
        selector: &Selector,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<(Labels, Vec<Sample>)> {
        let series = ["a", "b"].into_iter().map(|job| labels().with("job", job));
        let series = series.filter(|labels| selector.matches(labels));
        let samples = (0..20).filter(|index| *index != 7).map(|index| {
            let value = if index == 3 {
                f64::NAN
            } else {
                f64::from(index) * 1.5
            };
            Sample::new(at(i64::from(index) * 30 - 600), value)
        });
        let inside: Vec<Sample> = samples
            .filter(|sample| from < sample.time && sample.time <= to)
            .collect();
        series.map(|labels| (labels, inside.clone())).collect()
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= 1 << 16)
}

fn rule_file(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    let lines = text.lines().count() as u64 + 1;
    if let Err(error) = prometheus::parse(text) {
        assert!(
            error.line() <= lines,
            "line {} of {lines}: {error}",
            error.line()
        );
    }
}

fn alertmanager_file(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    match alertmanager::parse(text) {
        Err(error) => {
            let lines = text.lines().count() as u64 + 1;
            assert!(
                error.line() <= lines,
                "line {} of {lines}: {error}",
                error.line()
            );
        }
        Ok(file) => drive(AlertEngine::try_from(file.engine).ok()),
    }
}

fn promql(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    match text.parse::<Expression>() {
        Err(error) => assert!(error.position() <= text.len(), "{error}"),
        Ok(expression) if text.len() < 200 => {
            let once = expression.evaluate(&Some2, NOW);
            let again = expression.evaluate(&Some2, NOW);
            assert_eq!(format!("{once:?}"), format!("{again:?}"));
        }
        Ok(_) => {}
    }
}

fn template(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    match text.parse::<Template>() {
        Err(error) => assert!(error.position() <= text.len(), "{error}"),
        Ok(template) => {
            for value in [0.0, -1.5e300, f64::NAN, f64::INFINITY] {
                template.render(&labels(), value);
            }
        }
    }
    let _ = text.parse::<JsonTemplate>(); // an error or none, but no panic
}

/// The first byte chooses the request.
fn api(bytes: &[u8]) {
    let Some((&kind, rest)) = bytes.split_first() else {
        return;
    };
    let mut engine = AlertEngine::try_from(EngineConfig::default()).expect("the default");
    engine.receive(NOW, Alert::new(labels(), NOW));
    let query = std::str::from_utf8(rest).unwrap_or_default();
    let (method, path) = match kind {
        b'a' => ("POST", "/api/v2/alerts".to_owned()),
        b's' => ("POST", "/api/v2/silences".to_owned()),
        b'd' => ("DELETE", format!("/api/v2/silence/{query}")),
        b'g' => ("GET", "/api/v2/alerts/groups".to_owned()),
        b'l' => ("GET", "/api/v2/silences".to_owned()),
        _ => ("GET", "/api/v2/alerts".to_owned()),
    };
    let request = Request {
        method,
        path: &path,
        query: if method == "GET" { query } else { "" },
        body: rest,
    };
    let mut limits = Limits::default();
    limits.max_body_bytes = 1 << 20;
    let answer = match Call::read(&request, NOW, &limits) {
        Err(refused) => {
            assert!((400..500).contains(&refused.status), "{}", refused.status);
            refused
        }
        Ok(Call::Question(question)) => question.answer(NOW, &engine, &Server::default()),
        Ok(Call::Change(change)) => {
            let stored = serde_json::to_vec(&change).expect("it can be stored");
            let read: Change = serde_json::from_slice(&stored).expect("just stored");
            assert_eq!(read, change);
            change.apply(NOW, &mut engine)
        }
    };
    if !answer.body.is_empty() {
        let read: Result<serde_json::Value, _> = serde_json::from_str(&answer.body);
        assert!(read.is_ok(), "no JSON: {}", answer.body);
    }
    drive(Some(engine));
}

/// Lets an engine work for a while: nothing it was told may make it stumble.
fn drive(engine: Option<AlertEngine>) {
    let Some(mut engine) = engine else {
        return;
    };
    engine.receive(NOW, Alert::new(labels(), NOW));
    for minute in 0..4 {
        let now = at(60 * minute);
        for notification in engine.tick(now) {
            engine.report_delivery(now, &notification.key, Delivery::Delivered);
        }
    }
    engine.explain(&labels());
}

/// Loads a payload as if it had been stored: with the checksum that it has.
fn unseal<M: StoredModel>(payload: &[u8]) -> Option<M> {
    let payload = text(payload)?;
    let seal = |checksum: &str| {
        format!(
            "{{\"kind\":\"{}\",\"format\":{},\"checksum\":\"{checksum}\",\"payload\":{payload}}}",
            M::KIND,
            M::FORMAT
        )
    };
    match load::<M>(seal("?").as_bytes()) {
        Err(LoadError::Checksum { found, .. }) => load(seal(&found).as_bytes()).ok(),
        _ => None,
    }
}

/// What was loaded can be stored and loaded again, and is the same.
fn again<M: StoredModel>(model: &M) {
    let stored = save(model);
    let loaded: M = load(&stored).expect("just stored");
    assert_eq!(stored, save(&loaded), "it is not the same after loading");
}

fn engine(bytes: &[u8]) {
    if let Some(engine) = unseal::<AlertEngine>(bytes) {
        drive(Some(engine));
    }
}

fn signal_rules(bytes: &[u8]) {
    if let Some(mut rules) = unseal::<SignalRules>(bytes) {
        rules.observe_sample(&labels(), Sample::new(NOW, 1.0));
        rules.evaluate(NOW);
        again(&rules);
    }
}

fn rule_set(bytes: &[u8]) {
    if let Some(mut rules) = unseal::<RuleSet>(bytes) {
        rules.observe_sample(&labels(), Sample::new(NOW, 1.0));
        rules.tick(NOW);
        again(&rules);
    }
}

fn remediation(bytes: &[u8]) {
    if let Some(mut guard) = unseal::<Remediation>(bytes) {
        guard.tick(NOW);
        guard.orders();
        again(&guard);
    }
}
