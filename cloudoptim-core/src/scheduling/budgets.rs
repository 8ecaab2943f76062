//! What the disruption budgets allow, as the eviction API and the disruption
//! controller compute it.
//!
//! - A status is believed when it speaks of the present specification;
//!   otherwise it is computed anew from the pods and their controllers' scale.
//! - Percentages are rounded up, for `minAvailable` and `maxUnavailable` alike.
//! - The API server takes a granted eviction off `disruptionsAllowed` itself,
//!   so `disruptedPods` matter only where the status is computed anew.
//! - More than one budget over a pod blocks it: the API answers with an error,
//!   whatever the budgets say.

use super::labelled::ByLabel;
use crate::model::{
    Cluster, IntOrPercent, NamespacedName, Pod, PodDisruptionBudget, PodPhase, Uid,
    UnhealthyPodEviction, WorkloadKind,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How long a granted eviction is waited for (`DeletionTimeout` of the
/// disruption controller).
const DISRUPTED_FOR: TimeDelta = TimeDelta::minutes(2);

/// Why a pod may not be evicted now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "refusal", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EvictionRefusal {
    /// The budget allows none now, but would with all pods healthy.
    NotNow {
        /// Budget.
        budget: NamespacedName,
        /// Healthy pods.
        healthy: u32,
        /// Healthy pods that must stay.
        desired: u32,
    },
    /// The budget allows none even with all pods healthy.
    Never {
        /// Budget.
        budget: NamespacedName,
        /// Pods that there should be.
        expected: u32,
        /// Healthy pods that must stay.
        desired: u32,
    },
    /// More than one budget selects the pod.
    SeveralBudgets {
        /// Budgets.
        budgets: Vec<NamespacedName>,
    },
    /// The budget's rule for pods that are not ready is not known.
    UnknownPolicy {
        /// Budget.
        budget: NamespacedName,
    },
    /// What the budget allows is not known.
    Unknown {
        /// Budget; all of them when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<NamespacedName>,
        /// Part that is missing.
        part: String,
    },
}

impl EvictionRefusal {
    /// Whether waiting does not help: somebody has to change a budget.
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Never { .. } | Self::SeveralBudgets { .. })
    }
}

impl fmt::Display for EvictionRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNow {
                budget,
                healthy,
                desired,
            } => write!(
                f,
                "budget {budget} allows none now: {healthy} healthy, {desired} must stay"
            ),
            Self::Never {
                budget,
                expected,
                desired,
            } => write!(
                f,
                "budget {budget} never allows one: {expected} pods, {desired} must stay"
            ),
            Self::SeveralBudgets { budgets } => {
                f.write_str("the eviction API refuses pods of several budgets:")?;
                for budget in budgets {
                    write!(f, " {budget}")?;
                }
                Ok(())
            }
            Self::UnknownPolicy { budget } => write!(
                f,
                "budget {budget} has a rule for pods that are not ready that is not known"
            ),
            Self::Unknown { budget, part } => match budget {
                Some(budget) => write!(f, "what budget {budget} allows is not known: {part}"),
                None => write!(f, "what the budgets allow is not known: {part}"),
            },
        }
    }
}

impl std::error::Error for EvictionRefusal {}

/// What the eviction of a pod is taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenOff {
    /// Nothing: it goes without asking a budget.
    Nothing,
    /// A budget that lets it go.
    Budget {
        /// Budget.
        budget: NamespacedName,
        /// How many it allows now, this one too.
        allowed: u32,
    },
    /// It may not go now, or never, or that is not known.
    Refused(EvictionRefusal),
}

/// The state of one budget.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State<'a> {
    budget: &'a PodDisruptionBudget,
    /// `None` when it cannot be computed; what is missing.
    numbers: Result<Numbers, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    allowed: u32,
    healthy: u32,
    desired: u32,
    expected: u32,
}

