//! What ghosts and zombies share: grace by observation, caps and suspicion.

use crate::decision::MissingEvidence;
use crate::knowledge::Knowledge;
use crate::ledger::Observed;
use crate::model::{Cluster, ExpectedCluster, Labels, Snapshot};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

/// What a ledger says about a state that holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grace {
    /// The grace is over.
    Over {
        since: DateTime<Utc>,
        observations: u32,
    },
    /// It is not; it can be from `possible_from` on.
    Within {
        since: DateTime<Utc>,
        observations: u32,
        possible_from: DateTime<Utc>,
    },
    /// A hole breaks the row: it starts anew now.
    Gap {
        minutes: u64,
        possible_from: DateTime<Utc>,
    },
    /// This is the first observation.
    First { possible_from: DateTime<Utc> },
}

/// What a grace takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) grace: TimeDelta,
    pub(crate) min_observations: u32,
    pub(crate) max_gap_minutes: u32,
}

impl Terms {
    /// Judges a row of observations; the state holds at `now` as well.
    /// `not_before` is a moment before which the state cannot have held.
    pub(crate) fn judge(
        &self,
        row: Option<&Observed>,
        now: DateTime<Utc>,
        not_before: Option<DateTime<Utc>>,
    ) -> Grace {
        let fresh = later(now, self.grace);
        let Some(row) = row else {
            return Grace::First {
                possible_from: fresh,
            };
        };
        // A row from the future or turned round proves nothing.
        if row.first_at > row.last_at || row.last_at > now || row.count == 0 {
            return Grace::First {
                possible_from: fresh,
            };
        }
        let since_last = (now - row.last_at).num_seconds().unsigned_abs();
        let gap = row.longest_gap_seconds.max(since_last) / 60;
        if gap > u64::from(self.max_gap_minutes) {
            return Grace::Gap {
                minutes: gap,
                possible_from: fresh,
            };
        }
        let since = not_before.map_or(row.first_at, |at| row.first_at.max(at));
        // Now is an observation too, unless the ledger has it already.
        let observations = row.count.saturating_add(u32::from(row.last_at < now));
        if now - since >= self.grace && observations >= self.min_observations {
            Grace::Over {
                since,
                observations,
            }
        } else {
            Grace::Within {
                since,
                observations,
                possible_from: later(since, self.grace).max(now),
            }
        }
    }
}

