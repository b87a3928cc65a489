//! Sessions of log lines: what all detectors of sessions must do, and blocks of a distributed file
//! system with faults of known kinds.

use aiops_core::logs::{TemplateId, TemplateMiner, TemplateMinerConfig};
use aiops_core::{DataError, FitError};
use aiops_detect::logs::counts::{CountVectors, CountVectorsConfig};
use aiops_detect::logs::invariants::{Invariants, InvariantsConfig, Relation};
use aiops_detect::logs::sequence::{NextTemplate, NextTemplateConfig};
use aiops_detect::logs::{FittedSessionDetector, SessionDetector};
use aiops_detect::metrics::auroc;

use crate::support::noise;

type Session = Vec<TemplateId>;

fn ids(numbers: &[u64]) -> Session {
    numbers.iter().map(|&number| TemplateId(number)).collect()
}

fn counts() -> CountVectors {
    CountVectors::try_from(CountVectorsConfig::default()).unwrap()
}

fn invariants() -> Invariants {
    Invariants::try_from(InvariantsConfig::default()).unwrap()
}

fn sequence() -> NextTemplate {
    NextTemplate::try_from(NextTemplateConfig::default()).unwrap()
}

/// A number from 0 to `below`, repeatable.
fn draw(state: &mut usize, below: usize) -> usize {
    *state += 1;
    ((noise(*state) + 0.5) * below as f64) as usize
}

/// What can go wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// One copy is never reported as stored.
    NotStored,
    /// A copy is received, but its responder does not end.
    Hangs,
    /// An exception while the block is served.
    Exception,
    /// Deleted before it was ever stored.
    Order,
    /// A line that no block had.
    Unknown,
}

const FAULTS: [Fault; 5] = [
    Fault::NotStored,
    Fault::Hangs,
    Fault::Exception,
    Fault::Order,
    Fault::Unknown,
];

/// The lines of a block with three copies, in the wording of the Hadoop file system, as its name
/// node and data nodes write them: copies interleave, some blocks are read, some deleted.
fn block(number: usize, fault: Fault, state: &mut usize) -> Vec<String> {
    let name = format!("blk_{}", 1_000_003 * (number + 7));
    let node = |copy: usize| format!("10.251.{}.{}:50010", copy + 1, number % 200 + 1);
    let mut lines = vec![format!(
        "BLOCK* NameSystem.allocateBlock: /user/root/rand/_temporary/part-{number}. {name}"
    )];
    for copy in 0..3 {
        let (from, to) = (node(copy), node(copy + 1));
        lines.push(format!("Receiving block {name} src: /{from} dest: /{to}"));
    }
    let mut tails: Vec<Vec<String>> = (0..3)
        .map(|copy| {
            let (at, id) = (node(copy), copy);
            vec![
                format!("Received block {name} of size 67108864 from /10.251.{copy}.9"),
                format!("PacketResponder {id} for block {name} terminating"),
                format!(
                    "BLOCK* NameSystem.addStoredBlock: blockMap updated: {at} is added to {name} size 67108864"
                ),
            ]
        })
        .collect();
    match fault {
        Fault::NotStored => drop(tails[1].remove(2)),
        Fault::Hangs => drop(tails[2].remove(1)),
        _ => {}
    }
    while tails.iter().any(|tail| !tail.is_empty()) {
        let copy = draw(state, 3);
        if !tails[copy].is_empty() {
            lines.push(tails[copy].remove(0));
        }
    }
    let deletion: Vec<_> = (0..3)
        .map(|copy| {
            let at = node(copy);
            format!("BLOCK* NameSystem.delete: {name} is added to invalidSet of {at}")
        })
        .collect();
    if fault == Fault::Order {
        lines.splice(2..2, deletion);
    } else {
        for _ in 0..draw(state, 3) {
            lines.push(format!("{} Served block {name} to /10.250.7.244", node(0)));
        }
        if number.is_multiple_of(3) {
            lines.extend(deletion);
            for _ in 0..3 {
                lines.push(format!(
                    "Deleting block {name} file /mnt/hadoop/dfs/data/current/{name}"
                ));
            }
        }
    }
    match fault {
        Fault::Exception => lines.push(format!(
            "{}:Got exception while serving {name} to /10.251.43.21:",
            node(0)
        )),
        Fault::Unknown => lines.push(format!("Unexpected error trying to delete block {name}.")),
        _ => {}
    }
    lines
}

