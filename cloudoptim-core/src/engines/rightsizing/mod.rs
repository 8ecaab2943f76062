//! Rightsizing: requests of containers from what they use, and the cheapest
//! type for a node.
//!
//! It reads usage with workloads and pods, and who else has a say: autoscalers,
//! limit ranges, quotas, owners. It may set requests and limits in the template
//! of a Deployment, StatefulSet, DaemonSet or CronJob. It never lowers memory
//! below what any pod has used, never changes a pod's QoS class, never takes
//! more than 30 % in one step, and never touches what an operator, a vertical
//! autoscaler or a repository sizes.
//!
//! A lower request saves nothing by itself: a node has to go. So what a change
//! is worth stands in `at_stake_per_month`, as the share of the nodes' price
//! that it frees (half of a node's price counts for its CPU, half for its
//! memory); a joint run counts the nodes that the packer can then remove.
//!
//! A raised request has to fit on one node with the rest of its pod, beside
//! what DaemonSets and static pods ask for there; a DaemonSet has to fit on each
//! of its nodes.
//!
//! | workload | the act changes | restarts |
//! | --- | --- | --- |
//! | Deployment, StatefulSet, DaemonSet | the template | its pods, in a rollout |
//! | CronJob | the template | nothing: the next run has it |
//!
//! Where every kubelet could resize the running pods in place, a reason says so
//! ([`Reason::ResizableInPlace`]), and whether the container's resize policy
//! would restart it then. The act stays the template's: new pods need it.
//!
//! Rules are published formulas ([`Rule`]); where the settings' defaults come
//! from stands in [`Config`].

mod config;
mod container;
mod history;
mod nodes;
mod reason;
mod room;
mod rules;
mod runtime;

pub use crate::engines::sizing::SizedResource;
pub use config::{Config, LimitRule, Rule};
pub use reason::Reason;

use super::sizing::{Part, Workloads, gitops, incomplete, not_collected};
use super::{Engine, EngineError, EngineId, EngineOutput, Inputs, NotJudged};
use crate::decision::{Decision, MissingEvidence, Subject};
use crate::model::{Cluster, UsageSummary, Workload, WorkloadKind, WorkloadRef};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct Rightsizing {
    config: Config,
}

impl Rightsizing {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for Rightsizing {
    fn id(&self) -> EngineId {
        EngineId::Rightsizing
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs)
    }
}

/// Decides about every container of every workload, and about every node.
///
/// # Errors
/// [`EngineError::BadSetting`] for settings out of range.
pub fn decide(config: &Config, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let snapshot = inputs.laid();
    let mut decisions = Vec::new();
    let mut not_judged = Vec::new();
    for cluster in &snapshot.clusters {
        let subject = || Subject::Cluster {
            cluster: cluster.uid.clone(),
        };
        let parts: [(&str, &dyn Part, usize); 3] = [
            ("workloads", &cluster.workloads, 1),
            ("pods", &cluster.pods, cluster.workloads.items().len()),
            ("usage", &cluster.usage, cluster.workloads.items().len()),
        ];
        for (part, knowledge, count) in parts {
            if let Some(state) = knowledge.state() {
                not_judged.push(NotJudged {
                    subject: Some(subject()),
                    count: u64::try_from(count).unwrap_or(u64::MAX),
                    missing: MissingEvidence::Part {
                        part: part.to_owned(),
                        state,
                    },
                });
            }
        }
        containers(config, inputs, cluster, &mut decisions);
        if config.node_types {
            nodes::judge(inputs, cluster, &mut decisions);
        }
    }
    let mut output = EngineOutput::new(EngineId::Rightsizing, decisions);
    not_judged.sort();
    output.not_judged = not_judged;
    Ok(output)
}

