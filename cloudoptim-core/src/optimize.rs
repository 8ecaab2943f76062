//! The joint run: eight engines, one plan, every dollar once.
//!
//! Requests and replicas free room; only a node that goes frees money. So the
//! packer is asked three times, each time on the cluster that the earlier
//! answers leave:
//!
//! 1. with the requests that are *raised* (they cost, and come first);
//! 2. with those that are lowered too: what goes now goes because of the
//!    rightsizing, and waits for it;
//! 3. with the workloads asleep that sleep now: what goes now is saved only
//!    for the share of the week that they sleep.

use crate::decision::{Action, Decision, Subject};
use crate::engines::{
    Alternative, Engine, EngineError, EngineId, EngineOutput, Figures, Inputs, NotJudged,
    bin_packing, ghost_probe, network, office_hours, oom, rightsizing, running_workloads, spot,
    zombie_volumes,
};
use crate::ledger::{Asleep, Ledgers};
use crate::model::{ClusterUid, ContainerResources, ResourceList, WorkloadRef};
use crate::overlay::{MovedPod, NodeAddition, NodeRef, Overlay, ReplicaChange, RequestChange};
use crate::plan::{DeclineReason, Declined, Plan, PlanInput};
use crate::version::Version;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Where a joint run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The engine that starts.
    pub engine: EngineId,
    /// Steps done.
    pub done: u32,
    /// Steps in all.
    pub of: u32,
}

/// Runs the engines that the policy names and makes one plan of their answers.
///
/// # Errors
/// [`EngineError`] of the first engine that cannot answer.
pub fn optimize(inputs: &Inputs<'_>) -> Result<Plan, EngineError> {
    optimize_observed(inputs, &mut |_| {})
}

/// [`optimize`], telling `observe` before each step.
///
/// # Errors
/// As [`optimize`].
pub fn optimize_observed(
    inputs: &Inputs<'_>,
    observe: &mut dyn FnMut(Progress),
) -> Result<Plan, EngineError> {
    let joint = decide_jointly(inputs, observe)?;
    Ok(crate::plan::plan(inputs, joint))
}

/// The engine of that id with the policy's settings.
pub fn engine(id: EngineId, policy: &crate::policy::Policy) -> Box<dyn Engine> {
    match id {
        EngineId::Oom => Box::new(oom::Oom::new(policy.oom.clone())),
        EngineId::Rightsizing => {
            Box::new(rightsizing::Rightsizing::new(policy.rightsizing.clone()))
        }
        EngineId::OfficeHours => {
            Box::new(office_hours::OfficeHours::new(policy.office_hours.clone()))
        }
        EngineId::Spot => Box::new(spot::Spot::new(policy.spot.clone())),
        EngineId::BinPacking => Box::new(bin_packing::BinPacking::new(policy.bin_packing.clone())),
        EngineId::GhostProbe => Box::new(ghost_probe::GhostProbe::new(policy.ghost_probe.clone())),
        EngineId::ZombieVolumes => Box::new(zombie_volumes::ZombieVolumes::new(
            policy.zombie_volumes.clone(),
        )),
        EngineId::Network => Box::new(network::Network::new(policy.network.clone())),
    }
}

struct Run<'a, 'b> {
    inputs: &'a Inputs<'a>,
    observe: &'b mut dyn FnMut(Progress),
    done: u32,
}

impl Run<'_, '_> {
    const STEPS: u32 = 10;

    fn ask(
        &mut self,
        id: EngineId,
        overlay: &Overlay,
        ledgers: &Ledgers,
    ) -> Result<Option<EngineOutput>, EngineError> {
        (self.observe)(Progress {
            engine: id,
            done: self.done,
            of: Self::STEPS,
        });
        self.done += 1;
        if !self.inputs.policy.engines.contains(&id) {
            return Ok(None);
        }
        let inputs = Inputs {
            overlay,
            ledgers,
            ..*self.inputs
        };
        engine(id, self.inputs.policy).decide(&inputs).map(Some)
    }
}

