//! What is known, how completely, from where and since when.
//!
//! A list that may have holes is not a list: "not in it" would read as "does
//! not exist". So a part of a snapshot is [`Knowledge`], and only two complete
//! parts have a set difference.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a part comes from, for what it speaks, and when it was observed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Provenance {
    /// The source, such as `kubectl`, `aws-cli` or `kube-apiserver`.
    pub source: String,
    /// What the part speaks for, such as `cluster:2f1c…` or `111122223333/us-east-1`.
    pub scope: String,
    /// When it was observed; `None` when nobody can say, as with plain files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<DateTime<Utc>>,
    /// How far the history of the source had come then, where it counts: the
    /// resource version of a Kubernetes list. It never falls, unless the source
    /// was restored from an older copy. `None` when the source does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl Provenance {
    /// A part from `source` that speaks for `scope`, of unknown age.
    pub fn new(source: impl Into<String>, scope: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            scope: scope.into(),
            observed_at: None,
            revision: None,
        }
    }

    /// The same, observed at `at`.
    #[must_use]
    pub const fn observed_at(mut self, at: DateTime<Utc>) -> Self {
        self.observed_at = Some(at);
        self
    }

    /// The same, of that point in the history of the source.
    #[must_use]
    pub const fn at_revision(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }
}

/// Why a part is incomplete or absent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gap {
    /// Nobody asked for it.
    #[default]
    NotCollected,
    /// It came from a file, and nobody stated that the file is complete.
    CompletenessNotStated,
    /// A page or an object could not be read.
    Broken {
        /// How many objects, files or pages.
        count: u64,
        /// The first failure in words.
        first: String,
    },
    /// The caller may not read it.
    Denied {
        /// The permission that is missing.
        permission: String,
    },
    /// Only some namespaces, zones or pages were read.
    OutOfScope {
        /// What was left out.
        what: String,
    },
    /// The source did not answer.
    Unavailable {
        /// The failure in words.
        error: String,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCollected => f.write_str("not collected"),
            Self::CompletenessNotStated => f.write_str("nobody stated that it is complete"),
            Self::Broken { count, first } => write!(f, "{count} unreadable, first: {first}"),
            Self::Denied { permission } => write!(f, "not permitted: {permission}"),
            Self::OutOfScope { what } => write!(f, "left out: {what}"),
            Self::Unavailable { error } => write!(f, "unavailable: {error}"),
        }
    }
}

/// A value with what is known about its completeness.
///
/// `Partial` and `Unknown` are absorbing: they can stop an act, and never
/// justify one.
///
/// ```
/// use cloudoptim_core::knowledge::{Knowledge, Provenance};
///
/// let instances = Knowledge::complete(vec!["i-1", "i-2"], Provenance::new("aws-cli", "a/us-east-1"));
/// let part = Knowledge::<Vec<&str>>::default();
/// assert!(instances.is_complete());
/// assert_eq!(part.to_string(), "unknown: not collected");
/// assert!(part.items().is_empty() && !part.is_complete());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Knowledge<T> {
    /// Everything in the scope of the provenance.
    Complete {
        /// All of it.
        value: T,
        /// Where it comes from, and what it is complete for.
        provenance: Provenance,
    },
    /// Some of it: what is here exists, what is absent may exist as well.
    Partial {
        /// What was read.
        value: T,
        /// Why it may have holes.
        gap: Gap,
        /// Where it comes from.
        provenance: Provenance,
    },
    /// Nothing.
    Unknown {
        /// Why.
        gap: Gap,
    },
}

impl<T> Default for Knowledge<T> {
    fn default() -> Self {
        Self::Unknown {
            gap: Gap::NotCollected,
        }
    }
}

impl<T> Knowledge<T> {
    /// All of it.
    pub const fn complete(value: T, provenance: Provenance) -> Self {
        Self::Complete { value, provenance }
    }

    /// Some of it.
    pub const fn partial(value: T, gap: Gap, provenance: Provenance) -> Self {
        Self::Partial {
            value,
            gap,
            provenance,
        }
    }

    /// None of it.
    pub const fn unknown(gap: Gap) -> Self {
        Self::Unknown { gap }
    }