fn containers(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    decisions: &mut Vec<Decision>,
) {
    let workloads = Workloads::new(cluster);
    let mut parts: Vec<(&str, &dyn Part)> = vec![
        ("workloads", &cluster.workloads),
        ("pods", &cluster.pods),
        ("nodes", &cluster.nodes),
        ("usage", &cluster.usage),
        ("horizontal autoscalers", &cluster.horizontal_autoscalers),
        ("limit ranges", &cluster.limit_ranges),
        ("resource quotas", &cluster.resource_quotas),
    ];
    if !(config.without_vpa && not_collected(&cluster.vertical_autoscalers)) {
        parts.push(("vertical autoscalers", &cluster.vertical_autoscalers));
    }
    if !(config.without_keda && not_collected(&cluster.scaled_objects)) {
        parts.push(("scaled objects", &cluster.scaled_objects));
    }
    let missing = incomplete(&parts);
    let nothing = UsageSummary::default();
    let usage = cluster.usage.value().unwrap_or(&nothing);
    let mut sizer = container::Sizer::new(config, inputs, &workloads, usage);
    // What runs on every node comes first: the others get what it leaves.
    let is_set = |w: &Workload| w.kind == WorkloadKind::DaemonSet;
    let sets = workloads.sized.iter().filter(|(_, w)| is_set(w));
    let others = workloads.sized.iter().filter(|(_, w)| !is_set(w));
    for (reference, workload) in sets.chain(others) {
        let whole = workload_reason(config, inputs, &workloads, reference, workload);
        for mut decision in sizer.workload(reference, workload, whole.as_ref()) {
            if !missing.is_empty() {
                hold(&mut decision, &missing);
            }
            decisions.push(decision);
        }
    }
    // Pods that no workload of ours makes.
    for reference in workloads.pods.keys() {
        if workloads.sized.contains_key(reference) {
            continue;
        }
        let reason = if inputs.policy.protects(&reference.namespace) {
            Reason::ProtectedNamespace {
                namespace: reference.namespace.clone(),
            }
        } else if reference.kind == WorkloadKind::Pod {
            Reason::NoController
        } else {
            Reason::OwnedByOther {
                owner: format!("{} {}", reference.kind, reference.name),
            }
        };
        decisions.push(Decision::keep(
            EngineId::Rightsizing,
            Subject::Workload {
                cluster: cluster.uid.clone(),
                workload: reference.clone(),
            },
            vec![reason.into()],
        ));
    }
}

/// Makes a keep of an act, because of parts that are not complete.
fn hold(decision: &mut Decision, missing: &[(String, String)]) {
    let was_act = !decision.is_keep();
    decision.actions.clear();
    for (part, state) in missing {
        decision.reasons.push(
            Reason::PartMissing {
                part: part.clone(),
                state: state.clone(),
            }
            .into(),
        );
        if was_act {
            decision.missing_evidence.push(MissingEvidence::Part {
                part: part.clone(),
                state: state.clone(),
            });
        }
    }
}

/// What keeps the engine off a whole workload.
fn workload_reason(
    config: &Config,
    inputs: &Inputs<'_>,
    workloads: &Workloads<'_>,
    reference: &WorkloadRef,
    workload: &Workload,
) -> Option<Reason> {
    if inputs.policy.protects(&reference.namespace) {
        return Some(Reason::ProtectedNamespace {
            namespace: reference.namespace.clone(),
        });
    }
    let annotation = config.opt_out_annotation.as_str();
    if workload.meta.annotation(annotation) == Some("true") {
        return Some(Reason::OptedOut {
            annotation: annotation.to_owned(),
        });
    }
    if let Some(owner) = workload.meta.controller() {
        return Some(Reason::OwnedByOther {
            owner: format!("{} {}", owner.kind, owner.name),
        });
    }
    if let Some(vpa) = workloads.vpa(reference) {
        return Some(Reason::SizedByVpa {
            vpa: vpa.meta.name.clone(),
            mode: vpa.update_mode.clone(),
        });
    }
    match workload.kind {
        WorkloadKind::Job => return Some(Reason::TemplateImmutable),
        WorkloadKind::Pod | WorkloadKind::ReplicaSet => return Some(Reason::OnDelete),
        _ => {}
    }
    if workload.update_strategy.as_deref() == Some("OnDelete") {
        return Some(Reason::OnDelete);
    }
    if workload.paused {
        return Some(Reason::Paused);
    }
    if workload.kind != WorkloadKind::CronJob {
        if workload.replicas == Some(0) {
            return Some(Reason::NotRunning);
        }
        match workload.rollout_finished() {
            Some(true) => {}
            Some(false) => return Some(Reason::RolloutInProgress),
            None => return Some(Reason::RolloutUnknown),
        }
    }
    let spec = workload.template.as_ref().map(|t| &t.spec);
    if spec.is_some_and(|s| s.resources.is_some()) {
        return Some(Reason::PodLevelResources);
    }
    gitops(workload).map(|by| Reason::AppliedFromRepository { by })
}