fn decide_jointly(
    inputs: &Inputs<'_>,
    observe: &mut dyn FnMut(Progress),
) -> Result<PlanInput, EngineError> {
    let mut run = Run {
        inputs,
        observe,
        done: 0,
    };
    let base = inputs.overlay.clone();
    let ledgers = inputs.ledgers;
    let mut joint = PlanInput::default();

    // A raise after a kill comes before any other size of the same container.
    let oom = run.ask(EngineId::Oom, &base, ledgers)?;
    let taken = resources(oom.as_ref());
    let raised = sizes(oom.as_ref(), &BTreeSet::new());
    let sized = base.clone().then(raised.after);
    let mut rightsizing = run.ask(EngineId::Rightsizing, &sized, ledgers)?;
    joint.declined = limit_resizes(inputs, rightsizing.as_mut());
    let resized = sizes(rightsizing.as_ref(), &taken);
    let office_hours = run.ask(EngineId::OfficeHours, &base, ledgers)?;
    let spot = run.ask(EngineId::Spot, &base, ledgers)?;

    // The packer, three times, each on what the earlier answers leave.
    let mut overlay = sized.then(resized.meanwhile);
    let first = run.ask(EngineId::BinPacking, &overlay, ledgers)?;
    let mut packing = None;
    if let Some(mut first) = first {
        let mut unsafe_to_go = only_safe(inputs, &overlay, &mut first);
        joint.packed_on.insert(0, overlay.clone());
        overlay = overlay.then(after_packing(&first));
        let packing = packing.insert(Packing::first(first));
        if !resized.after.requests.is_empty() {
            overlay = overlay.then(resized.after);
            if let Some(mut second) = run.ask(EngineId::BinPacking, &overlay, ledgers)? {
                unsafe_to_go.extend(only_safe(inputs, &overlay, &mut second));
                joint.packed_on.insert(1, overlay.clone());
                overlay = overlay.then(after_packing(&second));
                packing.next(second, Because::LowerRequests);
            }
        }
        let asleep = asleep_after(office_hours.as_ref());
        if !asleep.replicas.is_empty() {
            overlay = overlay.then(asleep);
            if let Some(mut third) = run.ask(EngineId::BinPacking, &overlay, ledgers)? {
                unsafe_to_go.extend(only_safe(inputs, &overlay, &mut third));
                joint.packed_on.insert(2, overlay.clone());
                let share =
                    office_hours::asleep_fraction_milli(&inputs.policy.office_hours, inputs, false);
                packing.next(
                    third,
                    Because::Asleep {
                        share_milli: u64::from(share),
                    },
                );
            }
        }
        joint.declined.extend(packing.stay(unsafe_to_go));
    }

    let ghosts = run.ask(EngineId::GhostProbe, &base, ledgers)?;
    let mut sleepers = ledgers.clone();
    add_sleepers(&mut sleepers, office_hours.as_ref(), inputs.now());
    let zombies = run.ask(EngineId::ZombieVolumes, &base, &sleepers)?;
    let network = run.ask(EngineId::Network, &base, ledgers)?;

    let all = [oom, rightsizing, office_hours, spot];
    joint.outputs.extend(all.into_iter().flatten());
    if let Some(packing) = packing {
        joint.waits_for_requests = packing.waits_for_requests.clone();
        joint.waits_for_sleep = packing.waits_for_sleep.clone();
        joint.outputs.push(packing.finish());
    }
    joint
        .outputs
        .extend([ghosts, zombies, network].into_iter().flatten());
    Ok(joint)
}