/// Usual blocks to learn from, one in 200 with an exception as in the field; and 600 more, of which
/// 100 have a fault.
struct Blocks {
    train: Vec<Session>,
    test: Vec<Session>,
    faults: Vec<Fault>,
}

fn blocks() -> Blocks {
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default()).unwrap();
    let mut state = 0;
    let mut made = Vec::new();
    let fault_of = |number: usize| match number {
        _ if number < 2_000 && number % 200 == 100 => Fault::Exception,
        _ if number >= 2_000 && number.is_multiple_of(6) => FAULTS[number / 6 % 5],
        _ => Fault::None,
    };
    for number in 0..2_600 {
        let lines = block(number, fault_of(number), &mut state);
        let ids: Session = lines.iter().map(|line| miner.observe(line)).collect();
        made.push(ids);
    }
    for session in &mut made {
        for template in session {
            *template = miner.current(*template);
        }
    }
    let test = made.split_off(2_000);
    Blocks {
        train: made,
        test,
        faults: (2_000..2_600).map(fault_of).collect(),
    }
}

/// Area under the curve of the usual test blocks against those with `fault`.
fn found(blocks: &Blocks, model: &dyn FittedSessionDetector, fault: Fault) -> f64 {
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for (session, &own) in blocks.test.iter().zip(&blocks.faults) {
        if own == Fault::None || own == fault {
            scores.push(model.score(session));
            labels.push(own == fault);
        }
    }
    auroc(&labels, &scores).unwrap()
}

#[test]
fn faults_of_blocks_are_found_by_those_that_can() {
    let blocks = blocks();
    let by_counts = counts().fit(&blocks.train).unwrap();
    let by_invariants = invariants().fit(&blocks.train).unwrap();
    let by_sequence = sequence().fit(&blocks.train).unwrap();
    let all: [(&str, &dyn FittedSessionDetector); 3] = [
        ("counts", &by_counts),
        ("invariants", &by_invariants),
        ("sequence", &by_sequence),
    ];
    let reach = [
        // counts, invariants, sequence
        (Fault::NotStored, [0.99, 0.99, 0.5]),
        (Fault::Hangs, [0.99, 0.99, 0.5]),
        (Fault::Exception, [0.99, 0.0, 0.95]),
        (Fault::Order, [0.8, 0.99, 0.99]),
        (Fault::Unknown, [0.99, 0.0, 0.99]),
    ];
    for (fault, least) in reach {
        for ((name, model), least) in all.iter().zip(least) {
            let area = found(&blocks, *model, fault);
            println!("{fault:?} by {name}: {area:.3}");
            assert!(area >= least, "{fault:?} by {name}: {area}");
        }
    }
}

#[test]
fn relations_are_found_in_words() {
    let blocks = blocks();
    let model = invariants().fit(&blocks.train).unwrap();
    let fixed = model
        .invariants()
        .iter()
        .filter(|one| matches!(one.relation, Relation::Fixed(..)))
        .count();
    assert!(
        fixed >= 5,
        "allocated, received, responded, stored: {model:?}"
    );
    // Marked for deletion as often as deleted, among the blocks that were.
    let ratio = |one: &&aiops_detect::logs::invariants::Invariant| {
        matches!(one.relation, Relation::Ratio { a: 1, b: 1, .. }) && one.sessions < 2_000
    };
    let deleted = model.invariants().iter().find(ratio).unwrap();
    assert!((600..700).contains(&deleted.sessions), "{deleted:?}");
    let Relation::Ratio { first, .. } = deleted.relation else {
        unreachable!("filtered")
    };
    let mut session = blocks.train[0].clone();
    session.push(first);
    assert_eq!(model.broken(&session)[0].relation.templates().len(), 2);
    assert!(model.explain(&session).iter().any(|(id, _)| *id == first));
}

#[test]
fn a_sum_of_two_is_found() {
    // Requests are answered or refused; both vary.
    let sessions: Vec<Session> = (0..200_usize)
        .map(|index| {
            let (answered, refused) = (index % 5, index / 5 % 3);
            [
                vec![TemplateId(1); answered + refused],
                vec![TemplateId(2); answered],
                vec![TemplateId(3); refused],
            ]
            .concat()
        })
        .collect();
    let model = invariants().fit(&sessions).unwrap();
    let relations: Vec<_> = model.invariants().iter().map(|one| one.relation).collect();
    let sum = Relation::Sum(TemplateId(1), [TemplateId(2), TemplateId(3)]);
    assert_eq!(relations, [sum]);
    assert_eq!(model.score(&ids(&[1, 1, 2, 3])), 0.0);
    assert!(model.score(&ids(&[1, 1, 2])) > 2.0);
    assert_eq!(
        sum.to_string(),
        "0000000000000001 = 0000000000000002 + 0000000000000003"
    );
}

