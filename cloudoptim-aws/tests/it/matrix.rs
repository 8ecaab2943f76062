//! The table of faults: whole, true to the tests that it names, and the same
//! as the page that is made of it.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Rows by their first letter.
const PARTS: [(char, &str, usize); 9] = [
    ('A', "Knowledge and snapshots", 21),
    ('B', "The AWS API", 21),
    ('C', "The Kubernetes API", 27),
    ('D', "Queues and events", 21),
    ('E', "Crashes, journal, concurrency", 18),
    ('F', "Time", 5),
    ('G', "Identity, rights, settings", 8),
    ('H', "Engines", 12),
    ('I', "Hostile input", 11),
];

const HEAD: &str = "\
# What can go wrong

What must happen in each case, and the test that shows it. A row without a test
names the part that will bring it. Made from `tests/faults.toml` by
`UPDATE_FAULTS=1 cargo test -p cloudoptim-aws --test it matrix`.
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    fault: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    fault: String,
    must: String,
    #[serde(default)]
    tests: Vec<String>,
    owner: Option<String>,
    note: Option<String>,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(here("tests/faults.toml")).unwrap();
    let table: Table = toml::from_str(&text).unwrap();
    table.fault
}

/// Names of the functions of a file that are tests: the attribute stands above
/// the name, with nothing but other attributes and comments between.
fn tests_of(source: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "))
        {
            if is_test && let Some((name, _)) = rest.split_once('(') {
                found.insert(name);
            }
            is_test = false;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            is_test = false;
        }
    }
    found
}

#[test]
fn every_fault_has_a_row_and_every_row_a_test_or_an_owner() {
    let rows = table();
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let expected: Vec<String> = PARTS
        .iter()
        .flat_map(|(letter, _, count)| (1..=*count).map(move |n| format!("{letter}{n:02}")))
        .collect();
    assert_eq!(ids, expected);
    for row in &rows {
        let owned = row.owner.is_some();
        assert!(
            owned == row.tests.is_empty(),
            "{}: a test or an owner",
            row.id
        );
        assert!(!row.fault.is_empty() && !row.must.is_empty(), "{}", row.id);
    }
}

#[test]
fn every_test_that_is_named_is_one() {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let rows = table();
    for row in &rows {
        for test in &row.tests {
            let (file, name) = test.split_once("::").unwrap();
            let source = files.entry(file).or_insert_with(|| {
                let path = here("..").join(file);
                std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {file}: {e}", row.id))
            });
            assert!(
                tests_of(source).contains(name),
                "{}: {name} is no test of {file}",
                row.id
            );
        }
    }
}

#[test]
fn a_function_that_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\n/// Shown.\n#[ignore]\nfn a() {}\nfn b() {}\n\
                  #[tokio::test(flavor = \"x\")]\nasync fn c() {}\n// #[test]\nfn d() {}\n";
    assert_eq!(tests_of(source), BTreeSet::from(["a", "c"]));
}

#[test]
fn the_page_is_that_of_the_table() {
    let rows = table();
    let shown = rows.iter().filter(|row| !row.tests.is_empty()).count();
    let mut page = format!("{HEAD}\n{shown} of {} are shown by tests.\n", rows.len());
    for (letter, title, _) in PARTS {
        write!(
            page,
            "\n## {letter}. {title}\n\n| | what | must | shown by |\n|---|---|---|---|\n"
        )
        .unwrap();
        for row in rows.iter().filter(|row| row.id.starts_with(letter)) {
            let tests = row.tests.iter().map(|test| {
                let (file, name) = test.split_once("::").unwrap();
                format!("[`{name}`](../{file})")
            });
            let owner = row.owner.iter().map(|owner| format!("*not yet: {owner}*"));
            let shown: Vec<String> = tests.chain(owner).chain(row.note.clone()).collect();
            let shown = shown.join("<br>");
            writeln!(
                page,
                "| {} | {} | {} | {shown} |",
                row.id, row.fault, row.must
            )
            .unwrap();
        }
    }
    let path = here("FAULTS.md");
    if std::env::var_os("UPDATE_FAULTS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == page,
        "FAULTS.md is old: UPDATE_FAULTS=1 writes it anew"
    );
}
