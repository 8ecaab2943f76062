//! What was read, skipped and broken.

use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What was read, skipped and broken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LoadReport {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Files, in the order of reading.
    pub files: Vec<FileReport>,
    /// Objects read, by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Objects of kinds that no engine reads, by kind.
    pub skipped: BTreeMap<String, u64>,
    /// Fields that no engine reads, by the kind of the object that was read, at
    /// any depth: whatever one holds, it counts as one. An annotation that is
    /// not kept, and a field of which only the presence matters, count too.
    /// What stands around objects (the list's own fields, a reservation's) does
    /// not, nor do the fields of objects that were skipped or broken.
    pub skipped_fields: BTreeMap<String, u64>,
    /// Objects that could not be read; the first thousand.
    pub broken: Vec<Broken>,
    /// How many could not be read in all.
    pub broken_count: u64,
    /// Keys that stand twice in one object; the later one counts.
    pub duplicate_keys: u64,
    /// Objects that two files hold; the newer one counts.
    pub duplicate_objects: u64,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FileReport {
    /// Name as given.
    pub name: String,
    /// Bytes, decompressed.
    pub bytes: u64,
    /// What it holds, in words.
    pub holds: String,
    /// Why it was refused whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// An object that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Broken {
    /// File.
    pub file: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Field, as a path.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.kind)?;
        match (self.namespace.as_str(), self.name.as_str()) {
            ("", "") => f.write_str(": ")?,
            ("", name) => write!(f, " {name}: ")?,
            (namespace, name) => write!(f, " {namespace}/{name}: ")?,
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}