#[test]
fn the_probability_of_the_next_line_follows_the_formula() {
    let mut model = sequence().empty();
    model.learn(&ids(&[1, 2]));
    model.learn(&ids(&[1, 3]));
    let expected = model.expected(&ids(&[1]), 10);
    // Lines and ends: 1, 1, 2, 3, end, end; 4 kinds. After 1: 2, 3. After start, 1: 2, 3.
    let base = |own: f64| (own + 0.8) / 10.0;
    let one = |own: f64, shorter: f64| (own + 2.0 * shorter) / 4.0;
    let after = |own: f64, all: f64| one(own, one(own, base(all)));
    let of = |id| expected.iter().find(|(one, _)| *one == id).unwrap().1;
    let template = |id| Some(TemplateId(id));
    for (id, probability) in [
        (template(2), after(1.0, 1.0)),
        (template(3), after(1.0, 1.0)),
        (template(1), after(0.0, 2.0)),
        (None, after(0.0, 2.0)),
    ] {
        assert!((of(id) - probability).abs() < 1e-15, "{id:?}");
    }
    let sum: f64 = expected.iter().map(|(_, probability)| probability).sum();
    let new = one(0.0, one(0.0, base(0.0)));
    assert!(
        (sum + new - 1.0).abs() < 1e-12,
        "one kind more is reckoned with"
    );
    let steps = model.steps(&ids(&[1, 4]));
    assert!((steps[1].score + new.log10()).abs() < 1e-12);
}

#[test]
fn continuations_are_bounded_and_the_frequent_ones_stay() {
    let config = |capacity| {
        let mut config = NextTemplateConfig::default();
        config.capacity = capacity;
        config
    };
    let mut model = NextTemplate::try_from(config(200)).unwrap().empty();
    for index in 0..5_000 {
        model.learn(&ids(&[1, 2, 3]));
        model.learn(&ids(&[1_000 + index]));
        assert!(model.size_bytes() < 60_000, "{}", model.size_bytes());
    }
    assert!(model.halvings() > 10);
    assert!(model.score(&ids(&[1, 2, 3])) < 0.5);
    assert!(model.score(&ids(&[1, 3])) > 2.0);
}

/// Sessions that break careless arithmetic.
fn degenerate() -> Vec<(&'static str, Vec<Session>)> {
    vec![
        ("two sessions", vec![ids(&[1]), ids(&[2])]),
        ("all empty", vec![Session::new(); 30]),
        ("all equal", vec![ids(&[1, 2, 2, 3]); 30]),
        (
            "one template",
            (1..40).map(|n| vec![TemplateId(7); n]).collect(),
        ),
        ("a long one", vec![vec![TemplateId(1); 100_000], ids(&[1])]),
        (
            "each its own",
            (0..90).map(|n| ids(&[n, n + 10_000])).collect(),
        ),
        ("ends of the range", vec![ids(&[0, u64::MAX]); 25]),
    ]
}

fn holds_up<D: SessionDetector>(detector: &D)
where
    D::Model: PartialEq + std::fmt::Debug,
{
    let Err(FitError::Data(DataError::TooShort { found: 0, .. })) = detector.fit(&[]) else {
        panic!("nothing cannot be learned from");
    };
    for (name, sessions) in degenerate() {
        let model = detector.fit(&sessions).unwrap();
        let asked = [
            Session::new(),
            ids(&[1]),
            ids(&[424_242]),
            vec![TemplateId(424_242); 1_000_000],
            sessions[0].clone(),
        ];
        for session in &asked {
            let score = model.score(session);
            assert!(score.is_finite() && score >= 0.0, "{name}: {score}");
            for (_, part) in model.explain(session) {
                assert!(part.is_finite() && part > 0.0, "{name}: {part}");
            }
        }
        assert_eq!(model, detector.fit(&sessions).unwrap(), "{name}");
    }
    // What is usual is not odder than what is not.
    let blocks = blocks();
    let model = detector.fit(&blocks.train).unwrap();
    let mut torn = blocks.train[0].clone();
    torn.truncate(5);
    assert!(model.score(&torn) > model.score(&blocks.train[0]));
    assert!(!model.explain(&torn).is_empty());
}

