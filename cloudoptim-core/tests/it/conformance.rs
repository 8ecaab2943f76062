//! The suite of providers, on the world in memory.

use crate::execute::{Host, block_on, demote};
use crate::fixtures::{container, pod};
use async_trait::async_trait;
use chrono::TimeDelta;
use cloudoptim_core::collect::Part;
use cloudoptim_core::conformance::*;
use cloudoptim_core::decision::{
    Action, Launch, NodeShape, Offering, Owner, PodMove, SpotPoolShare,
};
use cloudoptim_core::guard::Permit;
use cloudoptim_core::journal::InMemoryJournal;
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::memory::{
    Fault, FaultKind, InMemory, InMemoryCloud, InMemoryCluster, ManualClock, ManualKillSwitch,
};
use cloudoptim_core::model::*;
use cloudoptim_core::providers::{
    Call, CloudIdentity, CloudSources, ClusterSources, InstanceActuator, InstanceSource,
    NoKillSwitch, ProviderError,
};
use std::collections::BTreeSet;
use std::sync::Arc;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";

/// The world of the execution tests, with a protected instance and an attached
/// volume beside.
fn prepared() -> InMemory {
    let memory = Host::new().memory;
    memory.change(|world| {
        let cloud = &mut world.clouds[0];
        let instances = cloud.instances.value_mut().unwrap();
        let ghost = instances.iter().find(|i| i.id.as_str() == "i-ghost");
        instances.push(Instance {
            id: "i-protected".into(),
            termination_protected: Some(true),
            stop_protected: Some(true),
            ..ghost.unwrap().clone()
        });
        let pods = world.clusters[0].pods.value_mut().unwrap();
        pods.push(pod(
            "shop",
            "web",
            "web-3",
            "n1",
            container("main", "1m", "1Mi"),
        ));
        cloud.volumes.value_mut().unwrap().push(Volume {
            id: "vol-attached".into(),
            state: VolumeState::InUse,
            attachments: vec![Attachment {
                instance: "i-n1".into(),
                ..Default::default()
            }],
            ..Default::default()
        });
    });
    memory
}

fn handles(memory: &InMemory) -> (Arc<InMemoryCloud>, Arc<InMemoryCluster>) {
    let cloud = memory.cloud(&ACCOUNT.into(), &REGION.into());
    (cloud, memory.cluster(&"c1".into()))
}

fn sources(memory: &InMemory) -> (CloudSources, ClusterSources) {
    let (cloud, cluster) = handles(memory);
    (CloudSources::of(cloud), ClusterSources::of(cluster))
}

fn check_sources(memory: &InMemory) {
    let (cloud, cluster) = handles(memory);
    let scope: (AccountId, Region) = (ACCOUNT.into(), REGION.into());
    block_on(an_account_knows_itself(&*cloud, &scope.0, &scope.1)).unwrap();
    block_on(a_cluster_knows_itself(&*cluster, &"c1".into())).unwrap();
    block_on(describes_what_it_lists(&*cloud, &"i-ghost".into())).unwrap();
    let (cloud, cluster) = sources(memory);
    block_on(lists_are_complete_or_say_so(
        Some((scope, cloud.clone())),
        Some(("c1".into(), cluster.clone())),
    ))
    .unwrap();
    block_on(lists_say_the_same_in_any_order(&cloud, &cluster, || {
        memory.change(|world| {
            world.clouds[0].instances.value_mut().unwrap().reverse();
            world.clouds[0].zones.value_mut().unwrap().reverse();
            world.clusters[0].nodes.value_mut().unwrap().reverse();
            world.clusters[0].pods.value_mut().unwrap().reverse();
            world.clusters[0].workloads.value_mut().unwrap().reverse();
        });
    }))
    .unwrap();
}

#[test]
fn the_journal_in_memory_keeps_the_contract_of_journals() {
    block_on(keeps_entries_in_order(&InMemoryJournal::default())).unwrap();
    let journal = InMemoryJournal::default();
    block_on(outlives_its_process(|| Ok(journal.clone()))).unwrap();
}

#[test]
fn the_world_in_memory_keeps_the_contract_of_sources() {
    check_sources(&prepared());
}

#[test]
fn a_list_of_the_world_in_memory_that_fails_is_never_a_whole() {
    for kind in [
        FaultKind::Throttled,
        FaultKind::Denied,
        FaultKind::LostRequest,
        FaultKind::LostAnswer,
    ] {
        let memory = prepared();
        let (cloud, cluster) = sources(&memory);
        let fail = |name: &str| {
            let _ = memory.clone().with_fault(Fault::always(name, kind));
        };
        block_on(a_failed_list_is_never_a_whole(&cloud, &cluster, fail)).unwrap();
    }
}