    /// Whether absence from the value proves absence in its scope.
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// What was read, complete or not.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Complete { value, .. } | Self::Partial { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// What was read, to be changed in place.
    pub const fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Complete { value, .. } | Self::Partial { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// Where it comes from.
    pub const fn provenance(&self) -> Option<&Provenance> {
        match self {
            Self::Complete { provenance, .. } | Self::Partial { provenance, .. } => {
                Some(provenance)
            }
            Self::Unknown { .. } => None,
        }
    }

    /// Why it is not complete; `None` when it is.
    pub const fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Complete { .. } => None,
            Self::Partial { gap, .. } | Self::Unknown { gap } => Some(gap),
        }
    }

    /// The same knowledge about something made from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Knowledge<U> {
        match self {
            Self::Complete { value, provenance } => Knowledge::complete(f(value), provenance),
            Self::Partial {
                value,
                gap,
                provenance,
            } => Knowledge::partial(f(value), gap, provenance),
            Self::Unknown { gap } => Knowledge::unknown(gap),
        }
    }

    /// The same value, no longer complete.
    #[must_use]
    pub fn demoted(self, why: Gap) -> Self {
        match self {
            Self::Complete { value, provenance } => Self::partial(value, why, provenance),
            other => other,
        }
    }
}

impl<T> Knowledge<Vec<T>> {
    /// The items that were read: none when unknown. For what exists, never for
    /// what does not.
    pub fn items(&self) -> &[T] {
        self.value().map_or(&[], Vec::as_slice)
    }

    /// The items of `self` whose key `other` does not have.
    ///
    /// # Errors
    /// [`NotComparable`] unless both are complete and speak for the same scope.
    pub fn missing_from<'a, U, K: Ord>(
        &'a self,
        other: &Knowledge<Vec<U>>,
        key: impl Fn(&T) -> K,
        other_key: impl Fn(&U) -> K,
    ) -> Result<Vec<&'a T>, NotComparable> {
        match (self, other) {
            (
                Self::Complete { value, provenance },
                Knowledge::Complete {
                    value: others,
                    provenance: theirs,
                },
            ) => {
                if provenance.scope != theirs.scope {
                    return Err(NotComparable::ScopesDiffer {
                        left: provenance.scope.clone(),
                        right: theirs.scope.clone(),
                    });
                }
                let known: std::collections::BTreeSet<K> = others.iter().map(other_key).collect();
                Ok(value
                    .iter()
                    .filter(|item| !known.contains(&key(item)))
                    .collect())
            }
            _ => {
                let gap = self
                    .gap()
                    .or_else(|| other.gap())
                    .cloned()
                    .unwrap_or_default();
                Err(NotComparable::Incomplete { gap })
            }
        }
    }
}

/// Why two parts have no set difference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotComparable {
    /// One of them may have holes.
    #[error("a part is incomplete: {gap}")]
    Incomplete {
        /// Its gap.
        gap: Gap,
    },
    /// They speak for different scopes.
    #[error("the scopes differ: {left} and {right}")]
    ScopesDiffer {
        /// The scope of the first.
        left: String,
        /// The scope of the second.
        right: String,
    },
}

impl<T> fmt::Display for Knowledge<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete { provenance, .. } => write!(f, "complete for {}", provenance.scope),
            Self::Partial { gap, .. } => write!(f, "partial: {gap}"),
            Self::Unknown { gap } => write!(f, "unknown: {gap}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(items: &[u8], scope: &str) -> Knowledge<Vec<u8>> {
        Knowledge::complete(items.to_vec(), Provenance::new("test", scope))
    }

    #[test]
    fn only_two_complete_parts_of_one_scope_have_a_difference() {
        let left = complete(&[1, 2, 3], "s");
        let right = complete(&[2], "s");
        let diff = left.missing_from(&right, |x| *x, |x| *x);
        assert_eq!(diff, Ok(vec![&1, &3]));
        assert!(matches!(
            left.missing_from(&complete(&[2], "t"), |x| *x, |x| *x),
            Err(NotComparable::ScopesDiffer { .. })
        ));
        let holes = right.demoted(Gap::CompletenessNotStated);
        assert_eq!(
            left.missing_from(&holes, |x| *x, |x| *x),
            Err(NotComparable::Incomplete {
                gap: Gap::CompletenessNotStated
            })
        );
    }
}
