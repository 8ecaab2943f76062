//! One container: from what it uses to what it should ask for.

use super::config::{Config, LimitRule};
use super::history;
use super::reason::Reason;
use super::room::in_node;
use super::rules::{round_up, wanted};
use super::runtime;
use crate::decision::{Action, Decision, MissingEvidence, Subject};
use crate::engines::office_hours::{self, Sleeper};
use crate::engines::room::{Class, Rooms};
use crate::engines::sizing::{
    SizedResource, Workloads, defaulted, helm_release, pod_request, qos_class,
};
use crate::engines::{EngineId, Inputs};
use crate::model::{
    Bytes, Container, ContainerResources, ContainerUsage, MicroUsdPerMonth, MilliCpu, PodSpec,
    Resources, UsageSummary, Workload, WorkloadKind, WorkloadRef,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes the containers of one cluster.
pub(super) struct Sizer<'a> {
    config: &'a Config,
    workloads: &'a Workloads<'a>,
    usage: BTreeMap<(&'a WorkloadRef, &'a str), &'a ContainerUsage>,
    now: DateTime<Utc>,
    /// Price of all nodes and what they have; `None` when a price is unknown.
    nodes: Option<(MicroUsdPerMonth, Resources)>,
    /// Quota that this run has given away, by namespace and what it is of.
    given: BTreeMap<(String, SizedResource, bool), u64>,
    rooms: Rooms<'a>,
    /// What may sleep, by its wishes.
    sleepers: BTreeMap<WorkloadRef, Sleeper<'a>>,
    /// When workloads were last put to sleep.
    asleep_since: BTreeMap<&'a WorkloadRef, DateTime<Utc>>,
    /// The oldest kubelet, as minor version of Kubernetes 1.
    kubelet_minor: Option<u32>,
}

/// What a container shares with the rest of its pod.
struct Beside<'s> {
    /// The pod with the larger of old and new sizes of the containers that
    /// were judged before.
    pod: &'s PodSpec,
    /// Nodes that take it.
    classes: &'s [Class],
}

/// Why a resource stays, or what it becomes and why.
type Sized = Result<(u64, Vec<Reason>), Vec<Reason>>;

impl<'a> Sizer<'a> {
    pub(super) fn new(
        config: &'a Config,
        inputs: &'a Inputs<'a>,
        workloads: &'a Workloads<'a>,
        usage: &'a UsageSummary,
    ) -> Self {
        let cluster = workloads.cluster;
        let rows = inputs.ledgers.asleep.iter().flatten();
        let rows = rows.filter(|row| row.cluster == cluster.uid);
        let mut price = Some(MicroUsdPerMonth::ZERO);
        let mut total = Resources::default();
        for node in cluster.nodes.items() {
            total.add(&node.allocatable);
            price = match (price, inputs.node_price(cluster, node)) {
                (Some(sum), Some(hour)) => Some(sum + hour.per_month()),
                _ => None,
            };
        }
        Self {
            config,
            workloads,
            usage: usage
                .containers
                .iter()
                .filter_map(|c| Some(((c.workload.as_ref()?, c.container.as_str()), c)))
                .collect(),
            now: inputs.now(),
            nodes: price.map(|p| (p, total)),
            given: BTreeMap::new(),
            rooms: Rooms::new(cluster),
            sleepers: office_hours::sleepers(&inputs.policy.office_hours, inputs, cluster),
            asleep_since: rows.map(|row| (&row.workload, row.since)).collect(),
            kubelet_minor: runtime::oldest_kubelet(cluster.nodes.items()),
        }
    }