/// The budgets of one namespace, in the order of their names.
#[derive(Debug, Clone)]
struct OfNamespace<'a> {
    states: Vec<State<'a>>,
    by_label: ByLabel,
}

/// The budgets of one cluster, of which evictions are spent.
#[derive(Debug, Clone)]
pub struct Budgets<'a> {
    by_namespace: BTreeMap<&'a str, OfNamespace<'a>>,
    /// What is missing; then nothing may be evicted.
    missing: Option<String>,
}

impl<'a> Budgets<'a> {
    /// Reads the budgets of a cluster at a moment.
    pub fn new(cluster: &'a Cluster, now: DateTime<Utc>) -> Self {
        let missing = [
            ("budgets", cluster.disruption_budgets.gap()),
            ("pods", cluster.pods.gap()),
            ("workloads", cluster.workloads.gap()),
        ]
        .into_iter()
        .find_map(|(part, gap)| gap.map(|gap| format!("{part} ({gap})")));
        let scale = Scale::new(cluster);
        let mut pods: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
        for pod in cluster.pods.items() {
            pods.entry(&pod.meta.namespace).or_default().push(pod);
        }
        let mut budgets: BTreeMap<&str, Vec<&PodDisruptionBudget>> = BTreeMap::new();
        for budget in cluster.disruption_budgets.items() {
            let of = budgets.entry(&budget.meta.namespace).or_default();
            of.push(budget);
        }
        let by_namespace = budgets.into_iter().map(|(namespace, mut own)| {
            own.sort_by(|a, b| (&a.meta.name, &a.meta.uid).cmp(&(&b.meta.name, &b.meta.uid)));
            // No selector selects nothing, an empty one every pod of the namespace.
            let by_label = ByLabel::new(own.iter().map(|b| b.selector.as_ref()));
            let mut selected: Vec<Vec<&Pod>> = vec![Vec::new(); own.len()];
            for pod in pods.get(namespace).into_iter().flatten() {
                for at in by_label.candidates(&pod.meta.labels) {
                    if let (Some(budget), Some(of)) = (own.get(at), selected.get_mut(at))
                        && selects(budget, pod)
                    {
                        of.push(pod);
                    }
                }
            }
            let states = own.into_iter().zip(&selected).map(|(budget, pods)| State {
                budget,
                numbers: numbers(budget, pods, &scale, now),
            });
            let states = states.collect();
            (namespace, OfNamespace { states, by_label })
        });
        Self {
            by_namespace: by_namespace.collect(),
            missing,
        }
    }

    /// Whether the eviction API would let the pod go now.
    ///
    /// # Errors
    /// [`EvictionRefusal`]: the first rule that stands against it.
    pub fn can_evict(&self, pod: &Pod) -> Result<(), EvictionRefusal> {
        self.judge(pod).map(|_| ())
    }

    /// As [`Budgets::can_evict`], and spends the eviction.
    ///
    /// # Errors
    /// As [`Budgets::can_evict`]; nothing is spent then.
    pub fn take(&mut self, pod: &Pod) -> Result<(), EvictionRefusal> {
        let spends = self.judge(pod)?;
        let states = self.by_namespace.get_mut(pod.meta.namespace.as_str());
        if let Some(index) = spends
            && let Some(state) = states.and_then(|of| of.states.get_mut(index))
            && let Ok(numbers) = &mut state.numbers
        {
            numbers.allowed = numbers.allowed.saturating_sub(1);
            numbers.healthy = numbers.healthy.saturating_sub(1);
        }
        Ok(())
    }

    /// Evictions that the pod's budget allows at once; `None` without a budget.
    pub fn allowed_at_once(&self, pod: &Pod) -> Option<u32> {
        let mut all = self.of(pod);
        let (_, state) = all.next()?;
        state.numbers.as_ref().ok().map(|n| n.allowed)
    }