#[test]
fn what_the_world_in_memory_may_not_read_whole_is_not_complete() {
    let memory = prepared().with_fault(Fault::always("list_claims", FaultKind::Denied));
    memory.change(|world| {
        demote(world, Part::Pods, false);
        demote(world, Part::Volumes, true);
    });
    let (cloud, cluster) = sources(&memory);
    let whole = sources(&prepared());
    let check = |limited: &[&str]| {
        let whole = (&whole.0, &whole.1);
        block_on(what_may_not_be_read_whole_is_not_complete(
            &cloud, &cluster, whole, limited,
        ))
        .unwrap();
    };
    // Denied is an error, and the rest is read all the same.
    check(&["list_pods", "list_volumes", "list_claims"]);
    // Names that are none, or no names, check nothing.
    let all = ["list_pods", "list_volumes", "list_claims", "list_pod"];
    assert_found("list_pod must be a list", || check(&all));
    assert_found("something must be limited", || check(&[]));
    // A list that is limited too, and not named.
    memory.change(|world| demote(world, Part::Nodes, false));
    assert_found("list_nodes is not limited", || check(&all[..3]));
}

fn check_cloud_actuators(memory: &InMemory) {
    let (cloud, cluster) = handles(memory);
    let via = Owner::Unowned;
    let volume = "vol-1".into();
    block_on(act_needs_matching_permit(&*cloud, &volume)).unwrap();
    block_on(act_needs_matching_precondition(&*cloud, &volume)).unwrap();
    block_on(snapshots_once(&*cloud, &volume)).unwrap();
    block_on(tags_and_untags(&*cloud, "vol-1")).unwrap();
    block_on(tags_and_untags(&*cloud, "i-ghost")).unwrap();
    block_on(leaves_attached_volumes(&*cloud, &"vol-attached".into())).unwrap();
    block_on(deletes_once(&*cloud, &volume)).unwrap();
    for left in ["i-protected", "i-n1"] {
        block_on(leaves_instances_that_are_protected_or_nodes(
            &*cloud,
            &*cluster,
            &left.into(),
            &via,
        ))
        .unwrap();
    }
    block_on(stops_starts_and_terminates(
        &*cloud,
        &"i-ghost".into(),
        &via,
    ))
    .unwrap();
}

fn offering() -> Offering {
    Offering {
        instance_type: "m6i.large".into(),
        zone: Some("use1-az4".into()),
        capacity_type: CapacityType::OnDemand,
    }
}

fn check_cluster_actuators(memory: &InMemory) {
    let (_, cluster) = handles(memory);
    let pool = Owner::NodePool {
        name: "default".to_owned(),
    };
    let launch = |via: &Owner| Launch::new(offering(), 2, via.clone());
    block_on(launches_once(&*cluster, &launch(&pool))).unwrap();
    block_on(releases_once(&*cluster, &launch(&pool))).unwrap();
    let group = NodeGroup {
        name: "workers".to_owned(),
        cluster: "test".to_owned(),
        desired: 3,
        max_size: 9,
        ..NodeGroup::default()
    };
    memory.change(|world| {
        let groups = &mut world.clouds[0].node_groups;
        groups.value_mut().unwrap().push(group);
    });
    let mut raised = launch(&Owner::NodeGroup {
        name: "workers".to_owned(),
        auto_scaling_group: None,
    });
    raised.group_size = Some(3);
    raised.shape = Some(Box::new(NodeShape {
        labels: Labels::from([("disk".to_owned(), "ssd".to_owned())]),
        ..NodeShape::default()
    }));
    block_on(launches_once(&*cluster, &raised)).unwrap();
    raised.group_size = Some(5);
    block_on(releases_once(&*cluster, &raised)).unwrap();
    block_on(cordons_and_uncordons(&*cluster, &"n1".into())).unwrap();
    block_on(cordons_and_uncordons(&*cluster, &"n2".into())).unwrap();
    block_on(annotates_and_removes(&*cluster, "n1")).unwrap();
    block_on(annotates_and_removes(&*cluster, "n2")).unwrap();
    block_on(leaves_nodes_with_pods(&*cluster, &"n1".into(), &pool)).unwrap();
    let moves = [PodMove {
        pod: NamespacedName::new("shop", "web-1"),
        uid: "uid-shop-web-1".into(),
        to: Some("n2".into()),
    }];
    block_on(drains_once(&*cluster, &"n1".into(), &moves)).unwrap();
    memory.change(|world| {
        let pods = world.clusters[0].pods.value_mut().unwrap();
        pods.retain(|p| p.meta.name != "web-3");
    });
    block_on(removes_once(&*cluster, &"n1".into(), &pool)).unwrap();
    block_on(deletes_node_object_once(&*cluster, &"n3".into())).unwrap();
    let api = WorkloadRef::new("dev", "Deployment", "api");
    let resources = container("main", "250m", "512Mi").resources;
    block_on(resizes_once(&*cluster, &api, "main", &resources)).unwrap();
    block_on(scales_only_from_what_was_seen(&*cluster, &api)).unwrap();
    block_on(suspends_and_resumes(&*cluster, &api)).unwrap();
    block_on(prefers_a_zone_and_forgets_it(
        &*cluster,
        &api,
        &"use1-az4".into(),
    ))
    .unwrap();
    let pools = [SpotPoolShare {
        offering: offering(),
        replicas: 1,
        risk_adjusted_price: MicroUsdPerHour(40_000),
        price_as_of: None,
        band_as_of: None,
    }];
    block_on(sets_the_spot_share_once(
        &*cluster,
        &api,
        &pools,
        &offering(),
    ))
    .unwrap();
    let web = NamespacedName::new("shop", "web");
    block_on(routes_and_forgets(&*cluster, &web)).unwrap();
}

