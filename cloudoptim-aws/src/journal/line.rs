//! One record a line: `<checksum> <length> <json>` and a line feed.
//!
//! The checksum is of the JSON and of the checksum of the line before.

use cloudoptim_core::journal::{Entry, JournalError};
use cloudoptim_core::plan::Scope;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};

/// Format of the lines and of the first one.
const FORMAT: u32 = 1;

const NAME: &str = "cloudoptim";

/// Of SHA-256. It is against accidents: who can write to the file can write a right one.
const SUM_DIGITS: usize = 16;

/// A checksum: hexadecimal digits; none before the first line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sum(String);

impl Sum {
    fn of(json: &[u8], before: &Self) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(before.0.as_bytes());
        hasher.update(json);
        let mut digits = String::with_capacity(64);
        for byte in hasher.finalize() {
            let _ = write!(digits, "{byte:02x}");
        }
        digits.truncate(SUM_DIGITS);
        Self(digits)
    }
}

/// The first record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    journal: String,
    format: u32,
    pub(super) id: String,
    scope: Scope,
}

impl Header {
    pub(super) fn new(scope: Scope) -> Self {
        // Seeded by the system, so no two journals are called the same.
        let part = || RandomState::new().hash_one(NAME);
        Self {
            journal: NAME.to_owned(),
            format: FORMAT,
            id: format!("{:016x}{:016x}", part(), part()),
            scope,
        }
    }

    /// Refuses a journal of another scope: what it counts is not what is acted on.
    pub(super) fn is_for(&self, scope: &Scope) -> Result<(), JournalError> {
        if self.scope == *scope {
            Ok(())
        } else {
            Err(JournalError::Read(format!(
                "it is of {}, and not of {}",
                shown(&self.scope),
                shown(scope)
            )))
        }
    }
}

fn shown(scope: &Scope) -> String {
    let clouds = scope.clouds.iter().map(|(a, r)| format!("{a}/{r}"));
    let clusters = scope.clusters.iter().map(|c| format!("cluster {c}"));
    let all: Vec<_> = clouds.chain(clusters).collect();
    if all.is_empty() {
        "no scope".to_owned()
    } else {
        all.join(", ")
    }
}

/// The line of `json`, and its checksum.
pub(super) fn write(json: &str, before: &Sum) -> (String, Sum) {
    let sum = Sum::of(json.as_bytes(), before);
    (format!("{} {} {json}\n", sum.0, json.len()), sum)
}

/// What some bytes hold.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) header: Option<Header>,
    pub(super) entries: Vec<Entry>,
    /// Where the last whole line ends. What follows is torn.
    pub(super) end: u64,
    /// All bytes.
    pub(super) length: u64,
    pub(super) last: Sum,
}

/// Reads all lines.
pub(super) fn scan(bytes: &[u8]) -> Result<Found, JournalError> {
    let mut found = Found {
        header: None,
        entries: Vec::new(),
        end: 0,
        length: position(bytes.len()),
        last: Sum::default(),
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let (json, after, sum) = match line(rest, &found.last) {
            Ok(line) => line,
            Err(_) if is_torn(rest) => break,
            Err(what) => return Err(damaged(found.end, what)),
        };
        let unknown = |error: serde_json::Error| damaged(found.end, &error.to_string());
        if found.header.is_none() {
            found.header = Some(header(json).map_err(|what| damaged(found.end, &what))?);
        } else {
            found
                .entries
                .push(serde_json::from_slice(json).map_err(unknown)?);
        }
        found.end += position(rest.len() - after.len());
        found.last = sum;
        rest = after;
    }
    Ok(found)
}

fn position(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn damaged(at: u64, what: &str) -> JournalError {
    JournalError::Read(format!("at byte {at}: {what}"))
}

fn header(json: &[u8]) -> Result<Header, String> {
    #[derive(Deserialize)]
    struct Format {
        journal: String,
        format: u32,
    }
    let no_journal = "it does not begin like a journal";
    let format: Format = serde_json::from_slice(json).map_err(|e| format!("{no_journal}: {e}"))?;
    match format {
        Format { journal, .. } if journal != NAME => Err(no_journal.to_owned()),
        Format { format, .. } if format != FORMAT => Err(format!(
            "journal format {format} is not known here, only {FORMAT} is"
        )),
        _ => serde_json::from_slice(json).map_err(|e| e.to_string()),
    }
}

/// The JSON of the first line, what follows it, and its checksum.
fn line<'a>(bytes: &'a [u8], before: &Sum) -> Result<(&'a [u8], &'a [u8], Sum), &'static str> {
    let (frame, json) = frame(bytes).ok_or("no checksum and length begin here")?;
    let (json, after) = json
        .split_at_checked(frame.length)
        .ok_or("the line is shorter than it says")?;
    let after = after
        .strip_prefix(b"\n")
        .ok_or("the line is longer than it says")?;
    let sum = Sum::of(json, before);
    if frame.sum != sum.0.as_bytes() {
        return Err("the checksum is wrong: the line is damaged, or one before it is missing");
    }
    Ok((json, after, sum))
}

struct Frame<'a> {
    sum: &'a [u8],
    length: usize,
}

fn frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (sum, rest) = bytes.split_at_checked(SUM_DIGITS)?;
    let rest = rest.strip_prefix(b" ")?;
    let digits = rest.iter().position(|byte| *byte == b' ')?;
    let (length, rest) = rest.split_at_checked(digits)?;
    let length = std::str::from_utf8(length).ok()?.parse().ok()?;
    Some((Frame { sum, length }, rest.strip_prefix(b" ")?))
}

/// Whether the bytes can be what a power failure leaves of one line: its
/// beginning, or all of it with blocks that were never written, which read as
/// zeros. A whole line that is wrong is not: it may have been acted upon.
fn is_torn(rest: &[u8]) -> bool {
    let has_zeros = rest.contains(&0);
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(at) => has_zeros && at + 1 == rest.len(),
        None => {
            let is_whole = frame(rest).is_some_and(|(frame, json)| json.len() > frame.length);
            has_zeros || !is_whole
        }
    }
}