/// Takes out what the packer decided and what has no safe way there, with the
/// reason: what is asked next is asked about a cluster where these nodes stay.
fn only_safe(inputs: &Inputs<'_>, overlay: &Overlay, output: &mut EngineOutput) -> Vec<Declined> {
    let inputs = Inputs { overlay, ..*inputs };
    let mut because: BTreeMap<Subject, DeclineReason> = BTreeMap::new();
    for cluster in &inputs.snapshot.clusters {
        let of_cluster =
            |s: &Subject| matches!(s, Subject::Node { cluster: c, .. } if *c == cluster.uid);
        let acts = |d: &&Decision| !d.is_keep() && of_cluster(&d.subject);
        let acting: Vec<Decision> = output.decisions.iter().filter(acts).cloned().collect();
        if acting.is_empty() {
            continue;
        }
        let config = &inputs.policy.bin_packing;
        match bin_packing::migration(config, &inputs, &cluster.uid, &acting) {
            Ok(way) => because.extend(way.left_out.into_iter().map(|left_out| {
                let (cluster, node) = (cluster.uid.clone(), left_out.node);
                let obstacle = Box::new(left_out.because);
                let because = DeclineReason::NoSafeWay { obstacle };
                (Subject::Node { cluster, node }, because)
            })),
            Err(error) => because.extend(acting.into_iter().map(|decision| {
                let error = error.to_string();
                (decision.subject, DeclineReason::WayNotFound { error })
            })),
        }
    }
    let (mut kept, mut declined) = (Vec::new(), Vec::new());
    for decision in std::mem::take(&mut output.decisions) {
        match because
            .get(&decision.subject)
            .filter(|_| !decision.is_keep())
        {
            None => kept.push(decision),
            Some(because) => declined.push(Declined {
                decision,
                because: because.clone(),
            }),
        }
    }
    output.decisions = kept;
    declined
}

/// Resources that the decisions change.
fn resources(output: Option<&EngineOutput>) -> BTreeSet<String> {
    output
        .into_iter()
        .flat_map(|o| &o.decisions)
        .flat_map(|d| &d.actions)
        .map(Action::resource)
        .collect()
}