#[test]
fn the_world_in_memory_keeps_the_contract_of_cloud_actuators() {
    check_cloud_actuators(&prepared());
}

#[test]
fn the_world_in_memory_keeps_the_contract_of_cluster_actuators() {
    check_cluster_actuators(&prepared());
}

#[test]
fn clock_and_brakes_keep_their_contract() {
    let clock = ManualClock::at(crate::fixtures::at(crate::execute::NOW));
    block_on(time_never_goes_back(&clock, TimeDelta::seconds(5))).unwrap();
    block_on(the_brake_says_what_it_is(&NoKillSwitch, false)).unwrap();
    block_on(the_brake_says_what_it_is(
        &ManualKillSwitch::on_from(0),
        true,
    ))
    .unwrap();
}

/// A check that lets everything pass is no check: a provider that breaks the
/// contract is found, by what it breaks.
fn assert_found(by: &str, check: impl FnOnce()) {
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_err();
    let said = found.downcast::<String>().map(|said| *said);
    let said = said.unwrap_or_else(|said| (*said.downcast::<&str>().unwrap()).to_owned());
    assert!(said.contains(by), "{said}");
}

#[test]
fn a_provider_that_takes_a_part_for_the_whole_is_found() {
    let memory = prepared();
    let (cloud, cluster) = sources(&memory);
    // It says that nothing failed.
    assert_found("list_instances fails and is complete", || {
        let _ = block_on(a_failed_list_is_never_a_whole(&cloud, &cluster, |_| ()));
    });
    // It loses a pod between two reads.
    assert_found("list_pods", || {
        let lose = || memory.change(|w| w.clusters[0].pods.value_mut().unwrap().truncate(1));
        let _ = block_on(lists_say_the_same_in_any_order(&cloud, &cluster, lose));
    });
}

/// What a provider does not look at before it acts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ignores {
    Permit,
    Preconditions,
    Protection,
    /// The request.
    Everything,
}

/// Instances of the world in memory, by one that does not look.
#[derive(Debug)]
struct Careless {
    memory: InMemory,
    cloud: Arc<InMemoryCloud>,
    ignores: Ignores,
}

impl Careless {
    fn act(
        &self,
        permit: &Permit,
        id: &InstanceId,
        allowed: bool,
        to: InstanceState,
    ) -> Result<(), ProviderError> {
        let call = Box::new(Call::new("careless", "act"));
        let listed = self.memory.world().clouds[0].instances.items().to_vec();
        let Some(instance) = listed.iter().find(|i| i.id == *id) else {
            return Err(ProviderError::NotFound { call });
        };
        let refused = match self.ignores {
            Ignores::Permit => false,
            Ignores::Preconditions => !allowed,
            // In this world every precondition that is asked for is unmet.
            Ignores::Protection => !allowed || !permit.preconditions().is_empty(),
            Ignores::Everything => {
                !allowed
                    || !permit.preconditions().is_empty()
                    || instance.stop_protected == Some(true)
            }
        };
        if refused {
            return Err(ProviderError::Conflict { call });
        }
        if self.ignores != Ignores::Everything {
            self.memory.change(|world| {
                let instances = world.clouds[0].instances.value_mut().unwrap().iter_mut();
                instances.filter(|i| i.id == *id).for_each(|i| i.state = to);
            });
        }
        Ok(())
    }
}

