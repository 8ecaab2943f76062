//! Which selectors may select what has some labels, without asking all of them.

use crate::model::{LabelSelector, Labels, Operator};
use std::collections::BTreeMap;

/// Selectors by one label that each of them asks for: the one that fewest others
/// ask for.
#[derive(Debug, Clone, Default)]
pub(super) struct ByLabel {
    /// By key and value.
    keyed: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    /// Those that ask for no label of one value.
    rest: Vec<usize>,
}

impl ByLabel {
    /// Selectors in the order of their numbers; none selects nothing.
    pub(super) fn new<'s>(
        selectors: impl Iterator<Item = Option<&'s LabelSelector>> + Clone,
    ) -> Self {
        let mut asked: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for pair in selectors.clone().flatten().flat_map(pairs) {
            *asked.entry(pair).or_default() += 1;
        }
        let mut out = Self::default();
        for (at, selector) in selectors.enumerate() {
            let Some(selector) = selector else { continue };
            let rarest = pairs(selector).min_by_key(|pair| (asked.get(pair).copied(), *pair));
            match rarest {
                Some((key, value)) => {
                    let values = out.keyed.entry(key.to_owned()).or_default();
                    values.entry(value.to_owned()).or_default().push(at);
                }
                None => out.rest.push(at),
            }
        }
        out
    }

    /// Numbers of those that may select it, the lowest first. All others do not.
    pub(super) fn candidates(&self, labels: &Labels) -> Vec<usize> {
        let mut out = self.rest.clone();
        for (key, value) in labels {
            let values = self.keyed.get(key);
            out.extend(
                values
                    .and_then(|values| values.get(value))
                    .into_iter()
                    .flatten(),
            );
        }
        out.sort_unstable();
        out
    }

    /// Numbers of those that select it, the lowest first: the candidates of which
    /// `by` says so.
    pub(super) fn selecting(&self, labels: &Labels, by: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut candidates = self.candidates(labels);
        candidates.retain(|i| by(*i));
        candidates
    }
}

/// Labels that it asks for by their values.
fn pairs(selector: &LabelSelector) -> impl Iterator<Item = (&str, &str)> {
    let labels = selector.match_labels.iter();
    let one = selector.match_expressions.iter().filter_map(|r| {
        let [value] = r.values.as_slice() else {
            return None;
        };
        (r.operator == Operator::In).then_some((r.key.as_str(), value.as_str()))
    });
    labels
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .chain(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Requirement;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn whoever_selects_is_a_candidate_and_few_others_are() {
        let of = |pairs: &[(&str, &str)], expressions: &[(&str, Operator, &[&str])]| {
            let expressions = expressions
                .iter()
                .map(|(key, operator, values)| Requirement {
                    key: (*key).to_owned(),
                    operator: *operator,
                    values: values.iter().map(|v| (*v).to_owned()).collect(),
                });
            Some(LabelSelector {
                match_labels: labels(pairs),
                match_expressions: expressions.collect(),
            })
        };
        let selectors = [
            of(&[("app", "web")], &[]),
            of(&[("app", "web"), ("part-of", "shop")], &[]),
            None,
            of(&[("part-of", "shop"), ("app", "api")], &[]),
            of(&[], &[]),
            of(&[], &[("app", Operator::In, &["api"])]),
            of(&[], &[("app", Operator::In, &["api", "web"])]),
            of(&[], &[("app", Operator::NotIn, &["api"])]),
            of(&[("tier", "")], &[("app", Operator::Exists, &[])]),
        ];
        let index = ByLabel::new(selectors.iter().map(Option::as_ref));
        let mut asked = 0;
        for app in [None, Some("web"), Some("api"), Some("db")] {
            for part in [None, Some("shop"), Some("")] {
                for tier in [None, Some("")] {
                    let all = [("app", app), ("part-of", part), ("tier", tier)];
                    let some: Vec<(&str, &str)> =
                        all.iter().filter_map(|(k, v)| Some((*k, (*v)?))).collect();
                    let own = labels(&some);
                    let candidates = index.candidates(&own);
                    asked += candidates.len();
                    assert!(candidates.is_sorted());
                    for (at, selector) in selectors.iter().enumerate() {
                        let selects = selector.as_ref().is_some_and(|s| s.matches(&own));
                        assert!(!selects || candidates.contains(&at), "{at} of {own:?}");
                    }
                }
            }
        }
        // Three ask for no label of one value and are always asked themselves.
        let (cases, always) = (4 * 3 * 2, 3);
        assert_eq!(asked, cases * always + 6 * 2 + 6 * 2 + 12);
    }
}
