//! OOM: containers that were killed for want of memory.
//!
//! It reads how containers ended, in the status of pods, and tells apart what
//! a higher limit helps (a container at its own limit) from what it does not:
//! a node that ran out, an eviction, a SIGKILL that is not about memory, a
//! leak, a heap that follows the limit, one odd pod. It may raise a container's
//! memory limit in the template of its workload, by 20 % and at least 100 MiB
//! (the Vertical Pod Autoscaler's numbers), at most three times and to twice
//! the first limit; the request goes with it where it was equal.
//!
//! It never raises a limit for a node that is short of memory, never answers a
//! kill twice (kills have an id, and the ledger of raises keeps those that were
//! answered), and never acts without that ledger unless the host states that no
//! raise was made before: without memory, three steps never end.
//!
//! The raise comes by a rollout, which asks no disruption budget: a budget that
//! lets nobody go is named beside it. Where the new size comes with an eviction
//! instead (a vertical autoscaler), such a budget blocks it, and the keep says
//! so. With `OnDelete` somebody deletes pods, which asks no budget either.
//!
//! A raise saves nothing, so `saves_per_month` is `None`; a request that grows
//! may cost a node, which a joint run counts.

mod config;
mod evidence;
mod raise;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::room::{Rooms, roomiest};
use super::sizing::{
    Part, SizedResource, Workloads, defaulted, fixed_heap, gitops, helm_release, incomplete,
    is_share, not_collected, pod_request, qos_class,
};
use super::{Engine, EngineError, EngineId, EngineOutput, Inputs, NotJudged};
use crate::decision::{Action, Decision, MissingEvidence, Subject};
use crate::ledger::MemoryRaise;
use crate::model::{
    Bytes, Cluster, Container, NamespacedName, Pod, PodSpec, PodUsage, PodVolumeSource, Workload,
    WorkloadKind, WorkloadRef,
};
use crate::scheduling::{Budgets, EvictionRefusal};
use chrono::{DateTime, Utc};
use evidence::{End, Kill, NodeMemory, bytes};
use raise::Ceiling;
use std::collections::{BTreeMap, BTreeSet};

/// Kills that a decision names; the others are counted.
const NAMED_KILLS: usize = 3;

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct Oom {
    config: Config,
}

impl Oom {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for Oom {
    fn id(&self) -> EngineId {
        EngineId::Oom
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs)
    }
}

/// Decides about every container that ended by SIGKILL or for memory, and
/// about every pod that was evicted.
///
/// # Errors
/// [`EngineError::BadSetting`] for settings out of range.
pub fn decide(config: &Config, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let snapshot = inputs.laid();
    let mut decisions = Vec::new();
    let mut not_judged = Vec::new();
    for cluster in &snapshot.clusters {
        if let Some(state) = cluster.pods.state() {
            not_judged.push(NotJudged {
                subject: Some(Subject::Cluster {
                    cluster: cluster.uid.clone(),
                }),
                count: u64::try_from(cluster.workloads.items().len()).unwrap_or(u64::MAX),
                missing: MissingEvidence::Part {
                    part: "pods".to_owned(),
                    state,
                },
            });
        }
        let workloads = Workloads::new(cluster);
        Judge::new(config, inputs, cluster, &workloads).judge(&mut decisions);
    }
    let mut output = EngineOutput::new(EngineId::Oom, decisions);
    output.not_judged = not_judged;
    Ok(output)
}

struct Judge<'a> {
    config: &'a Config,
    inputs: &'a Inputs<'a>,
    cluster: &'a Cluster,
    workloads: &'a Workloads<'a>,
    nodes: NodeMemory<'a>,
    budgets: Budgets<'a>,
    rooms: Rooms<'a>,
    missing: Vec<(String, String)>,
    now: DateTime<Utc>,
    /// Quota that this run has given away, by namespace and whether of limits.
    given: BTreeMap<(String, bool), u64>,
}