#[async_trait]
impl CloudIdentity for Careless {
    async fn cloud(&self) -> Result<(AccountId, Region), ProviderError> {
        self.cloud.cloud().await
    }
}

#[async_trait]
impl InstanceSource for Careless {
    async fn list_instances(&self) -> Result<Knowledge<Vec<Instance>>, ProviderError> {
        self.cloud.list_instances().await
    }

    async fn describe_instance(&self, id: &InstanceId) -> Result<Instance, ProviderError> {
        self.cloud.describe_instance(id).await
    }
}

#[async_trait]
impl InstanceActuator for Careless {
    async fn stop_instance(&self, permit: &Permit, id: &InstanceId) -> Result<(), ProviderError> {
        let of = matches!(permit.action(), Action::StopInstance { instance, .. } if instance == id);
        self.act(permit, id, of, InstanceState::Stopped)
    }

    async fn start_instance(&self, permit: &Permit, id: &InstanceId) -> Result<(), ProviderError> {
        let of =
            matches!(permit.action(), Action::StartInstance { instance, .. } if instance == id);
        self.act(permit, id, of, InstanceState::Running)
    }

    async fn terminate_instance(
        &self,
        permit: &Permit,
        id: &InstanceId,
        _: &Owner,
    ) -> Result<(), ProviderError> {
        let of =
            matches!(permit.action(), Action::TerminateInstance { instance, .. } if instance == id);
        self.act(permit, id, of, InstanceState::Terminated)
    }
}

#[test]
fn a_provider_that_acts_without_looking_is_found() {
    let careless = |ignores| {
        let memory = prepared();
        let (cloud, cluster) = handles(&memory);
        let careless = Careless {
            memory,
            cloud,
            ignores,
        };
        (careless, cluster)
    };
    let via = Owner::Unowned;
    for (ignores, by) in [
        (
            Ignores::Permit,
            "stop with a permit for another act: Ok(())",
        ),
        (Ignores::Preconditions, "does not hold: Ok(())"),
        (Ignores::Everything, "stop does not show"),
    ] {
        let (provider, _) = careless(ignores);
        assert_found(by, || {
            let id = "i-ghost".into();
            let _ = block_on(stops_starts_and_terminates(&provider, &id, &via));
        });
    }
    // One that only does not ask for protection passes where there is none.
    let (provider, nodes) = careless(Ignores::Protection);
    let id = "i-ghost".into();
    block_on(stops_starts_and_terminates(&provider, &id, &via)).unwrap();
    for (id, by) in [
        ("i-protected", "stop: Ok(()) instead of a conflict"),
        ("i-n1", "stop: Ok(()) instead of a conflict"),
        ("i-ghost", "i-ghost must be protected, or a node"),
    ] {
        assert_found(by, || {
            let _ = block_on(leaves_instances_that_are_protected_or_nodes(
                &provider,
                &*nodes,
                &id.into(),
                &via,
            ));
        });
    }
}

#[test]
fn a_node_without_pods_does_not_show_that_one_with_pods_is_left() {
    let (_, cluster) = handles(&prepared());
    let via = Owner::Unowned;
    assert_found("a pod of n3 must be prepared", || {
        let _ = block_on(leaves_nodes_with_pods(&*cluster, &"n3".into(), &via));
    });
}

/// Each method of each trait that reads or acts is called by a check.
#[test]
fn every_method_has_a_check() {
    let memory = prepared();
    check_sources(&memory);
    check_cloud_actuators(&memory);
    check_cluster_actuators(&memory);
    let called: BTreeSet<String> = memory.calls().into_iter().collect();
    let traits = [
        include_str!("../../src/providers/sources.rs"),
        include_str!("../../src/providers/actuators.rs"),
    ]
    .join("\n");
    let methods: BTreeSet<String> = traits
        .lines()
        .filter_map(|line| line.trim().strip_prefix("async fn "))
        .filter_map(|rest| rest.split('(').next())
        .map(str::to_owned)
        .collect();
    assert!(methods.len() > 50, "{methods:?}");
    let missing: Vec<&String> = methods.difference(&called).collect();
    assert!(missing.is_empty(), "no check calls {missing:?}");
}