    /// The budget that selects the pod, when there is exactly one.
    pub fn budget_of(&self, pod: &Pod) -> Option<NamespacedName> {
        let mut all = self.of(pod);
        let (_, state) = all.next()?;
        all.next().is_none().then(|| name(state.budget))
    }

    /// What the eviction of a pod is taken off.
    pub fn taken_off(&self, pod: &Pod) -> TakenOff {
        let index = match self.judge(pod) {
            Ok(Some(index)) => index,
            Ok(None) => return TakenOff::Nothing,
            Err(refusal) => return TakenOff::Refused(refusal),
        };
        let states = self.by_namespace.get(pod.meta.namespace.as_str());
        let Some(state) = states.and_then(|of| of.states.get(index)) else {
            return TakenOff::Nothing; // `judge` has it from there
        };
        TakenOff::Budget {
            budget: name(state.budget),
            allowed: state.numbers.as_ref().map_or(0, |n| n.allowed),
        }
    }

    fn of(&self, pod: &Pod) -> impl Iterator<Item = (usize, &State<'a>)> {
        let of = self.by_namespace.get(pod.meta.namespace.as_str());
        let candidates = of.map(|of| of.by_label.candidates(&pod.meta.labels));
        let states = candidates.into_iter().flatten();
        states
            .filter_map(move |at| Some((at, of?.states.get(at)?)))
            .filter(|(_, state)| selects(state.budget, pod))
    }

    /// The index of the budget that the eviction is taken off, if any.
    fn judge(&self, pod: &Pod) -> Result<Option<usize>, EvictionRefusal> {
        // Such pods are deleted without asking a budget.
        if pod.is_finished() || pod.is_terminating() || pod.status.phase == PodPhase::Pending {
            return Ok(None);
        }
        if let Some(part) = &self.missing {
            return Err(EvictionRefusal::Unknown {
                budget: None,
                part: part.clone(),
            });
        }
        let all: Vec<(usize, &State<'_>)> = self.of(pod).collect();
        let (index, state) = match all.as_slice() {
            [] => return Ok(None),
            [only] => *only,
            several => {
                return Err(EvictionRefusal::SeveralBudgets {
                    budgets: several.iter().map(|(_, s)| name(s.budget)).collect(),
                });
            }
        };
        let numbers = match &state.numbers {
            Ok(numbers) => numbers,
            Err(part) => {
                return Err(EvictionRefusal::Unknown {
                    budget: Some(name(state.budget)),
                    part: part.clone(),
                });
            }
        };
        if pod.status.ready != Some(true) {
            match state.budget.unhealthy_policy {
                UnhealthyPodEviction::AlwaysAllow => return Ok(None),
                UnhealthyPodEviction::IfHealthyBudget => {
                    if numbers.desired > 0 && numbers.healthy >= numbers.desired {
                        return Ok(None);
                    }
                }
                UnhealthyPodEviction::Unrecognised => {
                    return Err(EvictionRefusal::UnknownPolicy {
                        budget: name(state.budget),
                    });
                }
            }
        }
        if numbers.allowed > 0 {
            return Ok(Some(index));
        }
        let budget = name(state.budget);
        Err(if numbers.expected <= numbers.desired {
            EvictionRefusal::Never {
                budget,
                expected: numbers.expected,
                desired: numbers.desired,
            }
        } else {
            EvictionRefusal::NotNow {
                budget,
                healthy: numbers.healthy,
                desired: numbers.desired,
            }
        })
    }
}

fn name(budget: &PodDisruptionBudget) -> NamespacedName {
    NamespacedName::new(budget.meta.namespace.clone(), budget.meta.name.clone())
}

/// Whether a budget of the pod's namespace selects it.
fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let selector = budget.selector.as_ref();
    selector.is_some_and(|selector| selector.matches(&pod.meta.labels))
}