/// What one raise would be.
struct Plan {
    to: crate::model::ContainerResources,
    reasons: Vec<Reason>,
    more_request: u64,
    more_limit: u64,
}

impl<'a> Judge<'a> {
    fn new(
        config: &'a Config,
        inputs: &'a Inputs<'a>,
        cluster: &'a Cluster,
        workloads: &'a Workloads<'a>,
    ) -> Self {
        let mut parts: Vec<(&str, &dyn Part)> = vec![
            ("pods", &cluster.pods),
            ("workloads", &cluster.workloads),
            ("nodes", &cluster.nodes),
            ("events", &cluster.events),
            ("horizontal autoscalers", &cluster.horizontal_autoscalers),
            ("limit ranges", &cluster.limit_ranges),
            ("resource quotas", &cluster.resource_quotas),
        ];
        if !(config.without_vpa && not_collected(&cluster.vertical_autoscalers)) {
            parts.push(("vertical autoscalers", &cluster.vertical_autoscalers));
        }
        if !config.without_usage {
            parts.push(("usage", &cluster.usage));
        }
        Self {
            config,
            inputs,
            cluster,
            workloads,
            nodes: NodeMemory::new(cluster),
            budgets: Budgets::new(cluster, inputs.now()),
            rooms: Rooms::new(cluster),
            missing: incomplete(&parts),
            now: inputs.now(),
            given: BTreeMap::new(),
        }
    }