    /// A decision for every container of a workload; `whole` keeps them all.
    pub(super) fn workload(
        &mut self,
        reference: &WorkloadRef,
        workload: &Workload,
        whole: Option<&Reason>,
    ) -> Vec<Decision> {
        let subject = |container: &str| Subject::Container {
            cluster: self.workloads.cluster.uid.clone(),
            workload: reference.clone(),
            container: container.to_owned(),
        };
        let keep = |subject, reasons: Vec<Reason>| {
            let reasons = reasons.into_iter().map(Into::into).collect();
            Decision::keep(EngineId::Rightsizing, subject, reasons)
        };
        let empty = PodSpec::default();
        let spec = workload.template.as_ref().map_or(&empty, |t| &t.spec);
        let mut named: BTreeSet<&str> = BTreeSet::new();
        let regular = spec.containers.iter().map(|c| (c, false));
        let init = spec.init_containers.iter().map(|c| (c, true));
        let mut pending = Vec::new();
        let mut decisions = Vec::new();
        for (container, init) in regular.chain(init) {
            if !named.insert(&container.name) {
                continue;
            }
            let subject = subject(&container.name);
            // A repository's workload is sized all the same: as a finding.
            let finding = matches!(whole, Some(Reason::AppliedFromRepository { .. }));
            match whole {
                Some(reason) if !finding => decisions.push(keep(subject, vec![reason.clone()])),
                _ if init && !container.restarts_always => {
                    decisions.push(keep(subject, vec![Reason::InitContainer]));
                }
                _ => pending.push((subject, container, init)),
            }
        }
        // Containers that run in its pods but not in its template.
        let in_pods = self.workloads.pods_of(reference).iter().flat_map(|p| {
            let all = p.spec.containers.iter().chain(&p.spec.init_containers);
            all.map(|c| c.name.as_str())
        });
        let in_usage = self
            .usage
            .range((reference, "")..)
            .take_while(|((w, _), _)| *w == reference)
            .map(|((_, c), _)| *c);
        let extra: BTreeSet<&str> = in_pods
            .chain(in_usage)
            .filter(|name| !named.contains(name))
            .collect();
        for name in extra {
            let reason = whole.cloned().unwrap_or(Reason::Injected);
            decisions.push(keep(subject(name), vec![reason]));
        }
        let classes = self.rooms.classes(reference, spec);
        let mut pod = spec.clone();
        for (subject, container, init) in pending {
            let beside = Beside {
                pod: &pod,
                classes: &classes,
            };
            let decision = self.container(
                subject, reference, workload, spec, &beside, container, init, whole,
            );
            for action in &decision.actions {
                if let Action::ResizeContainer { from, to, .. } = action {
                    // Whether a lower request is taken is not known yet.
                    let mut larger = (**to).clone();
                    for resource in [SizedResource::Cpu, SizedResource::Memory] {
                        let before = resource.of(&from.requests.or(&from.limits));
                        let most = resource.of(&to.requests).max(before);
                        resource.set(&mut larger.requests, most);
                    }
                    pod = with(&pod, &container.name, &larger);
                }
            }
            decisions.push(decision);
        }
        if reference.kind == WorkloadKind::DaemonSet {
            let mut more = pod_request(&pod);
            more.subtract(&pod_request(spec));
            self.rooms.grow(reference, &more);
        }
        decisions
    }

