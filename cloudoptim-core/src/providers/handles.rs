//! The traits of one scope together, and all scopes of a run.

use super::{
    AccountSource, CloudIdentity, ClusterIdentity, GroupSource, InstanceActuator, InstanceSource,
    NodeActuator, NodeSource, ObjectActuator, ObservationSource, PodSource, RuleSource,
    ServiceSource, StorageSource, TagActuator, VolumeActuator, VolumeSource, WorkloadActuator,
    WorkloadSource,
};
use crate::model::{AccountId, ClusterUid, Region};
use std::collections::BTreeMap;
use std::sync::Arc;

macro_rules! handles {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $bound:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[$doc])* pub $field: Arc<dyn $bound>,)*
        }

        impl $name {
            /// One provider in every role.
            pub fn of<P>(provider: Arc<P>) -> Self
            where
                P: $($bound +)* 'static,
            {
                Self { $($field: provider.clone(),)* }
            }
        }
    };
}

handles! {
    /// What reads one account in one region.
    CloudSources {
        /// Who we are.
        identity: CloudIdentity,
        /// Instances.
        instances: InstanceSource,
        /// Volumes and snapshots.
        volumes: VolumeSource,
        /// Groups and clusters.
        groups: GroupSource,
        /// The rest.
        account: AccountSource,
    }
}

handles! {
    /// What reads one cluster.
    ClusterSources {
        /// Which cluster it is.
        identity: ClusterIdentity,
        /// Nodes.
        nodes: NodeSource,
        /// Pods.
        pods: PodSource,
        /// Workloads.
        workloads: WorkloadSource,
        /// Rules.
        rules: RuleSource,
        /// Storage.
        storage: StorageSource,
        /// Services.
        services: ServiceSource,
        /// Measurements.
        observations: ObservationSource,
    }
}

handles! {
    /// What changes one account in one region.
    CloudActuators {
        /// Instances.
        instances: InstanceActuator,
        /// Volumes.
        volumes: VolumeActuator,
        /// Tags.
        tags: TagActuator,
    }
}

handles! {
    /// What changes one cluster.
    ClusterActuators {
        /// Nodes.
        nodes: NodeActuator,
        /// Workloads.
        workloads: WorkloadActuator,
        /// Annotations and services.
        objects: ObjectActuator,
    }
}

/// All that can be read, by scope.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// By account and region, as the host believes them to be.
    pub clouds: BTreeMap<(AccountId, Region), CloudSources>,
    /// By cluster, as the host believes them to be.
    pub clusters: BTreeMap<ClusterUid, ClusterSources>,
}

/// All that can be changed, by scope. What is not here cannot be acted on.
#[derive(Debug, Clone, Default)]
pub struct Actuators {
    /// By account and region.
    pub clouds: BTreeMap<(AccountId, Region), CloudActuators>,
    /// By cluster.
    pub clusters: BTreeMap<ClusterUid, ClusterActuators>,
}
