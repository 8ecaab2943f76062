//! One step, one request.

use crate::decision::Action;
use crate::guard::Permit;
use crate::model::{AccountId, ClusterUid, Region};
use crate::providers::{Actuators, Call, CloudActuators, ClusterActuators, ProviderError};

/// Sends the request of the permit's action.
pub(super) async fn apply(permit: &Permit, actuators: &Actuators) -> Result<(), ProviderError> {
    match permit.action() {
        Action::LaunchNodes { cluster, launch } => {
            let nodes = &of_cluster(actuators, cluster)?.nodes;
            nodes.launch_nodes(permit, launch).await
        }
        Action::ReleaseNodes {
            cluster,
            launch,
            key,
        } => {
            let nodes = &of_cluster(actuators, cluster)?.nodes;
            nodes.release_nodes(permit, launch, key).await
        }
        Action::CordonNode { cluster, node } => {
            let nodes = &of_cluster(actuators, cluster)?.nodes;
            nodes.cordon_node(permit, node).await
        }
        Action::UncordonNode { cluster, node } => {
            let nodes = &of_cluster(actuators, cluster)?.nodes;
            nodes.uncordon_node(permit, node).await
        }
        Action::DrainNode {
            cluster,
            node,
            moves,
        } => {
            let nodes = &of_cluster(actuators, cluster)?.nodes;
            nodes.drain_node(permit, node, moves).await
        }
        Action::RemoveNode {
            cluster, node, via, ..
        } => {
            let nodes = &of_cluster(actuators, cluster)?.nodes;
            nodes.remove_node(permit, node, via).await
        }
        Action::DeleteNodeObject { cluster, node, .. } => {
            let nodes = &of_cluster(actuators, cluster)?.nodes;
            nodes.delete_node_object(permit, node).await
        }
        Action::ResizeContainer {
            cluster,
            workload,
            container,
            init,
            to,
            ..
        } => {
            let workloads = &of_cluster(actuators, cluster)?.workloads;
            workloads
                .resize_container(permit, workload, container, *init, to)
                .await
        }
        Action::ScaleWorkload {
            cluster,
            workload,
            to,
            ..
        } => {
            let workloads = &of_cluster(actuators, cluster)?.workloads;
            workloads.scale_workload(permit, workload, *to).await
        }
        Action::SuspendWorkload {
            cluster,
            workload,
            suspend,
        } => {
            let workloads = &of_cluster(actuators, cluster)?.workloads;
            workloads.suspend_workload(permit, workload, *suspend).await
        }
        Action::PreferZone {
            cluster,
            workload,
            to,
            ..
        } => {
            let workloads = &of_cluster(actuators, cluster)?.workloads;
            workloads.prefer_zone(permit, workload, to.clone()).await
        }
        Action::SetSpotShare {
            cluster,
            workload,
            to,
            pools,
            fallback,
            ..
        } => {
            let workloads = &of_cluster(actuators, cluster)?.workloads;
            workloads
                .set_spot_share(permit, workload, *to, pools, fallback)
                .await
        }
        Action::Annotate {
            cluster,
            object,
            key,
            to,
            ..
        } => {
            let objects = &of_cluster(actuators, cluster)?.objects;
            objects.annotate(permit, object, key, to.clone()).await
        }
        Action::RouteService {
            cluster,
            service,
            to,
            ..
        } => {
            let objects = &of_cluster(actuators, cluster)?.objects;
            objects.route_service(permit, service, to.clone()).await
        }
        Action::Tag {
            account,
            region,
            resource,
            key,
            to,
            ..
        } => {
            let tags = &of_cloud(actuators, account, region)?.tags;
            tags.tag(permit, resource, key, to.clone()).await
        }
        Action::StopInstance {
            account,
            region,
            instance,
        } => {
            let instances = &of_cloud(actuators, account, region)?.instances;
            instances.stop_instance(permit, instance).await
        }
        Action::StartInstance {
            account,
            region,
            instance,
        } => {
            let instances = &of_cloud(actuators, account, region)?.instances;
            instances.start_instance(permit, instance).await
        }
        Action::TerminateInstance {
            account,
            region,
            instance,
            via,
        } => {
            let instances = &of_cloud(actuators, account, region)?.instances;
            instances.terminate_instance(permit, instance, via).await
        }
        Action::SnapshotVolume {
            account,
            region,
            volume,
        } => {
            let volumes = &of_cloud(actuators, account, region)?.volumes;
            volumes.snapshot_volume(permit, volume).await
        }
        Action::DeleteVolume {
            account,
            region,
            volume,
            ..
        } => {
            let volumes = &of_cloud(actuators, account, region)?.volumes;
            volumes.delete_volume(permit, volume).await
        }
    }
}

fn none(scope: String) -> ProviderError {
    ProviderError::NotSupported {
        call: Box::new(Call::new("cloudoptim", "act").on(scope)),
    }
}

fn of_cluster<'a>(
    actuators: &'a Actuators,
    uid: &ClusterUid,
) -> Result<&'a ClusterActuators, ProviderError> {
    actuators
        .clusters
        .get(uid)
        .ok_or_else(|| none(format!("cluster {uid}")))
}

fn of_cloud<'a>(
    actuators: &'a Actuators,
    account: &AccountId,
    region: &Region,
) -> Result<&'a CloudActuators, ProviderError> {
    actuators
        .clouds
        .get(&(account.clone(), region.clone()))
        .ok_or_else(|| none(format!("{account}/{region}")))
}