    #[allow(clippy::too_many_arguments)] // one container in its surroundings
    fn container(
        &mut self,
        subject: Subject,
        reference: &WorkloadRef,
        workload: &Workload,
        spec: &PodSpec,
        beside: &Beside<'_>,
        container: &Container,
        init: bool,
        whole: Option<&Reason>,
    ) -> Decision {
        let keep = |reasons: Vec<Reason>| {
            let reasons = reasons.into_iter().map(Into::into).collect();
            Decision::keep(EngineId::Rightsizing, subject.clone(), reasons)
        };
        if let Some(reason) = self.new_release(reference, workload) {
            return keep(vec![reason]);
        }
        let current = defaulted(container);
        let mut to = container.resources.clone();
        let mut stays = Vec::new();
        let mut reasons = Vec::new();
        let mut changed = Vec::new();
        for resource in [SizedResource::Cpu, SizedResource::Memory] {
            let now = resource.of(&current);
            let sized = self
                .target(reference, workload, beside, container, &to, resource)
                .and_then(|(target, why)| {
                    let mut next = to.clone();
                    self.set(&mut next, container, resource, now, target, qos_class(spec));
                    self.allowed(reference, workload, container, resource, &next)?;
                    Ok((next, target, why))
                });
            match sized {
                Ok((next, target, why)) => {
                    to = next;
                    reasons.extend(why);
                    reasons.push(Reason::Request {
                        resource,
                        from: now,
                        to: target,
                    });
                    changed.push((resource, now.unwrap_or(0), target));
                }
                Err(why) => stays.extend(why),
            }
        }
        stays.dedup(); // both resources may say the same
        if changed.is_empty() {
            return keep(stays);
        }
        let before = qos_class(spec);
        let after = qos_class(&with(spec, &container.name, &to));
        if before != after {
            stays.push(Reason::QosWouldChange {
                from: before.to_owned(),
                to: after.to_owned(),
            });
            return keep(stays);
        }
        let replicas = self.replicas(reference, workload);
        let (stake, unpriced) = self.stake(workload, replicas, &changed, &mut reasons);
        let restarts = workload.kind != WorkloadKind::CronJob;
        if restarts {
            reasons.push(Reason::Restarts { pods: replicas });
            reasons.extend(runtime::in_place(self.kubelet_minor, container, &to));
        }
        reasons.extend(runtime::processors(container, &to));
        reasons.extend(runtime::memory_volumes(spec, container, &to));
        if let Some(release) = helm_release(workload) {
            reasons.push(Reason::ManagedByHelm { release });
        }
        reasons.extend(stays);
        let mut missing = Vec::new();
        if unpriced {
            missing.push(MissingEvidence::Price {
                of: "the cluster's nodes".to_owned(),
            });
        }
        if let Some(reason) = whole {
            missing.push(MissingEvidence::Confirmation {
                of: "the change in the repository".to_owned(),
            });
            reasons.insert(0, reason.clone());
            return keep(reasons).with_stake(stake, missing);
        }
        self.give(reference, replicas, container, &to);
        let action = Action::ResizeContainer {
            cluster: self.workloads.cluster.uid.clone(),
            workload: reference.clone(),
            container: container.name.clone(),
            init,
            from: Box::new(container.resources.clone()),
            to: Box::new(to),
            restarts,
        };
        let reasons = reasons.into_iter().map(Into::into).collect();
        Decision::act(EngineId::Rightsizing, subject, vec![action], None, reasons)
            .with_stake(stake, missing)
    }

    /// The release is younger than a day, or of unknown age.
    fn new_release(&self, reference: &WorkloadRef, workload: &Workload) -> Option<Reason> {
        if workload.kind == WorkloadKind::CronJob {
            return None;
        }
        let pods = self.workloads.pods_of(reference);
        let live: Vec<_> = pods.iter().filter(|p| !p.is_finished()).collect();
        if live.is_empty() {
            return Some(Reason::NotRunning);
        }
        // A Deployment's release is its newest set that has pods; of the others
        // the oldest pod is at most as old as the release.
        let sets = self.workloads.cluster.workloads.items().iter().filter(|w| {
            w.kind == WorkloadKind::ReplicaSet
                && w.meta.namespace == reference.namespace
                && w.replicas != Some(0)
                && w.meta
                    .controller()
                    .is_some_and(|o| o.kind == reference.kind.as_str() && o.name == reference.name)
        });
        let of_sets: Vec<_> = sets.map(|s| s.meta.created_at).collect();
        let since = if of_sets.is_empty() {
            live.iter().filter_map(|p| p.meta.created_at).min()
        } else {
            of_sets.into_iter().max().flatten()
        };
        let old = since.is_some_and(|since| self.now - since >= self.config.min_release());
        (!old).then_some(Reason::NewRelease {
            since,
            needed_hours: self.config.min_release_hours,
        })
    }

