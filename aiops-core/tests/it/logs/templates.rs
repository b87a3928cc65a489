use aiops_core::ingest::Batch;
use aiops_core::logs::{TemplateId, TemplateMiner, TemplateMinerConfig};
use aiops_core::{AnyValue, LogRecord, Timestamp};
use proptest::prelude::*;

fn miner() -> TemplateMiner {
    TemplateMiner::try_from(TemplateMinerConfig::default()).unwrap()
}

/// The templates of the lines, once all were seen.
fn mined(lines: &[&str]) -> Vec<String> {
    let mut miner = miner();
    let ids: Vec<_> = lines.iter().map(|line| miner.observe(line)).collect();
    let text = |id: TemplateId| miner.template(id).unwrap().text();
    ids.into_iter().map(text).collect()
}

/// All lines have this template.
#[track_caller]
fn check(lines: &[&str], expected: &str) {
    for (line, found) in lines.iter().zip(mined(lines)) {
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn masks_what_varies() {
    check(&["took 12 ms"], "took <*> ms");
    check(&["took 12 ms", "took 3 s"], "took <*>");
    check(
        &["mem 0x7fff1c, flags 00ff3b2c, -1, +2.5e3, 99%"],
        "mem <*>, flags <*>, <*>, <*>, <*>",
    );
    check(
        &["from 10.0.0.1:8080 and fe80::1ff:fe23 to 00:11:43:e3:ba:c3"],
        "from <*> and <*> to <*>",
    );
    check(
        &["open /var/log/syslog at C:\\Windows\\winsxs\\a.dll"],
        "open <*> at <*>",
    );
    check(&["GET https://example.org/x?y=1"], "GET <*>=<*>");
    check(&["at db.eu.example.org: closed"], "at <*>: closed");
    check(
        &["mail to someone@example.org bounced"],
        "mail to <*> bounced",
    );
    check(
        &["job b9000564-fe1a-409b-b8cc-1e88b294cd1d done"],
        "job <*> done",
    );
    check(&["node-12 joined ring.7"], "node-<*> joined ring.<*>");
    check(
        &["estimated size 93.0 KB, free 2.4 MB"],
        "estimated size <*>, free <*>",
    );
    check(
        &[
            "403 bytes sent",
            "1821 bytes (1.77 KB) sent",
            "9 bytes sent",
        ],
        "<*> sent",
    );
    check(&["at Thu Aug 04 15:31:25 PDT 2005 again"], "at <*> again");
    check(&["core parity......0"], "core parity......<*>");
    check(&["enabled=true, owner null"], "enabled=<*>, owner <*>");
}

#[test]
fn names_and_words_stay() {
    check(
        &["interface eth0 uses ssh2 and md5"],
        "interface eth0 uses ssh2 and md5",
    );
    check(
        &["load/store on [preauth] {x} \"quoted text\""],
        "load/store on [preauth] {x} \"quoted text\"",
    );
    check(&["power.on, and so... on!"], "power.on, and so... on!");
    check(&["größe überschritten"], "größe überschritten");
    check(&["boot root=LABEL"], "boot root=LABEL");
}

#[test]
fn values_vary_once_a_second_one_is_seen() {
    check(&["tty=ssh user=x", "tty=ssh user=y"], "tty=ssh user=<*>");
    check(&["ret:on"], "ret:on");
    check(&["ret:on", "ret:off"], "ret:<*>");
    check(&["tag \"one\" set", "tag \"two\" set"], "tag \"<*>\" set");
    let one_empty = mined(&["logname= uid=0", "logname=x uid=0"]);
    assert_ne!(one_empty[0], one_empty[1]);
}

#[test]
fn lists_may_differ_in_length() {
    check(
        &["delete blk_11 blk_12 blk_13", "delete 14 15 blk_16 17"],
        "delete <*>",
    );
    check(&["fans 1 2 3 ok", "fans 4 5 6 ok"], "fans <*> <*> <*> ok");
}

#[test]
fn words_become_variable_by_their_number() {
    let users = ["oracle", "git", "ftp", "backup", "guest", "www"];
    let lines: Vec<String> = users
        .map(|user| format!("failed password for {user} again"))
        .into();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check(&lines, "failed password for <*> again");
    assert_eq!(mined(&lines[..5])[0], lines[0]); // five could still be five templates
    // Beside something variable, two are enough.
    check(
        &[
            "password for root from 1.2.3.4",
            "password for git from 1.2.3.4",
            "password for ftp from 1.2.3.4",
        ],
        "password for <*> from <*>",
    );
    let names: Vec<String> = (0..4).map(|i| format!("volume vol{i} is full")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    check(&names, "volume <*> is full");
    // Without context, never.
    let states = [
        "normal", "warning", "running", "critical", "blocked", "active", "closing",
    ];
    assert_eq!(mined(&states), states);
}

#[test]
fn joined_templates_lead_to_the_older_one() {
    let mut miner = miner();
    let ids: Vec<_> = (0..4)
        .map(|i| miner.observe(&format!("volume vol{i} is full")))
        .collect();
    assert_ne!(ids[0], ids[1]);
    for id in &ids {
        assert_eq!(miner.current(*id), ids[0]);
    }
    assert_eq!(miner.template(ids[2]).unwrap().count(), 4);
    assert_eq!(miner.templates().len(), 1);
    assert_eq!(miner.look_up("volume vol2 is full"), Some(ids[0]));
    assert_eq!(miner.parameters("volume vol2 is full"), ["vol2"]);
}

#[test]
fn templates_can_be_joined_by_hand() {
    let mut miner = miner();
    let short = miner.observe("link down");
    let long = miner.observe("link is down");
    assert!(miner.join(long, short));
    assert!(!miner.join(long, short));
    assert!(!miner.join(TemplateId(1), short));
    assert_eq!(miner.observe("link is down"), short);
    let template = miner.template(long).unwrap();
    assert_eq!(
        (template.text().as_str(), template.count()),
        ("link down", 3)
    );
}

#[test]
fn identities_do_not_depend_on_what_came_before() {
    let alone = miner().observe("disk 7 is full");
    let mut other = miner();
    other.observe("something else");
    assert_eq!(other.observe("disk 9 is full"), alone);
    assert_eq!(alone.to_string(), format!("{alone:?}"));
}

#[test]
fn spans_are_the_variable_parts() {
    let mut miner = miner();
    let mut spans = Vec::new();
    spans.push(0..1); // replaced
    let line = "user=alice took 12 ms from 10.0.0.1:80";
    miner.observe_into(line, &mut spans);
    let texts: Vec<_> = spans.iter().map(|span| &line[span.clone()]).collect();
    assert_eq!(texts, ["12", "10.0.0.1:80"]);
    miner.observe("user=bob took 1 s from 10.0.0.1:80");
    assert_eq!(miner.parameters(line), ["alice", "12 ms", "10.0.0.1:80"]);
    assert!(miner.parameters("never seen").is_empty());
}

#[test]
fn records_are_annotated_and_lines_counted() {
    let mut miner = miner();
    let mut record = LogRecord {
        body: AnyValue::from("disk 3 is full"),
        ..LogRecord::default()
    };
    miner.annotate(&mut record);
    let id = record.template.unwrap();
    let mut batch = Batch::default();
    let at = Timestamp::from_secs(60).unwrap();
    miner.counts("log_lines_total", at, &mut batch).unwrap();
    let series = batch.iter().next().unwrap();
    assert_eq!(
        series.labels.get("template"),
        Some(format!("{id:016x}").as_str())
    );
    assert_eq!((series.times, series.values), (&[at][..], &[1.0][..]));
    assert!(miner.counts("", at, &mut batch).is_err());
    record.body = AnyValue::Int(3);
    miner.annotate(&mut record);
    assert_eq!(record.template, None);
}

#[test]
fn degenerate_messages() {
    check(&["", " ", "\t\n"], "");
    check(&["17", "4.5"], "<*>");
    check(&["==="], "===");
    check(&["a", "a"], "a");
    check(&["'"], "'");
    check(&["\"\"\"", "\"\"\""], "\"\"\"");
    let long = "word ".repeat(10_000);
    assert!(mined(&[&long])[0].len() < 5_000);
}

#[track_caller]
fn check_refused(change: impl Fn(&mut TemplateMinerConfig), name: &str) {
    let mut config = TemplateMinerConfig::default();
    change(&mut config);
    let error = TemplateMiner::try_from(config).unwrap_err();
    assert_eq!(error.name(), name);
}

#[test]
fn parameters_are_checked() {
    check_refused(|c| c.capacity = 15, "capacity");
    check_refused(|c| c.max_message_bytes = 63, "max_message_bytes");
    check_refused(|c| c.max_words = 7, "max_words");
    check_refused(|c| c.names = 1, "names");
    check_refused(|c| c.words = 1, "words");
    check_refused(|c| c.words_beside_variable = 0, "words_beside_variable");
    check_refused(|c| c.min_context = 0, "min_context");
    let mut least = TemplateMinerConfig::default();
    (least.capacity, least.max_message_bytes, least.max_words) = (16, 64, 8);
    (least.names, least.words) = (2, 2);
    (least.words_beside_variable, least.min_context) = (1, 1);
    assert!(TemplateMiner::try_from(least).is_ok());
}

fn small() -> TemplateMiner {
    let mut config = TemplateMinerConfig::default();
    config.capacity = 16;
    TemplateMiner::try_from(config).unwrap()
}

#[test]
fn memory_is_bounded_and_the_frequent_stays() {
    let mut miner = small();
    let frequent = miner.observe("the disk is full");
    let mut size = 0;
    for round in 0..5_000 {
        let word = |n: usize| ["red", "green", "blue", "black", "white", "grey", "pink"][n % 7];
        let (a, b, c) = (word(round), word(round / 7), word(round / 49));
        miner.observe(&format!("{a} then {b} or {c} {}", "x".repeat(round % 60)));
        assert_eq!(miner.observe("the disk is full"), frequent);
        size = size.max(miner.size_bytes());
    }
    assert!(miner.templates().len() <= 16);
    assert!(size < 200_000, "{size}");
}

/// Lines of few words in many combinations, so that shapes meet again.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let word = "[abc]|[ab][0-9]{1,2}|x=[ab]{1,2}|\\PC{0,3}|[-=:.,\"'()<>/\\\\ ]{1,2}|Mon|KB|ms|[0-9.]{1,4}|true";
    let line = prop::collection::vec(word, 0..7).prop_map(|words| words.join(" "));
    prop::collection::vec(line, 0..80)
}

proptest! {
    #[test]
    fn any_lines_keep_the_promises(lines in lines()) {
        for mut miner in [miner(), small()] {
            let mut total = 0;
            let mut spans = Vec::new();
            for line in &lines {
                let id = miner.observe_into(line, &mut spans);
                total += 1;
                prop_assert_eq!(miner.current(id), id);
                prop_assert_eq!(miner.template(id).unwrap().id(), id);
                prop_assert_eq!(miner.look_up(line), Some(id));
                let mut end = 0;
                for span in &spans {
                    prop_assert!(span.start >= end && span.end > span.start, "{:?}", spans);
                    prop_assert!(line.get(span.clone()).is_some());
                    end = span.end;
                }
            }
            let counted: u64 = miner.templates().iter().map(|template| template.count()).sum();
            prop_assert!(counted <= total);
            if miner.templates().len() < 16 && lines.len() < 16 {
                prop_assert_eq!(counted, total);
            }
        }
    }

    #[test]
    fn arbitrary_text_never_panics(line in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut miner = miner();
        miner.observe(&line);
        miner.observe(&String::from_utf8_lossy(&bytes));
    }
}

#[cfg(feature = "serde")]
mod stored {
    use aiops_core::numerics::Fnv1a64;
    use aiops_core::stored::{load, save};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A restart in the middle changes nothing.
        #[test]
        fn goes_on_where_it_was(before in lines(), after in lines()) {
            for mut miner in [miner(), small()] {
                for line in &before {
                    miner.observe(line);
                }
                let mut again: TemplateMiner = load(&save(&miner)).unwrap();
                for line in &after {
                    prop_assert_eq!(miner.observe(line), again.observe(line), "{}", line);
                }
                let texts = |miner: &TemplateMiner| -> Vec<_> {
                    miner.templates().iter().map(|t| (t.id(), t.count(), t.text())).collect()
                };
                prop_assert_eq!(texts(&miner), texts(&again));
            }
        }
    }

    #[test]
    fn the_first_format_stays_readable() {
        let bytes = include_bytes!("../golden/template-miner-1.json");
        let miner: TemplateMiner = load(bytes).unwrap();
        let line = "volume vol9 is full";
        let mut again = miner.clone();
        let id = again.observe(line);
        assert_eq!(again.template(id).unwrap().text(), "volume <*> is full");
        assert_eq!(miner.template(id).unwrap().count(), 5);
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let mut miner = miner();
        for disk in 0..5 {
            miner.observe(&format!("volume vol{disk} is full"));
        }
        let text = String::from_utf8(save(&miner)).unwrap();
        let payload = text.split_once("\"payload\":").unwrap().1;
        let payload = payload.strip_suffix('}').unwrap();
        let sealed = |payload: &str| {
            let mut hash = Fnv1a64::default();
            hash.write(payload.as_bytes());
            let checksum = hash.finish();
            format!(
                r#"{{"kind":"core.template-miner","format":1,"checksum":"{checksum:016x}","payload":{payload}}}"#
            )
        };
        assert!(load::<TemplateMiner>(sealed(payload).as_bytes()).is_ok());
        for (from, to) in [
            ("\"template\":0", "\"template\":7"),
            ("\"free\":[", "\"free\":[0,"),
            ("\"filed\":", "\"filed\":9"),
            ("\"capacity\":20000", "\"capacity\":4"),
        ] {
            assert!(payload.contains(from), "{from} is not in {payload}");
            let damaged = sealed(&payload.replacen(from, to, 1));
            let error = load::<TemplateMiner>(damaged.as_bytes()).unwrap_err();
            assert!(
                error.to_string().starts_with("bad payload"),
                "{from}: {error}"
            );
        }
    }
}