#[test]
fn all_hold_up() {
    holds_up(&counts());
    holds_up(&invariants());
    holds_up(&sequence());
}

#[test]
fn counts_and_invariants_do_not_care_for_order() {
    let blocks = blocks();
    let mut reversed = blocks.train.clone();
    for session in &mut reversed {
        session.reverse();
    }
    assert_eq!(
        counts().fit(&blocks.train).unwrap(),
        counts().fit(&reversed).unwrap()
    );
    assert_eq!(
        invariants().fit(&blocks.train).unwrap(),
        invariants().fit(&reversed).unwrap()
    );
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let refused = |error: aiops_core::ParamError, name| assert_eq!(error.name(), name);
    for templates in [0, 2_049] {
        let mut config = CountVectorsConfig::default();
        config.templates = templates;
        refused(CountVectors::try_from(config).unwrap_err(), "templates");
    }
    let with = |change: fn(&mut InvariantsConfig)| {
        let mut config = InvariantsConfig::default();
        change(&mut config);
        Invariants::try_from(config)
    };
    refused(with(|c| c.templates = 257).unwrap_err(), "templates");
    refused(with(|c| c.support = 0.5).unwrap_err(), "support");
    refused(with(|c| c.support = f64::NAN).unwrap_err(), "support");
    refused(with(|c| c.support = 1.01).unwrap_err(), "support");
    refused(with(|c| c.sessions = 1).unwrap_err(), "sessions");
    assert!(with(|c| (c.templates, c.support, c.sessions) = (256, 1.0, 2)).is_ok());
    for (order, capacity, name) in [(0, 16, "order"), (9, 16, "order"), (1, 15, "capacity")] {
        let mut config = NextTemplateConfig::default();
        (config.order, config.capacity) = (order, capacity);
        refused(NextTemplate::try_from(config).unwrap_err(), name);
    }
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_the_same() {
    use crate::support::released;
    use aiops_core::stored::{StoredModel, load, save};

    fn check<M: FittedSessionDetector + StoredModel>(name: &str, model: &M, blocks: &Blocks) {
        let again: M = load(&save(model)).unwrap();
        let kept: M = released(name, model);
        for session in &blocks.test[..50] {
            let score = model.score(session);
            assert_eq!(again.score(session).to_bits(), score.to_bits(), "{name}");
            let close = (kept.score(session) - score).abs() <= 1e-9 * score.max(1.0);
            assert!(close, "{name}: {} {score}", kept.score(session));
        }
    }
    let mut blocks = blocks();
    blocks.train.truncate(300);
    check(
        "count-vectors-1.json",
        &counts().fit(&blocks.train).unwrap(),
        &blocks,
    );
    check(
        "log-invariants-1.json",
        &invariants().fit(&blocks.train).unwrap(),
        &blocks,
    );
    check(
        "next-template-1.json",
        &sequence().fit(&blocks.train).unwrap(),
        &blocks,
    );
}

#[cfg(feature = "serde")]
#[test]
fn damaged_models_are_refused() {
    use crate::streaming::refuses;

    let sessions = vec![ids(&[1, 2, 2]); 30];
    let model = counts().fit(&sessions).unwrap();
    refuses(&model, "0000000000000001 ", "0000000000000003 ");
    refuses(&model, "0000000000000001 ", "");
    let model = invariants().fit(&sessions).unwrap();
    refuses(&model, r#""broken":0"#, r#""broken":31"#);
    refuses(&model, r#""numbers":[1]"#, r#""numbers":[]"#);
    refuses(&model, r#""numbers":[1]"#, r#""numbers":[0]"#);
    let model = sequence().fit(&sessions).unwrap();
    refuses(&model, r#""counts":[30"#, r#""counts":[0"#);
    refuses(
        &model,
        r#""counts":[30"#,
        r#""counts":[18446744073709551615,30"#,
    );
    refuses(&model, r#""capacity":100000"#, r#""capacity":16,"order":3"#);
    refuses(
        &model,
        r#""before":"start""#,
        r#""before":"start start start""#,
    );
}