/// Leaves as many resizes as one plan may make, those with the most at stake,
/// and gives the others back with the reason. Raises are not limited: they
/// protect what runs.
fn limit_resizes(inputs: &Inputs<'_>, output: Option<&mut EngineOutput>) -> Vec<Declined> {
    let Some(output) = output else {
        return Vec::new();
    };
    let clusters = inputs.snapshot.clusters.iter();
    let population = clusters.map(running_workloads).sum();
    let limit = inputs.policy.plan.resize_limit(population);
    let mut order: Vec<usize> = (0..output.decisions.len())
        .filter(|i| output.decisions.get(*i).is_some_and(lowers))
        .collect();
    let candidates = u64::try_from(order.len()).unwrap_or(u64::MAX);
    order.sort_by_key(|i| {
        let stake = output.decisions.get(*i).and_then(|d| d.at_stake_per_month);
        (std::cmp::Reverse(stake), *i)
    });
    let over: BTreeSet<usize> = order
        .into_iter()
        .skip(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect();
    let (mut kept, mut declined) = (Vec::new(), Vec::new());
    for (place, decision) in std::mem::take(&mut output.decisions)
        .into_iter()
        .enumerate()
    {
        if over.contains(&place) {
            let because = DeclineReason::OverLimit {
                limit,
                candidates,
                population,
            };
            declined.push(Declined { decision, because });
        } else {
            kept.push(decision);
        }
    }
    output.decisions = kept;
    declined
}

/// Whether a decision takes something from a container.
fn lowers(decision: &Decision) -> bool {
    decision.actions.iter().any(|action| match action {
        Action::ResizeContainer { from, to, .. } => {
            to.requests.cpu < from.requests.cpu || to.requests.memory < from.requests.memory
        }
        _ => false,
    })
}

/// The requests that the decisions set, and what they take while the change
/// is under way: the larger of before and after.
struct Sizes {
    after: Overlay,
    meanwhile: Overlay,
}

/// Sizes set by the decisions that touch none of `taken`.
fn sizes(output: Option<&EngineOutput>, taken: &BTreeSet<String>) -> Sizes {
    let mut sizes = Sizes {
        after: Overlay::default(),
        meanwhile: Overlay::default(),
    };
    let actions = output
        .into_iter()
        .flat_map(|o| &o.decisions)
        .flat_map(|d| &d.actions);
    for action in actions.filter(|a| !taken.contains(&a.resource())) {
        if let Action::ResizeContainer {
            cluster,
            workload,
            container,
            from,
            to,
            ..
        } = action
        {
            let change = |resources: ContainerResources| RequestChange {
                cluster: cluster.clone(),
                workload: workload.clone(),
                container: container.clone(),
                resources,
            };
            sizes.after.requests.push(change((**to).clone()));
            let meanwhile = ContainerResources {
                requests: higher(&from.requests, &to.requests),
                limits: to.limits.clone(),
            };
            sizes.meanwhile.requests.push(change(meanwhile));
        }
    }
    sizes
}

fn higher(a: &ResourceList, b: &ResourceList) -> ResourceList {
    let mut extended = a.extended.clone();
    for (name, amount) in &b.extended {
        let have = extended.entry(name.clone()).or_default();
        *have = (*have).max(*amount);
    }
    ResourceList {
        cpu: a.cpu.max(b.cpu),
        memory: a.memory.max(b.memory),
        ephemeral_storage: a.ephemeral_storage.max(b.ephemeral_storage),
        extended,
    }
}

/// A workload whose replicas a decision changes.
pub(crate) struct Scaled {
    pub(crate) cluster: ClusterUid,
    pub(crate) workload: WorkloadRef,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// What a decision's actions scale: by its replicas, or by pausing what KEDA
/// scales, where the mark of the same decision says what it had.
pub(crate) fn scaled<'a>(
    subject: &Subject,
    actions: impl Iterator<Item = &'a Action> + Clone,
) -> Option<Scaled> {
    let annotation = |wanted: &str| {
        actions.clone().find_map(|action| match action {
            Action::Annotate { key, to, .. } if key == wanted => to.as_deref(),
            _ => None,
        })
    };
    let by_replicas = actions.clone().find_map(|action| match action {
        Action::ScaleWorkload {
            cluster,
            workload,
            from,
            to,
        } => Some(Scaled {
            cluster: cluster.clone(),
            workload: workload.clone(),
            from: *from,
            to: *to,
        }),
        _ => None,
    });
    by_replicas.or_else(|| {
        let Subject::Workload { cluster, workload } = subject else {
            return None;
        };
        let to = annotation(office_hours::KEDA_PAUSED)?.parse().ok()?;
        let from = annotation(office_hours::MARK)?.parse().ok()?;
        Some(Scaled {
            cluster: cluster.clone(),
            workload: workload.clone(),
            from,
            to,
        })
    })
}

/// What the decisions put to sleep.
fn sleeping(output: Option<&EngineOutput>) -> impl Iterator<Item = Scaled> {
    let decisions = output.into_iter().flat_map(|o| &o.decisions);
    let scaled = decisions.filter_map(|d| scaled(&d.subject, d.actions.iter()));
    scaled.filter(|s| s.to < s.from)
}

/// Replicas after what goes to sleep. What wakes is not in it: where its pods
/// will go is not known, and they find the nodes as they are.
fn asleep_after(output: Option<&EngineOutput>) -> Overlay {
    Overlay {
        replicas: sleeping(output)
            .map(|s| ReplicaChange {
                cluster: s.cluster,
                workload: s.workload,
                replicas: s.to,
            })
            .collect(),
        ..Default::default()
    }
}

/// The cluster after the packer's decisions.
fn after_packing(output: &EngineOutput) -> Overlay {
    let mut overlay = Overlay::default();
    for action in output.decisions.iter().flat_map(|d| &d.actions) {
        match action {
            Action::DrainNode { cluster, moves, .. } => {
                for moved in moves {
                    if let Some(node) = &moved.to {
                        overlay.moved_pods.push(MovedPod {
                            cluster: cluster.clone(),
                            pod: moved.uid.clone(),
                            node: node.clone(),
                        });
                    }
                }
            }
            Action::LaunchNodes { cluster, launch } => {
                let shape = launch.shape.as_deref();
                for (name, shape) in launch.nodes.iter().filter_map(|n| Some((n, shape?))) {
                    let mut node = shape.node(name);
                    node.allocatable.subtract(&shape.daemons);
                    overlay.added_nodes.push(NodeAddition {
                        cluster: cluster.clone(),
                        node,
                    });
                }
            }
            Action::RemoveNode { cluster, node, .. } => {
                overlay.removed_nodes.push(NodeRef {
                    cluster: cluster.clone(),
                    node: node.clone(),
                });
            }
            _ => {}
        }
    }
    overlay
}

/// Adds what goes to sleep now: its volumes are no zombies.
fn add_sleepers(ledgers: &mut Ledgers, output: Option<&EngineOutput>, now: DateTime<Utc>) {
    // A ledger that is not there stays so: it may have held more sleepers.
    let Some(known) = &mut ledgers.asleep else {
        return;
    };
    known.extend(sleeping(output).filter(|s| s.to == 0).map(|s| Asleep {
        cluster: s.cluster,
        workload: s.workload,
        replicas: s.from,
        since: now,
        generation: None,
    }));
}

/// Why a node can go in a later answer and not in the first.
#[derive(Clone, Copy)]
enum Because {
    LowerRequests,
    Asleep { share_milli: u64 },
}

/// The answers of the packer, laid over each other.
#[derive(Default)]
struct Packing {
    decisions: Vec<Decision>,
    figures: Vec<Figures>,
    alternatives: Vec<Alternative>,
    not_judged: Vec<NotJudged>,
    waits_for_requests: BTreeSet<Subject>,
    waits_for_sleep: BTreeSet<Subject>,
}

impl Packing {
    fn first(output: EngineOutput) -> Self {
        Self {
            decisions: output.decisions,
            figures: output.figures,
            alternatives: output.alternatives,
            not_judged: output.not_judged,
            ..Self::default()
        }
    }

    /// Takes over what goes beyond the earlier answers, and the newer reasons
    /// of what stays.
    fn next(&mut self, output: EngineOutput, because: Because) {
        for mut decision in output.decisions {
            let subject = decision.subject.clone();
            let have = self.decisions.iter().position(|d| d.subject == subject);
            if let Some(place) = have {
                if self.decisions.get(place).is_some_and(|d| !d.is_keep()) {
                    continue;
                }
                // What acts now comes after what acted before.
                self.decisions.remove(place);
            }
            if !decision.is_keep() {
                match because {
                    Because::LowerRequests => {
                        self.waits_for_requests.insert(subject.clone());
                    }
                    Because::Asleep { share_milli } => {
                        self.waits_for_sleep.insert(subject.clone());
                        decision.saves_per_month =
                            decision.saves_per_month.map(|s| s.ratio(share_milli, 1000));
                    }
                }
            }
            self.decisions.push(decision);
        }
        let what = match because {
            Because::LowerRequests => "with the new requests",
            Because::Asleep { .. } => "while asleep",
        };
        self.figures.extend(output.figures.into_iter().map(|mut f| {
            f.of = format!("{} {what}", f.of);
            f
        }));
    }

    /// What has no safe way and does not go by a later answer either: the last
    /// word about each node.
    fn stay(&mut self, unsafe_to_go: Vec<Declined>) -> Vec<Declined> {
        let mut last: BTreeMap<Subject, Declined> = BTreeMap::new();
        for declined in unsafe_to_go {
            last.insert(declined.decision.subject.clone(), declined);
        }
        for decision in self.decisions.iter().filter(|d| !d.is_keep()) {
            last.remove(&decision.subject);
        }
        // A later answer gave another reason to keep it.
        self.decisions.retain(|d| !last.contains_key(&d.subject));
        last.into_values().collect()
    }

    fn finish(self) -> EngineOutput {
        EngineOutput {
            version: Version::KNOWN,
            engine: EngineId::BinPacking,
            decisions: self.decisions,
            figures: self.figures,
            alternatives: self.alternatives,
            not_judged: self.not_judged,
        }
    }
}