    fn target(
        &self,
        reference: &WorkloadRef,
        workload: &Workload,
        beside: &Beside<'_>,
        container: &Container,
        so_far: &ContainerResources,
        resource: SizedResource,
    ) -> Sized {
        let now = resource.of(&defaulted(container));
        let usage = self.usage.get(&(reference, container.name.as_str()));
        let stats = usage.and_then(|u| match resource {
            SizedResource::Cpu => u.cpu.as_ref(),
            SizedResource::Memory => u.memory.as_ref(),
        });
        let (Some(usage), Some(stats)) = (usage, stats) else {
            return Err(vec![Reason::NoUsage { resource }]);
        };
        let runs = workload.kind == WorkloadKind::CronJob;
        let slept = self.sleep(reference);
        let asleep = history::enough(self.config, self.now, usage, stats, runs, &slept)?;
        self.scaled_by(reference, resource)?;
        let containers = u64::try_from(beside.pod.containers.len()).unwrap_or(1);
        let want = wanted(self.config.rule, resource, stats, containers, runs);
        let mut to = want.target;
        let mut why = vec![Reason::Wanted {
            rule: self.config.rule,
            resource,
            basis: want.basis.to_owned(),
            value: want.value,
            target: want.target,
            bounds: want.bounds,
        }];
        why.extend(asleep);
        let used = match resource {
            SizedResource::Memory => Some(stats.max),
            SizedResource::Cpu => {
                let live = usage.pods.iter().filter(|p| p.live);
                live.filter_map(|p| p.cpu_mean_milli).max()
            }
        };
        if let Some(used) = used.filter(|used| *used > to) {
            to = round_up(resource, used);
            why.push(Reason::HeldAtUse { resource, used });
        }
        let shrinks = now.is_some_and(|now| to < now);
        if resource == SizedResource::Cpu {
            why.extend(self.throttling(usage, container, shrinks)?);
        }
        if shrinks && resource == SizedResource::Memory {
            self.killed(reference, &container.name)?;
            let floor = runtime::heap(self.config, container)?;
            if let Some((setting, bytes)) = floor.filter(|(_, bytes)| *bytes > to) {
                to = round_up(resource, bytes);
                why.push(Reason::HeapFloor { setting, bytes });
            }
        }
        let floor = to;
        self.in_limit_range(reference, resource, &mut to, &mut why);
        let mut asked = so_far.clone();
        if resource == SizedResource::Cpu
            && let Some(memory) = &usage.memory
        {
            // More CPU is worth nothing on a node that has not the memory.
            let request = SizedResource::Memory.of(&asked.requests.or(&asked.limits));
            let needs = request.unwrap_or(0).max(memory.max);
            SizedResource::Memory.set(&mut asked.requests, Some(needs));
        }
        let pod = with(beside.pod, &container.name, &asked);
        in_node(
            reference,
            &pod,
            beside.classes,
            resource,
            now,
            &mut to,
            &mut why,
        )?;
        if to < floor && now.is_some_and(|now| to < now) {
            // The namespace allows less than is used: lowering would kill.
            why.remove(0);
            return Err(why);
        }
        if let Some(now) = now {
            let step = self.least_step(resource, now);
            if to < step {
                why.push(Reason::ShrinkLimited {
                    resource,
                    wanted: to,
                    step,
                });
                to = step;
            }
            let change = u128::from(to.abs_diff(now)) * 100;
            if to == now || change < u128::from(now) * u128::from(self.config.min_change_percent) {
                let mut stays = vec![Reason::WithinDeadBand {
                    resource,
                    now,
                    wanted: to,
                    min_percent: self.config.min_change_percent,
                }];
                // That its use is held back stays worth knowing.
                stays.extend(
                    why.into_iter()
                        .filter(|r| matches!(r, Reason::Throttled { .. })),
                );
                return Err(stays);
            }
        }
        Ok((to, why))
    }