fn numbers(
    budget: &PodDisruptionBudget,
    pods: &[&Pod],
    scale: &Scale<'_>,
    now: DateTime<Utc>,
) -> Result<Numbers, String> {
    let fresh = budget.observed_generation.unwrap_or(0) == budget.meta.generation.unwrap_or(0);
    if let (true, Some(allowed), Some(healthy), Some(desired), Some(expected)) = (
        fresh,
        budget.disruptions_allowed,
        budget.current_healthy,
        budget.desired_healthy,
        budget.expected_pods,
    ) {
        return Ok(Numbers {
            allowed,
            healthy,
            desired,
            expected,
        });
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (expected, desired) = match (budget.min_available, budget.max_unavailable) {
        (_, Some(most)) => {
            let expected = scale.of(pods)?;
            (expected, expected.saturating_sub(share(most, expected)))
        }
        (Some(IntOrPercent::Count(least)), None) => (count(pods.len()), least),
        (Some(least @ IntOrPercent::Percent(_)), None) => {
            let expected = scale.of(pods)?;
            (expected, share(least, expected))
        }
        (None, None) => (count(pods.len()), 0),
    };
    let healthy = pods.iter().filter(|pod| {
        let going = budget
            .disrupted_pods
            .get(&pod.meta.name)
            .is_some_and(|since| now < *since + DISRUPTED_FOR);
        pod.status.ready == Some(true) && !pod.is_terminating() && !pod.is_finished() && !going
    });
    let healthy = count(healthy.count());
    let allowed = if expected == 0 {
        0
    } else {
        healthy.saturating_sub(desired)
    };
    Ok(Numbers {
        allowed,
        healthy,
        desired,
        expected,
    })
}

/// A number of pods, or a share of them rounded up.
///
/// | | of 3 |
/// | --- | --- |
/// | 2 | 2 |
/// | 50 % | 2 |
/// | 34 % | 2 |
fn share(of: IntOrPercent, pods: u32) -> u32 {
    match of {
        IntOrPercent::Count(n) => n,
        IntOrPercent::Percent(percent) => {
            let exact = u64::from(pods).saturating_mul(u64::from(percent));
            u32::try_from(exact.div_ceil(100)).unwrap_or(u32::MAX)
        }
    }
}

/// How many pods the controllers want.
#[derive(Debug)]
struct Scale<'a> {
    by_uid: BTreeMap<&'a Uid, (&'a Uid, Option<u32>)>,
}

impl<'a> Scale<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let workloads = cluster.workloads.items();
        let replicas: BTreeMap<&Uid, (&WorkloadKind, Option<u32>)> = workloads
            .iter()
            .map(|w| (&w.meta.uid, (&w.kind, w.replicas)))
            .collect();
        let by_uid = workloads
            .iter()
            .filter(|w| !matches!(w.kind, WorkloadKind::Job | WorkloadKind::CronJob))
            .map(|w| {
                // A ReplicaSet of a Deployment has the Deployment's scale.
                let above = w
                    .meta
                    .controller()
                    .and_then(|owner| replicas.get_key_value(&owner.uid))
                    .filter(|(_, (kind, _))| **kind == WorkloadKind::Deployment);
                let scale = above.map_or((&w.meta.uid, w.replicas), |(uid, (_, r))| (*uid, *r));
                (&w.meta.uid, scale)
            })
            .collect();
        Self { by_uid }
    }

    /// Sum of the scales of the pods' controllers. Pods without one are left out.
    fn of(&self, pods: &[&Pod]) -> Result<u32, String> {
        let mut seen = BTreeSet::new();
        let mut total = 0_u32;
        for pod in pods {
            let Some(owner) = pod.meta.controller() else {
                continue;
            };
            let unknown = || format!("the scale of {} {}", owner.kind, owner.name);
            let (uid, replicas) = self.by_uid.get(&owner.uid).ok_or_else(unknown)?;
            if seen.insert(*uid) {
                total = total.saturating_add(replicas.ok_or_else(unknown)?);
            }
        }
        Ok(total)
    }
}