fn later(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

impl Grace {
    /// The missing evidence; none when the grace is over.
    pub(crate) fn missing(&self, ledger: &str) -> Vec<MissingEvidence> {
        match self {
            Self::Over { .. } => Vec::new(),
            Self::Within { possible_from, .. }
            | Self::Gap { possible_from, .. }
            | Self::First { possible_from } => vec![MissingEvidence::Ledger {
                ledger: ledger.to_owned(),
                possible_from: *possible_from,
            }],
        }
    }
}

/// The evidence that a part lacks; none when it is complete.
pub(crate) fn part<T>(
    what: impl Into<String>,
    knowledge: &Knowledge<T>,
) -> Option<MissingEvidence> {
    (!knowledge.is_complete()).then(|| MissingEvidence::Part {
        part: what.into(),
        state: knowledge.to_string(),
    })
}

/// What a reader calls a cluster: its name, else its uid.
pub(crate) fn cluster_name(cluster: &Cluster) -> &str {
    if cluster.name.is_empty() {
        cluster.uid.as_str()
    } else {
        &cluster.name
    }
}

/// What is missing before "no cluster knows this" can be said: the list of
/// clusters that exist, complete and not empty, and each of them.
pub(crate) fn missing_clusters(snapshot: &Snapshot) -> Vec<MissingEvidence> {
    let mut missing: Vec<_> = part("expected clusters", &snapshot.expected_clusters)
        .into_iter()
        .collect();
    let expected = snapshot.expected_clusters.items();
    if missing.is_empty() && expected.is_empty() {
        missing.push(MissingEvidence::Part {
            part: "expected clusters".to_owned(),
            state: "complete and empty, which proves nothing".to_owned(),
        });
    }
    let is = |e: &ExpectedCluster, c: &Cluster| match &e.uid {
        Some(uid) => *uid == c.uid,
        None => !e.name.is_empty() && e.name == c.name,
    };
    for absent in expected
        .iter()
        .filter(|e| !snapshot.clusters.iter().any(|c| is(e, c)))
    {
        missing.push(MissingEvidence::Part {
            part: format!("cluster {}", absent.name),
            state: "expected and not in the snapshot".to_owned(),
        });
    }
    missing
}

/// `percent` of a population, rounded down, but one of three and more.
pub(crate) fn share(population: u64, percent: u32) -> u64 {
    let share = population.saturating_mul(u64::from(percent)) / 100;
    share.max(u64::from(population >= 3 && percent > 0))
}

/// The first tag, in key order, that protects its resource: a key of `keys`
/// (without case) whose value does not say no.
pub(crate) fn protecting_tag<'a>(tags: &'a Labels, keys: &BTreeSet<String>) -> Option<&'a str> {
    tags.iter()
        .find(|(key, value)| {
            keys.iter().any(|k| k.eq_ignore_ascii_case(key))
                && !["false", "no", "0"]
                    .iter()
                    .any(|no| value.trim().eq_ignore_ascii_case(no))
        })
        .map(|(key, _)| key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    const TERMS: Terms = Terms {
        grace: TimeDelta::hours(24),
        min_observations: 3,
        max_gap_minutes: 360,
    };

    fn row(first: i64, last: i64, count: u32, gap_minutes: u64) -> Observed {
        Observed {
            first_at: at(first),
            last_at: at(last),
            count,
            longest_gap_seconds: gap_minutes * 60,
        }
    }

    #[test]
    fn a_grace_counts_observed_time_without_holes() {
        let over = TERMS.judge(Some(&row(0, 22, 5, 300)), at(24), None);
        assert!(matches!(
            over,
            Grace::Over {
                observations: 6,
                ..
            }
        ));
        let hole = TERMS.judge(Some(&row(0, 22, 5, 361)), at(24), None);
        assert!(matches!(hole, Grace::Gap { minutes: 361, .. }));
        let lately = TERMS.judge(Some(&row(0, 17, 5, 300)), at(24), None);
        assert!(matches!(lately, Grace::Gap { minutes: 420, .. }));
        let short = TERMS.judge(Some(&row(1, 22, 5, 300)), at(24), None);
        assert!(matches!(short, Grace::Within { possible_from, .. } if possible_from == at(25)));
        let few = TERMS.judge(Some(&row(0, 24, 2, 1)), at(24), None);
        assert!(matches!(
            few,
            Grace::Within {
                observations: 2,
                ..
            }
        ));
        let restarted = TERMS.judge(Some(&row(0, 22, 5, 300)), at(24), Some(at(3)));
        assert!(matches!(restarted, Grace::Within { since, .. } if since == at(3)));
        let future = TERMS.judge(Some(&row(0, 30, 9, 1)), at(24), None);
        assert!(matches!(future, Grace::First { .. }));
        assert!(
            matches!(TERMS.judge(None, at(24), None), Grace::First { possible_from } if possible_from == at(48))
        );
    }

    #[test]
    fn a_share_is_rounded_down_and_one_of_three() {
        assert_eq!(
            [share(2, 5), share(3, 5), share(39, 5), share(40, 5)],
            [0, 1, 1, 2]
        );
        assert_eq!(share(100, 0), 0);
    }

    #[test]
    fn a_tag_that_says_no_protects_nothing() {
        let tags = Labels::from([("Keep".into(), "false".into()), ("keep".into(), "x".into())]);
        let keys = BTreeSet::from(["KEEP".to_owned()]);
        assert_eq!(protecting_tag(&tags, &keys), Some("keep"));
    }
}