    /// What says when it slept: its wishes, unless something keeps it awake, and
    /// the row of its last sleep.
    fn sleep(&self, reference: &WorkloadRef) -> history::Sleep<'_> {
        history::Sleep {
            wishes: self.sleepers.get(reference),
            since: self.asleep_since.get(reference).copied(),
        }
    }

    /// What its CPU limit says about its use of CPU. One that holds it back
    /// hides what it needs: then nothing is taken from it.
    fn throttling(
        &self,
        usage: &ContainerUsage,
        container: &Container,
        shrinks: bool,
    ) -> Result<Option<Reason>, Vec<Reason>> {
        let max_percent = self.config.max_throttled_percent;
        let shares = usage.pods.iter().filter_map(|p| p.cpu_throttled_milli);
        // One pod that goes freely does not speak for those that are not known.
        let unknown = usage.pods.iter().any(|p| {
            let used = p.cpu_peak_milli.is_some() || p.cpu_mean_milli.is_some();
            used && p.cpu_throttled_milli.is_none()
        });
        match shares.max() {
            Some(throttled_milli) if throttled_milli > u64::from(max_percent) * 10 => {
                let reason = Reason::Throttled {
                    throttled_milli,
                    max_percent,
                };
                if shrinks {
                    return Err(vec![reason]);
                }
                Ok(Some(reason))
            }
            known
                if (known.is_none() || unknown)
                    && shrinks
                    && container.resources.limits.cpu.is_some() =>
            {
                Ok(Some(Reason::ThrottlingUnknown))
            }
            _ => Ok(None),
        }
    }

    fn scaled_by(
        &self,
        reference: &WorkloadRef,
        resource: SizedResource,
    ) -> Result<(), Vec<Reason>> {
        if let Some((hpa, target_percent)) = self.workloads.hpa(reference, resource) {
            return Err(vec![Reason::HpaSteers {
                hpa: hpa.meta.name.clone(),
                resource,
                target_percent,
            }]);
        }
        match self.workloads.scaled_object(reference, resource) {
            Some(object) => Err(vec![Reason::ScaledObjectSteers {
                scaled_object: object.meta.name.clone(),
                resource,
            }]),
            None => Ok(()),
        }
    }

    /// A kill within the hold, by what pods say of themselves.
    fn killed(&self, reference: &WorkloadRef, container: &str) -> Result<(), Vec<Reason>> {
        let recent =
            |at: Option<DateTime<Utc>>| at.is_none_or(|at| self.now - at < self.config.hold());
        for pod in self.workloads.pods_of(reference) {
            let status = &pod.status;
            let all = status.containers.iter().chain(&status.init_containers);
            for s in all.filter(|s| s.name == container) {
                let ends = s.last_terminated.iter().chain(&s.terminated);
                for end in ends.filter(|e| e.reason == "OOMKilled" || e.exit_code == 137) {
                    if recent(end.finished_at) {
                        return Err(vec![Reason::RecentKill {
                            pod: pod.meta.name.clone(),
                            at: end.finished_at,
                            reason: end.reason.clone(),
                        }]);
                    }
                }
            }
            if status.reason.as_deref() == Some("Evicted") && recent(status.ready_since) {
                return Err(vec![Reason::RecentKill {
                    pod: pod.meta.name.clone(),
                    at: status.ready_since,
                    reason: "Evicted".to_owned(),
                }]);
            }
        }
        Ok(())
    }

    /// Holds a request within the limit range.
    fn in_limit_range(
        &self,
        reference: &WorkloadRef,
        resource: SizedResource,
        to: &mut u64,
        why: &mut Vec<Reason>,
    ) {
        let bounds = self.workloads.bounds(&reference.namespace, resource);
        let outside = |bound: &str, value: u64| Reason::OutsideLimitRange {
            resource,
            bound: bound.to_owned(),
            value,
        };
        if let Some(min) = bounds.min.filter(|min| *to < *min) {
            *to = min;
            why.push(outside("min", min));
        }
        if let Some(max) = bounds.max.filter(|max| *to > *max) {
            *to = max;
            why.push(outside("max", max));
        }
    }

    /// Sets request and limit of a resource.
    fn set(
        &self,
        next: &mut ContainerResources,
        container: &Container,
        resource: SizedResource,
        now: Option<u64>,
        target: u64,
        qos: &str,
    ) {
        resource.set(&mut next.requests, Some(target));
        let limit = resource.of(&container.resources.limits);
        let rule = match resource {
            SizedResource::Cpu => self.config.cpu_limit_rule(),
            SizedResource::Memory => self.config.memory_limit_rule(),
        };
        let limit = match (rule, limit) {
            _ if qos == "Guaranteed" => Some(target),
            (LimitRule::Remove, _) => None,
            (LimitRule::EqualRequest, _) => Some(target),
            (_, None) => None,
            (LimitRule::Keep, Some(limit)) => Some(limit.max(target)),
            (LimitRule::Ratio, Some(limit)) => {
                let now = now.unwrap_or(limit).max(1);
                let scaled = (u128::from(limit) * u128::from(target)).div_ceil(u128::from(now));
                let scaled = u64::try_from(scaled).unwrap_or(limit);
                Some(round_up(resource, scaled).max(target))
            }
        };
        // A limit is lowered in steps, too.
        let before = resource.of(&container.resources.limits);
        let limit = match (limit, before) {
            (Some(limit), Some(before)) if qos != "Guaranteed" => {
                Some(limit.max(self.least_step(resource, before)))
            }
            (limit, _) => limit,
        };
        resource.set(&mut next.limits, limit);
    }

    /// The least that one step may leave of an amount.
    fn least_step(&self, resource: SizedResource, amount: u64) -> u64 {
        let least = u64::from(100 - self.config.max_shrink_percent.min(100));
        let step = (u128::from(amount) * u128::from(least)).div_ceil(100);
        round_up(resource, u64::try_from(step).unwrap_or(amount))
    }

    /// Whether namespace and runtime allow the new sizes.
    fn allowed(
        &self,
        reference: &WorkloadRef,
        workload: &Workload,
        container: &Container,
        resource: SizedResource,
        next: &ContainerResources,
    ) -> Result<(), Vec<Reason>> {
        let request = resource.of(&next.requests).unwrap_or(0);
        let limit = resource.of(&next.limits);
        let limit_before = resource.of(&container.resources.limits);
        let bounds = self.workloads.bounds(&reference.namespace, resource);
        let outside = |bound: &str, value: u64| {
            Err(vec![Reason::OutsideLimitRange {
                resource,
                bound: bound.to_owned(),
                value,
            }])
        };
        if let (Some(limit), Some(max)) = (limit, bounds.max)
            && limit > max
        {
            return outside("max", max);
        }
        if let (Some(limit), Some(ratio)) = (limit, bounds.ratio_milli)
            && u128::from(limit) * 1000 > u128::from(request) * u128::from(ratio)
        {
            return outside("maxLimitRequestRatio", ratio);
        }
        let lowered = match (limit, limit_before) {
            (Some(limit), Some(before)) => limit < before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if resource == SizedResource::Memory && lowered {
            // A lower limit kills sooner, whatever becomes of the request.
            self.killed(reference, &container.name)?;
            let floor = runtime::heap(self.config, container)?;
            if let Some((setting, bytes)) = floor.filter(|(_, b)| limit.is_some_and(|l| *b > l)) {
                return Err(vec![Reason::HeapFloor { setting, bytes }]);
            }
        }
        let replicas = u64::from(self.replicas(reference, workload));
        let before = resource.of(&defaulted(container)).unwrap_or(0);
        let pairs = [
            (false, request, before),
            (true, limit.unwrap_or(0), limit_before.unwrap_or(0)),
        ];
        for (limits, after, before) in pairs {
            let more = after.saturating_sub(before).saturating_mul(replicas);
            if more == 0 {
                continue;
            }
            let key = (reference.namespace.clone(), resource, limits);
            let given = self.given.get(&key).copied().unwrap_or(0);
            let all = more.saturating_add(given);
            let over = self
                .workloads
                .quota_exceeded(&reference.namespace, resource, limits, all);
            if let Some((quota, hard, used)) = over {
                return Err(vec![Reason::QuotaExceeded {
                    quota,
                    hard,
                    used: used.saturating_add(given),
                    more,
                }]);
            }
        }
        Ok(())
    }

    /// Remembers the quota that an increase takes.
    fn give(
        &mut self,
        reference: &WorkloadRef,
        replicas: u32,
        container: &Container,
        to: &ContainerResources,
    ) {
        let before = defaulted(container);
        for resource in [SizedResource::Cpu, SizedResource::Memory] {
            for (limits, after, before) in [
                (false, resource.of(&to.requests), resource.of(&before)),
                (
                    true,
                    resource.of(&to.limits),
                    resource.of(&container.resources.limits),
                ),
            ] {
                let more = after.unwrap_or(0).saturating_sub(before.unwrap_or(0));
                let key = (reference.namespace.clone(), resource, limits);
                let given = self.given.entry(key).or_default();
                *given = given.saturating_add(more.saturating_mul(u64::from(replicas)));
            }
        }
    }

    fn replicas(&self, reference: &WorkloadRef, workload: &Workload) -> u32 {
        let live = self.workloads.pods_of(reference);
        let live = live.iter().filter(|p| !p.is_finished()).count();
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        workload.replicas.unwrap_or(live)
    }

    /// The share of the nodes' price that is freed, and whether it is unknown
    /// for want of a price. A job's is not counted: it runs part of the time.
    fn stake(
        &self,
        workload: &Workload,
        replicas: u32,
        changed: &[(SizedResource, u64, u64)],
        reasons: &mut Vec<Reason>,
    ) -> (Option<MicroUsdPerMonth>, bool) {
        let n = u64::from(replicas);
        let freed = |resource: SizedResource| {
            changed
                .iter()
                .find(|(r, _, _)| *r == resource)
                .map_or((0, 0), |(_, before, after)| {
                    (
                        before.saturating_sub(*after).saturating_mul(n),
                        after.saturating_sub(*before).saturating_mul(n),
                    )
                })
        };
        let (cpu, more_cpu) = freed(SizedResource::Cpu);
        let (memory, more_memory) = freed(SizedResource::Memory);
        if cpu > 0 || memory > 0 {
            reasons.push(Reason::Frees {
                cpu: MilliCpu(cpu),
                memory: Bytes(memory),
                replicas,
            });
        }
        if workload.kind == WorkloadKind::CronJob {
            return (None, false);
        }
        let Some((price, total)) = &self.nodes else {
            return (None, true);
        };
        let half = MicroUsdPerMonth(price.0 / 2);
        let part = |amount: u64, of: u64| match of {
            0 => MicroUsdPerMonth::ZERO,
            of => half.ratio(amount, of),
        };
        let saved = part(cpu, total.cpu.0) + part(memory, total.memory.0);
        let costs = part(more_cpu, total.cpu.0) + part(more_memory, total.memory.0);
        let net = MicroUsdPerMonth(saved.0.saturating_sub(costs.0));
        ((net.0 > 0).then_some(net), false)
    }
}

/// A specification with one container's resources replaced.
fn with(spec: &PodSpec, container: &str, resources: &ContainerResources) -> PodSpec {
    let mut spec = spec.clone();
    let all = spec.containers.iter_mut().chain(&mut spec.init_containers);
    for c in all.filter(|c| c.name == container) {
        c.resources = resources.clone();
    }
    spec
}
