//! Case tables: text that a person can review.
//!
//! ```text
//! # What the case shows, in English.
//! decide grace_days=7 now=2025-11-24T16:00Z
//! vol-1 unattached=2025-11-17T16:00Z
//! ----
//! delete vol-1 saves=$0.64/mo grace_elapsed
//! ```
//!
//! Cases are separated by empty lines. With `CLOUDOPTIM_UPDATE_CASES=1` the
//! expected part is rewritten; review the difference before it is committed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// One line: words, and `key=value` pairs. A value may be quoted with `"`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) words: Vec<String>,
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Line {
    pub(crate) fn parse(text: &str) -> Self {
        let mut line = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        let mut token = String::new();
        let mut quoted = false;
        let mut tokens = Vec::new();
        for c in text.chars() {
            match c {
                '"' => quoted = !quoted,
                c if c.is_whitespace() && !quoted => {
                    if !token.is_empty() {
                        tokens.push(std::mem::take(&mut token));
                    }
                }
                c => token.push(c),
            }
        }
        if !token.is_empty() {
            tokens.push(token);
        }
        for token in tokens {
            match token.split_once('=') {
                Some((key, value)) => {
                    let old = line.pairs.insert(key.to_owned(), value.to_owned());
                    assert!(old.is_none(), "{key} stands twice in: {text}");
                }
                None => line.words.push(token),
            }
        }
        line
    }

    /// The word at `index`, or a failure that shows the line.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.words
            .get(index)
            .unwrap_or_else(|| panic!("word {index} is missing in: {}", self.text))
    }

    /// A value, where it is given.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.pairs.get(key).map(String::as_str)
    }

    /// A flag: a word beyond the first two.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }
}

/// Runs every case of `testdata/<file>`: `run` gets the header and the input
/// lines and gives the lines that stand below `----`.
pub(crate) fn run_cases(file: &str, run: impl Fn(&Line, &[Line]) -> Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/testdata")
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
    let update = std::env::var_os("CLOUDOPTIM_UPDATE_CASES").is_some();
    let mut rewritten = String::new();
    let mut failures = String::new();
    let mut count = 0;
    for block in text.split("\n\n").map(str::trim).filter(|b| !b.is_empty()) {
        let (comments, rest): (Vec<&str>, Vec<&str>) =
            block.lines().partition(|l| l.starts_with('#'));
        if rest.is_empty() {
            let _ = write!(rewritten, "{block}\n\n");
            continue;
        }
        count += 1;
        assert!(
            !comments.is_empty(),
            "{file}: a case without a sentence:\n{block}"
        );
        let split = rest.iter().position(|l| *l == "----");
        assert!(split.is_some() || update, "{file}: no ---- in:\n{block}");
        let split = split.unwrap_or(rest.len());
        let lines: Vec<Line> = rest[..split].iter().map(|l| Line::parse(l)).collect();
        let expected: Vec<&str> = rest.get(split + 1..).unwrap_or_default().to_vec();
        let (header, inputs) = lines
            .split_first()
            .unwrap_or_else(|| panic!("{file}: {block}"));
        let got = run(header, inputs);
        if got != expected {
            let _ = writeln!(failures, "{}\n  got:\n{}\n", block, got.join("\n"));
        }
        let _ = write!(
            rewritten,
            "{}\n{}\n----\n{}\n\n",
            comments.join("\n"),
            rest[..split].join("\n"),
            got.join("\n")
        );
    }
    assert!(count > 0, "{file} has no case");
    if update {
        std::fs::write(&path, rewritten.trim_end().to_owned() + "\n")
            .unwrap_or_else(|e| panic!("{file}: {e}"));
    } else {
        assert!(failures.is_empty(), "{file}:\n{failures}");
    }
}

/// Fails when a reason code of an engine never occurs in its case tables.
pub(crate) fn assert_every_code_occurs(codes: &[&str], files: &[&str]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/testdata");
    let text: String = files
        .iter()
        .map(|f| std::fs::read_to_string(dir.join(f)).unwrap_or_else(|e| panic!("{f}: {e}")))
        .collect();
    let expected: String = text
        .split("\n\n")
        .filter_map(|block| block.split_once("----").map(|(_, after)| after))
        .collect();
    let said: std::collections::BTreeSet<&str> = expected
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let silent: Vec<_> = codes.iter().filter(|code| !said.contains(**code)).collect();
    assert!(silent.is_empty(), "no case gives these reasons: {silent:?}");
}