    fn judge(&mut self, decisions: &mut Vec<Decision>) {
        let pods = &self.workloads.pods;
        for (reference, pods) in pods {
            let mut kills: BTreeMap<&str, Vec<Kill<'_>>> = BTreeMap::new();
            let mut others: BTreeMap<&str, Vec<Reason>> = BTreeMap::new();
            for pod in pods {
                for (container, end) in evidence::ends(pod) {
                    match end {
                        End::Memory(kill) => kills.entry(container).or_default().push(kill),
                        End::Other(why) => others.entry(container).or_default().push(why),
                    }
                }
                let whole = evidence::eviction(pod);
                let whole = whole
                    .into_iter()
                    .chain(evidence::child_kill(self.cluster, pod));
                let whole: Vec<Reason> = whole.collect();
                if !whole.is_empty() {
                    let subject = Subject::Pod {
                        cluster: self.cluster.uid.clone(),
                        pod: NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone()),
                    };
                    decisions.push(keep(subject, whole));
                }
            }
            let names: BTreeSet<&str> = kills.keys().chain(others.keys()).copied().collect();
            for name in names {
                let subject = Subject::Container {
                    cluster: self.cluster.uid.clone(),
                    workload: reference.clone(),
                    container: name.to_owned(),
                };
                let why = others.remove(name).unwrap_or_default();
                let decision = match kills.remove(name) {
                    None => {
                        let mut why = why;
                        why.dedup();
                        keep(subject, why)
                    }
                    Some(mut kills) => {
                        kills.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
                        self.container(subject, reference, name, &kills)
                    }
                };
                decisions.push(decision);
            }
        }
    }

    fn container(
        &mut self,
        subject: Subject,
        reference: &WorkloadRef,
        name: &str,
        kills: &[Kill<'_>],
    ) -> Decision {
        let named = kills.iter().filter_map(|k| {
            Some(Reason::KilledAtLimit {
                pod: k.pod.meta.name.clone(),
                restarts: k.restarts,
                at: k.at?,
                exit_code: k.exit_code,
            })
        });
        let mut reasons: Vec<Reason> = named.take(NAMED_KILLS).collect();
        let found = self.found(reference, name, kills);
        let (workload, container, init, plan, answers) = match found {
            Ok(found) => found,
            Err(why) => {
                let evicts = waits_for_eviction(&why);
                reasons.push(why);
                let held = self.held(reference).filter(|_| evicts);
                reasons.extend(held.map(|(pods, why)| Reason::BudgetBlocksEviction { pods, why }));
                return keep(subject, reasons);
            }
        };
        let finding = gitops(workload).map(|by| Reason::AppliedFromRepository { by });
        reasons.extend(plan.reasons);
        let pods = self.live(reference);
        let restarts = workload.kind != WorkloadKind::CronJob;
        if restarts {
            reasons.push(Reason::Restarts { pods });
            let held = self.held(reference);
            reasons.extend(held.map(|(pods, why)| Reason::BudgetNotAsked { pods, why }));
        }
        if let Some(release) = helm_release(workload) {
            reasons.push(Reason::ManagedByHelm { release });
        }
        let mut missing: Vec<MissingEvidence> = Vec::new();
        for (part, state) in &self.missing {
            reasons.push(Reason::PartMissing {
                part: part.clone(),
                state: state.clone(),
            });
            missing.push(MissingEvidence::Part {
                part: part.clone(),
                state: state.clone(),
            });
        }
        if self.inputs.ledgers.memory_raises.is_none() && !self.config.assume_no_earlier_raises {
            reasons.push(Reason::LedgerMissing);
            missing.push(MissingEvidence::Ledger {
                ledger: "memory_raises".to_owned(),
                possible_from: self.now,
            });
        }
        if let Some(by) = finding {
            reasons.push(by);
            missing.push(MissingEvidence::Confirmation {
                of: "the change in the repository".to_owned(),
            });
        }
        reasons.push(Reason::Answers { kills: answers });
        if !missing.is_empty() {
            return keep(subject, reasons).with_stake(None, missing);
        }
        let key = |limits: bool| (reference.namespace.clone(), limits);
        for (limits, more) in [(false, plan.more_request), (true, plan.more_limit)] {
            let given = self.given.entry(key(limits)).or_default();
            *given = given.saturating_add(more);
        }
        let action = Action::ResizeContainer {
            cluster: self.cluster.uid.clone(),
            workload: reference.clone(),
            container: container.name.clone(),
            init,
            from: Box::new(container.resources.clone()),
            to: Box::new(plan.to),
            restarts,
        };
        let reasons = reasons.into_iter().map(Into::into).collect();
        Decision::act(EngineId::Oom, subject, vec![action], None, reasons)
    }

    /// What to raise and how far, with the kills that it answers; else why not.
    #[allow(clippy::type_complexity)] // five facts of one finding
    fn found(
        &self,
        reference: &WorkloadRef,
        name: &str,
        kills: &[Kill<'_>],
    ) -> Result<(&'a Workload, &'a Container, bool, Plan, Vec<String>), Reason> {
        // Who may change it at all.
        if self.inputs.policy.protects(&reference.namespace) {
            return Err(Reason::ProtectedNamespace {
                namespace: reference.namespace.clone(),
            });
        }
        let fresh = evidence::recent(self.config, self.now, kills)?;
        for (kill, _) in &fresh {
            if let Some(node) = self.nodes.at(kill) {
                return Err(node);
            }
        }
        let (newest, _) = fresh.first().ok_or_else(|| Reason::TimeUnknown {
            pod: name.to_owned(),
        })?;
        if let Some(limit) = pod_limit(&newest.pod.spec) {
            return Err(Reason::PodLevelLimit { limit });
        }
        if fresh.iter().any(|(k, _)| k.limit.is_none()) {
            return Err(Reason::NoLimit);
        }
        let workload = *self.workloads.sized.get(reference).ok_or_else(|| {
            if reference.kind == WorkloadKind::Pod {
                Reason::NoController
            } else {
                Reason::OwnedByOther {
                    owner: format!("{} {}", reference.kind, reference.name),
                }
            }
        })?;
        self.whole(reference, workload)?;
        let empty = PodSpec::default();
        let spec: &PodSpec = workload.template.as_ref().map_or(&empty, |t| &t.spec);
        let found = self.template_container(workload, name);
        let (container, init) = found.ok_or(Reason::Injected)?;

        // Only kills of the template as it is.
        let current = self.current(reference, &fresh)?;
        let limit = current
            .iter()
            .filter_map(|(k, _)| k.limit)
            .max()
            .ok_or(Reason::NoLimit)?;
        let set = SizedResource::Memory.of(&container.resources.limits);
        if let Some(now) = set.filter(|now| *now > limit) {
            return Err(Reason::AlreadyRaised {
                was: bytes(limit),
                now: bytes(now),
            });
        }

        // What was done before.
        let raises = self.raises(reference, name);
        let answered: BTreeSet<&str> = raises
            .iter()
            .flat_map(|r| r.answered.iter().map(String::as_str))
            .collect();
        let open: Vec<String> = current
            .iter()
            .filter(|(k, _)| !answered.contains(k.id.as_str()))
            .map(|(k, _)| k.id.clone())
            .collect();
        if let Some(last) = raises.iter().map(|r| r.at).max() {
            if open.is_empty() {
                return Err(Reason::AlreadyAnswered { at: last });
            }
            let until = last + self.config.cooldown();
            if until > self.now {
                return Err(Reason::CoolingDown { until });
            }
        }
        let steps = u32::try_from(raises.len()).unwrap_or(u32::MAX);
        if steps >= self.config.max_steps {
            return Err(Reason::TooManySteps { steps });
        }
        let original = raises
            .iter()
            .map(|r| r.original_limit.0)
            .filter(|b| *b > 0)
            .min()
            .unwrap_or(limit);

        // What a limit does not mend.
        let mut reasons = Vec::new();
        self.usage(reference, name, limit, &current)?;
        reasons.extend(self.fleet(reference, workload, &current)?);
        let needs = self.heap(container, &mut reasons)?;
        let memory_volumes = spec
            .volumes
            .iter()
            .filter(|v| matches!(v.source, PodVolumeSource::EmptyDir { in_memory: true }));
        reasons.extend(memory_volumes.map(|v| Reason::MemoryVolume {
            volume: v.name.clone(),
        }));

        let ceilings = self.ceilings(reference, spec, container, original)?;
        let to =
            raise::raised(self.config, limit, needs, &ceilings).map_err(|c| Reason::AtCeiling {
                limit: bytes(limit),
                ceiling: bytes(c.bytes),
                by: c.by.to_owned(),
            })?;
        reasons.push(Reason::Raise {
            from: bytes(limit),
            to: bytes(to),
            original: bytes(original),
        });
        let plan = self.plan(reference, spec, container, limit, to, reasons)?;
        Ok((workload, container, init, plan, open))
    }

    fn template_container(
        &self,
        workload: &'a Workload,
        name: &str,
    ) -> Option<(&'a Container, bool)> {
        let spec = &workload.template.as_ref()?.spec;
        let regular = spec.containers.iter().map(|c| (c, false));
        let init = spec.init_containers.iter().map(|c| (c, true));
        regular.chain(init).find(|(c, _)| c.name == name)
    }

    /// What keeps the engine off a whole workload.
    fn whole(&self, reference: &WorkloadRef, workload: &Workload) -> Result<(), Reason> {
        let annotation = self.config.opt_out_annotation.as_str();
        if workload.meta.annotation(annotation) == Some("true") {
            return Err(Reason::OptedOut {
                annotation: annotation.to_owned(),
            });
        }
        if let Some(owner) = workload.meta.controller() {
            return Err(Reason::OwnedByOther {
                owner: format!("{} {}", owner.kind, owner.name),
            });
        }
        if let Some(vpa) = self.workloads.vpa(reference) {
            return Err(Reason::SizedByVpa {
                vpa: vpa.meta.name.clone(),
                mode: vpa.update_mode.clone(),
            });
        }
        match workload.kind {
            WorkloadKind::Job => return Err(Reason::TemplateImmutable),
            WorkloadKind::ReplicaSet => return Err(Reason::OnDelete),
            _ => {}
        }
        if workload.update_strategy.as_deref() == Some("OnDelete") {
            return Err(Reason::OnDelete);
        }
        if workload.paused {
            return Err(Reason::Paused);
        }
        if workload.kind == WorkloadKind::CronJob {
            return Ok(());
        }
        match workload.rollout_finished() {
            Some(true) => Ok(()),
            Some(false) => Err(Reason::RolloutInProgress),
            None => Err(Reason::RolloutUnknown),
        }
    }

    /// The kills of pods of the newest ReplicaSet; all where there is none.
    fn current<'k>(
        &self,
        reference: &WorkloadRef,
        kills: &'k [(Kill<'k>, DateTime<Utc>)],
    ) -> Result<Vec<&'k (Kill<'k>, DateTime<Utc>)>, Reason> {
        let sets = self.cluster.workloads.items().iter().filter(|w| {
            w.kind == WorkloadKind::ReplicaSet
                && w.meta.namespace == reference.namespace
                && w.replicas != Some(0)
                && w.meta
                    .controller()
                    .is_some_and(|o| o.kind == reference.kind.as_str() && o.name == reference.name)
        });
        let newest = sets.max_by_key(|s| (s.meta.created_at, s.meta.name.clone()));
        let Some(newest) = newest else {
            return Ok(kills.iter().collect());
        };
        let current: Vec<_> = kills
            .iter()
            .filter(|(k, _)| {
                let owner = k.pod.meta.controller();
                owner.is_some_and(|o| o.uid == newest.meta.uid)
            })
            .collect();
        if current.is_empty() {
            let pod = kills.first().map(|(k, _)| k.pod.meta.name.clone());
            return Err(Reason::OldTemplate {
                pod: pod.unwrap_or_default(),
            });
        }
        Ok(current)
    }

    /// Raises of a container that count as steps.
    fn raises(&self, reference: &WorkloadRef, name: &str) -> Vec<&'a MemoryRaise> {
        let all = self.inputs.ledgers.memory_raises.iter().flatten();
        all.filter(|r| {
            r.cluster == self.cluster.uid
                && r.workload == *reference
                && r.container == name
                && self.now - r.at <= self.config.steps_window()
        })
        .collect()
    }

    /// A leak, or a pod that was never seen near its limit.
    fn usage(
        &self,
        reference: &WorkloadRef,
        name: &str,
        limit: u64,
        kills: &[&(Kill<'_>, DateTime<Utc>)],
    ) -> Result<(), Reason> {
        let usage = self.cluster.usage.value();
        let usage = usage.and_then(|u| {
            u.containers
                .iter()
                .find(|c| c.workload.as_ref() == Some(reference) && c.container == name)
        });
        let Some(usage) = usage else {
            return Ok(());
        };
        let killed: BTreeSet<&str> = kills
            .iter()
            .map(|(k, _)| k.pod.meta.name.as_str())
            .collect();
        let of_killed = || {
            usage
                .pods
                .iter()
                .filter(|p| killed.contains(p.pod.as_str()))
        };
        let seen: Vec<&PodUsage> = of_killed()
            .filter(|p| p.samples >= self.config.leak_min_samples)
            .collect();
        let leaking = seen.iter().filter_map(|p| {
            let rising = p.memory_rising_milli?;
            (rising >= self.config.leak_rising_milli)
                .then_some((rising, p.memory_rise_per_hour.unwrap_or(0)))
        });
        let leaking: Vec<(u64, u64)> = leaking.collect();
        if let Some((rising_milli, per_hour)) = leaking.iter().min()
            && leaking.len() * 2 > seen.len()
        {
            return Err(Reason::Leak {
                rising_milli: *rising_milli,
                per_hour: bytes(*per_hour),
            });
        }
        let peak = of_killed().filter_map(|p| p.memory_peak_bytes).max();
        if let Some(peak) = peak {
            let least = u128::from(limit) * u128::from(self.config.min_seen_percent);
            if u128::from(peak) * 100 < least {
                return Err(Reason::FarBelowLimit {
                    seen: bytes(peak),
                    limit: bytes(limit),
                });
            }
        }
        Ok(())
    }

    fn live(&self, reference: &WorkloadRef) -> u32 {
        let pods = self.workloads.pods_of(reference);
        let live = pods.iter().filter(|p| !p.is_finished()).count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// Pods that a disruption budget holds now, and why it holds the first.
    fn held(&self, reference: &WorkloadRef) -> Option<(u32, EvictionRefusal)> {
        let mut pods: Vec<&Pod> = self.workloads.pods_of(reference).to_vec();
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        let held = pods.iter().filter_map(|p| self.budgets.can_evict(p).err());
        // Without the budgets nobody knows, and nothing is said.
        let held = held.filter(|why| !matches!(why, EvictionRefusal::Unknown { budget: None, .. }));
        let held: Vec<EvictionRefusal> = held.collect();
        let pods = u32::try_from(held.len()).unwrap_or(u32::MAX);
        Some((pods, held.into_iter().next()?))
    }

    /// How many of the pods were killed. One of three or more is a matter of
    /// that pod, except where each has its own part of the data.
    fn fleet(
        &self,
        reference: &WorkloadRef,
        workload: &Workload,
        kills: &[&(Kill<'_>, DateTime<Utc>)],
    ) -> Result<Option<Reason>, Reason> {
        let killed: BTreeSet<&str> = kills.iter().map(|(k, _)| k.pod.meta.uid.as_str()).collect();
        let pods = u32::try_from(killed.len()).unwrap_or(u32::MAX);
        let of = self.live(reference).max(pods);
        let alike = matches!(workload.kind, WorkloadKind::Deployment);
        if alike && pods == 1 && of >= 3 {
            return Err(Reason::SinglePod { of });
        }
        Ok((of > 1).then_some(Reason::Killed { pods, of }))
    }

    /// What a heap of fixed size needs.
    fn heap(
        &self,
        container: &Container,
        reasons: &mut Vec<Reason>,
    ) -> Result<Option<u64>, Reason> {
        let mut needs: Option<u64> = None;
        for setting in &container.runtime_memory {
            if is_share(&setting.name) {
                return Err(Reason::HeapFollowsLimit {
                    setting: setting.name.clone(),
                    value: setting.value.clone(),
                });
            }
            let Some(heap) = fixed_heap(&setting.name, &setting.value) else {
                continue;
            };
            let percent = 100 + u128::from(self.config.heap_overhead_percent);
            let need = (u128::from(heap) * percent).div_ceil(100);
            let need = u64::try_from(need).unwrap_or(u64::MAX);
            if needs.is_none_or(|most| need > most) {
                needs = Some(need);
                reasons.retain(|r| !matches!(r, Reason::FixedHeap { .. }));
                reasons.push(Reason::FixedHeap {
                    setting: format!("{}{}", setting.name, setting.value),
                    needs: bytes(need),
                });
            }
        }
        Ok(needs)
    }

    fn ceilings(
        &self,
        reference: &WorkloadRef,
        spec: &PodSpec,
        container: &Container,
        original: u64,
    ) -> Result<Vec<Ceiling>, Reason> {
        let percent = u128::from(self.config.max_percent_of_original);
        let first = u128::from(original) * percent / 100;
        let own = SizedResource::Memory.of(&defaulted(container)).unwrap_or(0);
        let others = pod_request(spec).memory.0.saturating_sub(own);
        let classes = self.rooms.classes(reference, spec);
        let needs = pod_request(spec).cpu.0;
        let room = roomiest(&classes, &reference.kind, SizedResource::Memory, needs);
        let room = room.ok_or(Reason::NoNodeTakesIt)?;
        let largest = room.room(SizedResource::Memory);
        let mut ceilings = vec![
            Ceiling {
                bytes: u64::try_from(first).unwrap_or(u64::MAX),
                by: "original",
            },
            Ceiling {
                bytes: largest.saturating_sub(others),
                by: "largest_node",
            },
        ];
        let bounds = self
            .workloads
            .bounds(&reference.namespace, SizedResource::Memory);
        ceilings.extend(bounds.max.map(|bytes| Ceiling {
            bytes,
            by: "limit_range",
        }));
        Ok(ceilings)
    }

    /// The new requests and limits. The request goes with the limit where the
    /// two were equal, as a Guaranteed pod needs, unless an autoscaler steers by it.
    fn plan(
        &self,
        reference: &WorkloadRef,
        spec: &PodSpec,
        container: &Container,
        limit: u64,
        to: u64,
        mut reasons: Vec<Reason>,
    ) -> Result<Plan, Reason> {
        let memory = SizedResource::Memory;
        let mut next = container.resources.clone();
        memory.set(&mut next.limits, Some(to));
        let request = memory.of(&container.resources.requests);
        let before = request.or(memory.of(&container.resources.limits));
        let mut after = match request {
            Some(request) if request >= limit => Some(to),
            Some(request) => Some(request),
            None => None, // the API server takes the limit for it
        };
        if let Some((hpa, target_percent)) = self.workloads.hpa(reference, memory) {
            let steered = Reason::HpaSteers {
                hpa: hpa.meta.name.clone(),
                target_percent,
            };
            if qos_class(spec) == "Guaranteed" {
                return Err(steered);
            }
            after = before;
            reasons.push(steered);
        }
        let bounds = self.workloads.bounds(&reference.namespace, memory);
        if let (Some(ratio), Some(request)) = (bounds.ratio_milli.filter(|r| *r > 0), after) {
            let least = (u128::from(to) * 1000).div_ceil(u128::from(ratio));
            let least = Bytes(u64::try_from(least).unwrap_or(to)).ceil_mib().0;
            after = Some(request.max(least).min(to));
        }
        memory.set(&mut next.requests, after);
        let replicas = self.live(reference);
        let more = after.unwrap_or(to).saturating_sub(before.unwrap_or(0));
        let times = |more: u64| more.saturating_mul(u64::from(replicas));
        let (more_request, more_limit) = (times(more), times(to.saturating_sub(limit)));
        for (limits, more) in [(false, more_request), (true, more_limit)] {
            let key = (reference.namespace.clone(), limits);
            let given = self.given.get(&key).copied().unwrap_or(0);
            if more == 0 {
                continue;
            }
            let all = more.saturating_add(given);
            let over = self
                .workloads
                .quota_exceeded(&reference.namespace, memory, limits, all);
            if let Some((quota, hard, used)) = over {
                return Err(Reason::QuotaExceeded {
                    quota,
                    hard,
                    used: used.saturating_add(given),
                    more,
                });
            }
        }
        if more > 0 {
            reasons.push(Reason::RequestRaised {
                bytes: bytes(more),
                replicas,
            });
        }
        Ok(Plan {
            to: next,
            reasons,
            more_request,
            more_limit,
        })
    }
}

/// Whether pods get another size only when they are evicted.
fn waits_for_eviction(why: &Reason) -> bool {
    match why {
        // The other modes wait for new pods, or never evict.
        Reason::SizedByVpa { mode, .. } => ["Auto", "Recreate", "InPlaceOrRecreate"]
            .iter()
            .any(|m| mode.eq_ignore_ascii_case(m)),
        _ => false,
    }
}

fn pod_limit(spec: &PodSpec) -> Option<Bytes> {
    spec.resources.as_ref()?.limits.memory
}

fn keep(subject: Subject, reasons: Vec<Reason>) -> Decision {
    let reasons = reasons.into_iter().map(Into::into).collect();
    Decision::keep(EngineId::Oom, subject, reasons)
}
