//! The program as a CI job runs it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod prometheus;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

fn gate(config: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_release-gate"))
        .arg("--config")
        .arg(config)
        .args(more)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// 240 rows of latency, failed and all requests.
fn write(folder: &Path, name: &str, latency: f64, failed: f64) {
    let mut rows = String::from("latency_ms,failed,requests\n");
    for i in 0..240_u32 {
        let noise = f64::from(i * 7_919 % 101) / 10.0;
        let hits = (failed + f64::from(i * 31 % 3) - 1.0).max(0.0);
        if i == 5 {
            rows.push_str(",,\n");
        } else {
            writeln!(rows, "{},{hits},1000", latency + noise).unwrap();
        }
    }
    std::fs::write(folder.join(format!("{name}.csv")), rows).unwrap();
}

const CONFIG: &str = r#"
[release]
alpha = 0.05

[source]
csv = "$side.csv"

[[metric]]
name = "latency"
query = "latency_ms"

[[metric]]
name = "failed requests"
kind = "ratios"
query = "failed"
of = "requests"
absolute_floor = 0.001
"#;

const SIDES: [&str; 4] = ["--baseline", "stable", "--candidate", "canary"];

#[test]
fn exit_codes_and_reports_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gate.toml");
    std::fs::write(&config, CONFIG).unwrap();
    write(folder.path(), "stable", 100.0, 3.0);
    for (latency, failed, code, said) in [
        (100.0, 3.0, 0, "pass\n"),
        (130.0, 3.0, 1, "fail\n"),
        (100.0, 9.0, 1, "fail\n"),
        (105.0, 3.0, 2, "inconclusive\n"),
    ] {
        write(folder.path(), "canary", latency, failed);
        let output = gate(&config, &SIDES);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{latency} {failed}: {out}{err}"
        );
        assert!(
            out.starts_with(said) && out.contains("failed requests"),
            "{out}"
        );
        assert_eq!(gate(&config, &SIDES).stdout, output.stdout);
    }
    let json = gate(&config, &[&SIDES[..], &["--json", "-"]].concat());
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["answer"], "inconclusive");
    assert_eq!(report["metrics"][0]["missing"], 2);
    let shift = report["metrics"][0]["findings"][0]["effect"]["estimate"].as_f64();
    assert!((shift.unwrap() - 5.0).abs() < 0.5, "{shift:?}");
    let plan = gate(&config, &[&SIDES[..], &["--plan"]].concat());
    let said = text(&plan.stdout);
    assert!(
        said.contains("latency: ") && said.contains(" trials on each side"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gate.toml");
    let check = |toml: &str, expected: &str| {
        std::fs::write(&config, toml).unwrap();
        let output = gate(&config, &SIDES);
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{said}, expected {expected}");
        assert_eq!(output.status.code(), Some(2));
    };
    check(CONFIG, "stable.csv");
    write(folder.path(), "stable", 1.0, 1.0);
    write(folder.path(), "canary", 1.0, 1.0);
    check(
        &CONFIG.replace("latency_ms", "nothing"),
        "no column `nothing`",
    );
    check(&CONFIG.replace("of = \"requests\"", ""), "ratios need `of`");
    check(
        &CONFIG.replace("alpha = 0.05", "alpha = 2.0"),
        "`alpha` must be between",
    );
    check(
        &CONFIG.replace("absolute_floor", "absolut_floor"),
        "absolut_floor",
    );
    check(
        &CONFIG.replace("csv =", "prometheus = \"http://127.0.0.1:1\"\ncsv ="),
        "one of",
    );
    let server = CONFIG.replace("csv = \"$side.csv\"", "prometheus = \"http://127.0.0.1:1\"");
    check(&server, "--start and --end");
    std::fs::write(
        folder.path().join("canary.csv"),
        "latency_ms,failed,requests\nslow,1,2\n",
    )
    .unwrap();
    check(CONFIG, "line 2: `slow` is no number");
    assert_eq!(
        gate(Path::new("/nowhere.toml"), &SIDES).status.code(),
        Some(2)
    );
    let help = gate(&config, &["--help"]);
    assert!(text(&help.stdout).contains("Exit codes"));
}
