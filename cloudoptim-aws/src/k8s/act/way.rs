//! Which actions Kubernetes has a way for.

use cloudoptim_core::decision::{Action, Owner};
use cloudoptim_core::model::WorkloadKind;
use cloudoptim_core::plan::{Plan, Step};

/// Why no request to the Kubernetes API does what the action wants; `None` when
/// one does. What depends on the state of an object shows only when it is
/// read.
pub fn no_way(action: &Action) -> Option<&'static str> {
    match action {
        Action::LaunchNodes { launch, .. } | Action::ReleaseNodes { launch, .. } => {
            Some(match &launch.via {
                Owner::NodePool { .. } | Owner::NodeClaim { .. } => {
                    "Karpenter launches by itself, for pods that are pending"
                }
                Owner::AutoScalingGroup { .. } | Owner::NodeGroup { .. } => {
                    "its group is asked through EC2"
                }
                _ => "nobody in the cluster launches nodes for that owner",
            })
        }
        Action::RemoveNode { via, .. } => match via {
            Owner::NodeClaim { .. } => None,
            Owner::NodePool { .. } => Some("a node goes by its claim, not by its pool"),
            Owner::AutoScalingGroup { .. } | Owner::NodeGroup { .. } => {
                Some("its group is asked through EC2, by the instance")
            }
            _ => Some("nobody in the cluster removes it with its instance"),
        },
        Action::ResizeContainer { workload, .. }
        | Action::PreferZone { workload, .. }
        | Action::SetSpotShare { workload, .. } => (!matches!(
            workload.kind,
            WorkloadKind::Deployment
                | WorkloadKind::StatefulSet
                | WorkloadKind::DaemonSet
                | WorkloadKind::CronJob
        ))
        .then_some("its template cannot be changed"),
        Action::ScaleWorkload { workload, .. } => (!matches!(
            workload.kind,
            WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::ReplicaSet
        ))
        .then_some("it has no replicas"),
        Action::SuspendWorkload { workload, .. } => {
            (!matches!(workload.kind, WorkloadKind::Job | WorkloadKind::CronJob))
                .then_some("it cannot be suspended")
        }
        Action::CordonNode { .. }
        | Action::UncordonNode { .. }
        | Action::DrainNode { .. }
        | Action::DeleteNodeObject { .. }
        | Action::Annotate { .. }
        | Action::RouteService { .. } => None,
        _ => Some("it is not in the cluster"),
    }
}

/// Steps of the plan that no [`ClusterActuator`](super::ClusterActuator) can do,
/// with the reason. A decision with such a step would be done in part and taken
/// back, so who has no other actuator should not begin with the plan.
pub fn steps_without_way(plan: &Plan) -> Vec<(&Step, &'static str)> {
    let steps = plan.steps.iter();
    steps
        .filter_map(|step| no_way(&step.action).map(|why| (step, why)))
        .collect()
}
