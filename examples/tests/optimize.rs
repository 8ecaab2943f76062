//! The main job as a command-line user meets it.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The example that cargo built beside this test: `target/<profile>/examples`.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let name = format!("optimize{}", std::env::consts::EXE_SUFFIX);
        let binary = profile.join("examples").join(name);
        // `cargo test --test optimize` builds this file only.
        if !binary.is_file() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--example", "optimize"]);
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
            assert!(status.unwrap().success(), "cargo build --example optimize");
        }
        binary
    })
}

/// An empty directory of this test.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("optimize")
        .join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn run(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(args)
        .current_dir(directory)
        .env_remove("COLUMNS");
    command.stdin(Stdio::null()).output().unwrap()
}

/// Runs, expects this code, and gives what went to standard error.
fn fails(directory: &Path, args: &[&str], code: i32) -> String {
    let output = run(directory, args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?} printed something");
    assert!(
        !directory.join("optimize.json").exists(),
        "{args:?} wrote a plan"
    );
    error
}

struct Shop {
    json: String,
    html: String,
    table: String,
    plan: Value,
}

/// The sample cluster, run once for all tests.
fn shop() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(|| shop_in("shop"))
}

fn shop_in(name: &str) -> Shop {
    let directory = directory(name);
    let output = run(&directory, &["--out", "deeper/out"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    let out = directory.join("deeper/out");
    let json = fs::read_to_string(out.join("optimize.json")).unwrap();
    Shop {
        html: fs::read_to_string(out.join("optimize.html")).unwrap(),
        table: String::from_utf8(output.stdout).unwrap(),
        plan: serde_json::from_str(&json).unwrap(),
        json,
    }
}

#[test]
fn wrong_usage_exits_with_2_and_names_the_argument() {
    let here = directory("usage");
    for (args, says) in [
        (&["--fromat", "json"][..], "--fromat"),
        (&["--format", "yaml"], "--format: yaml"),
        (&["--taken-at", "yesterday"], "--taken-at: yesterday"),
        (&["--account", "12"], "--account: 12"),
        (&["--policy"], "--policy"),
        (&["--complete=yes"], "--complete"),
    ] {
        let error = fails(&here, args, 2);
        assert!(error.contains(says), "{args:?}: {error}");
        assert!(error.contains("--help"), "{args:?}: {error}");
    }
}

#[test]
fn help_prints_every_option_and_exits_with_0() {
    let output = run(&directory("help"), &["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "--taken-at",
        "--account",
        "--region",
        "--cluster",
        "--complete",
        "--policy",
        "--ledgers",
        "--overlay",
        "--prices",
        "--out",
        "--format",
        "--rules",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn what_cannot_be_read_exits_with_1_and_names_the_file() {
    let here = directory("unreadable");
    fs::write(
        here.join("broken.json"),
        "{\"kind\": \"List\", \"items\": [",
    )
    .unwrap();
    fs::write(here.join("notes.txt"), "no JSON").unwrap();
    fs::create_dir(here.join("empty")).unwrap();
    for (args, says) in [
        (&["absent.json"][..], "absent.json"),
        (&["broken.json"], "broken.json"),
        (&["notes.txt"], "notes.txt"),
        (&["empty"], "empty"),
        (&["-"], "standard input"),
        (&["--prices", "absent.csv"], "absent.csv"),
    ] {
        let error = fails(&here, args, 1);
        assert!(error.contains(says), "{args:?}: {error}");
    }
}

#[test]
fn a_mistake_in_settings_names_file_and_field() {
    let here = directory("settings");
    fs::write(
        here.join("policy.json"),
        r#"{"plan": {"valid_minutes": "long"}}"#,
    )
    .unwrap();
    let error = fails(&here, &["--policy", "policy.json"], 1);
    assert!(error.contains("policy.json: plan.valid_minutes"), "{error}");
    fs::write(here.join("ledgers.json"), r#"{"asleep": [{"replica": 1}]}"#).unwrap();
    let error = fails(&here, &["--ledgers", "ledgers.json"], 1);
    assert!(error.contains("ledgers.json: asleep[0]"), "{error}");
    assert!(error.contains("replica"), "{error}");
    let csv = "region,instance_type,usd_per_hour\nus-east-1,m6i.large,free\n";
    fs::write(here.join("prices.csv"), csv).unwrap();
    let error = fails(&here, &["--prices", "prices.csv"], 1);
    assert!(
        error.contains("prices.csv") && error.contains("usd_per_hour"),
        "{error}"
    );
}

#[test]
fn two_runs_give_the_same_bytes() {
    let again = shop_in("again");
    assert!(shop().json == again.json, "optimize.json differs");
    assert!(shop().html == again.html, "optimize.html differs");
    assert!(shop().table == again.table, "the table differs");
}

#[test]
fn the_sample_says_what_its_readme_says() {
    let totals = &shop().plan["totals"];
    assert_eq!(totals["nodes"], 45);
    assert_eq!(totals["unpriced_nodes"], 0);
    assert_eq!(shop().plan["made_at"], "2026-11-22T02:30:00Z");
    // 17.15 USD per hour by the README, with the spot prices of one day.
    let now = totals["nodes_per_hour"].as_i64().unwrap();
    assert!((17_100_000..17_200_000).contains(&now), "{now}");
}

#[test]
fn every_dollar_counts_once_and_no_plan_beats_its_bound() {
    let plan = &shop().plan;
    let money = |value: &Value| value.as_i64().unwrap();
    let all = money(&plan["totals"]["saves_per_month"]);
    let steps = plan["steps"].as_array().unwrap();
    let by_step: i64 = steps
        .iter()
        .filter_map(|s| s["saves_per_month"].as_i64())
        .sum();
    let engines = plan["engines"].as_array().unwrap();
    let by_engine: i64 = engines.iter().map(|e| money(&e["saves_per_month"])).sum();
    assert_eq!(all, by_step, "the steps' savings add up to the plan's");
    assert_eq!(all, by_engine, "the engines' savings add up to the plan's");
    assert_eq!(engines.len(), 8);
    let now = money(&plan["totals"]["nodes_per_hour"]);
    let after = money(&plan["totals"]["nodes_per_hour_after"]);
    assert!(0 < after && after <= now, "{after} of {now}");
    if let Some(bound) = plan["totals"]["lower_bound_per_hour"].as_i64() {
        assert!(bound <= after, "{bound} is no lower bound of {after}");
    }
}

#[test]
fn table_page_and_plan_agree() {
    let shop = shop();
    let saves = shop.plan["totals"]["saves_per_month"].as_i64().unwrap();
    let whole = (saves.unsigned_abs() + 500_000) / 1_000_000;
    let shown = match whole {
        1000.. => format!("${},{:03}", whole / 1000, whole % 1000),
        _ => format!("${whole}"),
    };
    for text in [&shop.table, &shop.html] {
        assert!(text.contains(&shown), "{shown}");
        assert!(text.contains("shop-prod"));
    }
    assert!(!shop.html.contains("<script"), "the page has no script");
    for id in ["optimum", "nodes", "frontier"] {
        assert!(shop.html.contains(&format!("<h2 id=\"{id}\"")), "{id}");
    }
    let manifest = env!("CARGO_MANIFEST_DIR");
    assert!(
        !shop.html.contains(manifest),
        "the page says where it was made"
    );
    for line in shop.table.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
    }
}

#[test]
fn own_files_are_read_and_unstated_completeness_stays_unknown() {
    let here = directory("own");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/shop/k8s");
    let nodes = sample.join("nodes.json.gz");
    let pods = sample.join("pods.json.gz");
    let args = [
        nodes.to_str().unwrap(),
        pods.to_str().unwrap(),
        "--region",
        "us-east-1",
        "--format",
        "json",
    ];
    let output = run(&here, &args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["totals"]["nodes"], 45);
    let deleted = |step: &&Value| {
        let act = step["action"]["act"].as_str().unwrap();
        [
            "remove_node",
            "terminate_instance",
            "delete_volume",
            "delete_node_object",
        ]
        .contains(&act)
    };
    let deletions = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(deleted)
        .count();
    assert_eq!(
        deletions, 0,
        "nothing goes while nobody says that the lists are whole"
    );
}

#[test]
fn standard_input_is_read_like_a_file() {
    let here = directory("stdin");
    let node = r#"{"kind":"Node","apiVersion":"v1","metadata":{"name":"n","uid":"u",
        "creationTimestamp":"2026-01-01T00:00:00Z"},"status":{"allocatable":{"cpu":"4"}}}"#;
    let mut child = Command::new(binary())
        .args(["-", "--format", "json"])
        .current_dir(&here)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), node.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["totals"]["nodes"], 1);
}
