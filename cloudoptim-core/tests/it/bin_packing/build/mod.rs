//! From the lines of a case to a snapshot.
//!
//! ```text
//! decide [headroom=5] [age=30] [cooldown=30] [min-saving=5] [share=50] [max-nodes=100]
//!        [launch] [surge=10] [vcpus=1000] [addresses=1000] [addresses-each=] [extra=<dollars per hour>]
//!        [marginal=<type>:<dollars per hour>] [max-vcpus=64] [min-nodes=3]
//!        [spot=0] [spot-of=<app>:<percent>] [spot-price=40 or ?] [dear-spot=<type>:<percent>]
//!        [spot-vcpus=1000]
//!        [prefers=<per weight>:<per taint>:<per spread>]    in micro-dollars an hour
//!        [zone-share=100] [room=<pods>:<cpu>:<memory>[:<pool>[:<zone>]]]
//!        [flight=10] [disrupted=<minutes ago>] [empty-dir=keeps] [bare=moves] [refused-resize=drop] [figures] [green] [explain]
//! node  <name> <cpu> <memory> [type= zone= age= label=k:v taint=key[:effect] ann=k:v pods= ebs=]
//!       [in=<type>]                       its instance is in the reservation of that type
//!       [pool= | group= | asg=] [unowned] [spot] [cordoned] [not-ready] [deleting]
//! pod   <app>-<n> <node or -> <cpu> <memory> [kind= ns= selector=k:v tolerates= for= avoids= near=
//!       rather=k:v rather-near= rather-avoids= rather-in=<team> weight=100 soft-spread= spread= domains= grace= port= claim= held= ann=k:v label=k:v nominated= gate= priority= volume=] [not-ready] [heeds-taints] …
//! pods  <app> <node or -> <count> <cpu> <memory> …    <app>-<node>-1, -2, …
//! pdb   <name> [app=] [min= | max=] [allowed=] [policy=] [replicas=]
//! pool  <name> [policy= after= budget= schedule= duration= reason= startup= cpu= memory= nodes= types=a,b label=k:v taint=key[:effect]] [spot | spot-only | reserved]
//! group <name> min= desired= [max=] [cluster=] [asg=] [type=] [zone=] [spot]
//! asg   <name> min= desired= [max=] [type=] [zones=a,b] [suspended=]
//! quota <code> <vCPUs> used=
//! subnet <zone> <free addresses> [lasting]    with instances of the nodes above
//! short <type> <minutes ago>              a launch was refused
//! lost <type> <minutes ago>               an instance on spot was taken back
//! reserved <type> <count> [zone=] [platform=Linux/UNIX or ?] [open]    a capacity reservation
//! plan <id> <dollars per hour> [rate=700] [used=1000] [family=]    a Savings Plan
//! other <type> [in=<type>]                a running instance that is no node
//! instances <id> <type> <count> [used=1000]    reserved instances
//! claim <name> [zone=] [local=<node>] [lost]
//! price <type> <dollars per hour>         the account's own
//! limit <app> max= [with=<app>]           a rule of the operator
//! removed <node>                          by an earlier pass
//! unknown | partial <part>                of the snapshot, or `events`
//! ```

mod cloud;
mod node;
mod pod;

use super::{NOW, Scenario};
use crate::cases::Line;
use crate::fixtures::*;
use chrono::TimeDelta;
use cloud::{add_claim, add_subnet, commitment, reservation};
use cloudoptim_core::decision::Offering;
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Disrupted, Ledgers, PoolEvent, PoolEventKind};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::{CountLimit, NodeRef, Overlay};
use node::{add_node, add_pool};
use pod::{add_budget, add_pod, add_workloads};
use std::collections::BTreeMap;

pub(super) fn number<T: std::str::FromStr>(line: &Line, key: &str) -> Option<T> {
    let text = line.get(key)?;
    let parsed = text.parse().ok();
    Some(parsed.unwrap_or_else(|| panic!("{key}={text} in: {}", line.text)))
}

fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').map(|pair| {
        let (key, value) = pair.split_once(':').unwrap_or_else(|| panic!("{pair}"));
        (key.to_owned(), value.to_owned())
    })
}

fn push<T>(part: &mut Knowledge<Vec<T>>, item: T) {
    part.value_mut().unwrap().push(item);
}

pub(super) fn zone(short: &str) -> String {
    format!("us-east-1{short}")
}

fn subnet(short: &str) -> SubnetId {
    SubnetId::new(format!("subnet-{short}"))
}

fn taint(text: &str) -> Taint {
    let (key, effect) = text.split_once(':').unwrap_or((text, "NoSchedule"));
    Taint {
        key: key.to_owned(),
        value: String::new(),
        effect: match effect {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            other => panic!("{other}"),
        },
    }
}

fn selector(app: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Labels::from([("app".to_owned(), app.to_owned())]),
        ..Default::default()
    }
}

/// A snapshot with the account behind it, a ledger and an overlay.
pub(crate) fn build(header: &Line, lines: &[Line]) -> Scenario {
    let (mut cluster, mut cloud) = (cluster(), cloud());
    let mut overlay = Overlay::default();
    let mut replicas = BTreeMap::new();
    let mut losses = Vec::new();
    let mut events = Vec::new();
    for line in lines {
        match line.word(0) {
            "node" => add_node(line, &mut cluster, &mut cloud),
            "pod" => {
                let name = line.word(1);
                let app = name.rsplit_once('-').map_or(name, |(app, _)| app);
                let sizes = [line.word(3), line.word(4)];
                add_pod(line, app, name, sizes, &mut cluster, &mut replicas);
            }
            "pods" => {
                let (app, on) = (line.word(1), line.word(2));
                let sizes = [line.word(4), line.word(5)];
                for i in 1..=line.word(3).parse().unwrap() {
                    let name = format!("{app}-{on}-{i}");
                    add_pod(line, app, &name, sizes, &mut cluster, &mut replicas);
                }
            }
            "pdb" => add_budget(line, &mut cluster),
            "pool" => add_pool(line, &mut cluster),
            "group" => {
                let group = NodeGroup {
                    name: line.word(1).to_owned(),
                    cluster: line.get("cluster").unwrap_or("test").to_owned(),
                    min_size: number(line, "min").unwrap(),
                    desired: number(line, "desired").unwrap(),
                    max_size: number(line, "max").unwrap_or(99),
                    instance_types: line.get("type").map(Into::into).into_iter().collect(),
                    subnets: line.get("zone").map(subnet).into_iter().collect(),
                    capacity_type: match line.has("spot") {
                        true => CapacityType::Spot,
                        false => CapacityType::OnDemand,
                    },
                    ..Default::default()
                };
                if let Some(short) = line.get("zone") {
                    let zone_id = cloud.zone_id(&zone(short).into()).cloned();
                    let subnet = Subnet {
                        id: subnet(short),
                        zone_id,
                        free_addresses: 1_000,
                    };
                    push(&mut cloud.subnets, subnet);
                }
                push(&mut cloud.node_groups, group);
            }
            "asg" => {
                let zones = line.get("zones").unwrap_or("a").split(',');
                let group = AutoScalingGroup {
                    name: line.word(1).to_owned(),
                    min_size: number(line, "min").unwrap(),
                    desired: number(line, "desired").unwrap(),
                    max_size: number(line, "max").unwrap_or(99),
                    instance_types: line.get("type").map(Into::into).into_iter().collect(),
                    zones: zones.map(|z| ZoneName::from(zone(z))).collect(),
                    suspended: line
                        .get("suspended")
                        .map(str::to_owned)
                        .into_iter()
                        .collect(),
                    ..Default::default()
                };
                push(&mut cloud.auto_scaling_groups, group);
            }
            "claim" => add_claim(line, &mut cluster),
            "quota" => push(
                &mut cloud.quotas,
                ServiceQuota {
                    code: line.word(1).to_owned(),
                    value: line.word(2).parse().unwrap(),
                    used: number(line, "used"),
                    ..Default::default()
                },
            ),
            "subnet" => add_subnet(line, &cluster, &mut cloud),
            "reserved" => {
                let reservation = reservation(line, &cloud);
                push(&mut cloud.commitments, reservation);
            }
            "plan" | "instances" => push(&mut cloud.commitments, commitment(line)),
            "other" => push(
                &mut cloud.instances,
                Instance {
                    id: "i-other".into(),
                    instance_type: line.word(1).into(),
                    state: InstanceState::Running,
                    capacity_reservation: line.get("in").map(|of| format!("cr-{of}")),
                    ..Default::default()
                },
            ),
            "short" => events.push(PoolEvent {
                offering: Offering::on_demand(line.word(1), None),
                kind: PoolEventKind::InsufficientCapacity,
                at: at(NOW) - TimeDelta::minutes(line.word(2).parse().unwrap()),
                instance: None,
            }),
            "lost" => events.push(PoolEvent {
                offering: Offering {
                    capacity_type: CapacityType::Spot,
                    ..Offering::on_demand(line.word(1), None)
                },
                kind: PoolEventKind::InterruptionNotice,
                at: at(NOW) - TimeDelta::minutes(line.word(2).parse().unwrap()),
                instance: None,
            }),
            "price" => {
                let dollars: f64 = line.word(2).parse().unwrap();
                let price = OfferingPrice {
                    instance_type: line.word(1).into(),
                    capacity_type: CapacityType::OnDemand,
                    per_hour: MicroUsdPerHour((dollars * 1e6).round() as i64),
                    ..Default::default()
                };
                push(&mut cloud.prices, price);
            }
            "limit" => {
                let deployment = |app: &str| WorkloadRef::new("shop", "Deployment", app);
                overlay.count_limits.push(CountLimit {
                    cluster: "c1".into(),
                    with: line.get("with").map(deployment),
                    of: deployment(line.word(1)),
                    max: number(line, "max").unwrap(),
                });
            }
            "removed" => overlay.removed_nodes.push(NodeRef {
                cluster: "c1".into(),
                node: NodeName::new(line.word(1)),
            }),
            "unknown" | "partial" => losses.push((line.word(1), line.has("partial"))),
            other => panic!("{other}?"),
        }
    }
    add_workloads(&mut cluster, replicas);
    let no_events = losses.iter().any(|(part, _)| *part == "events");
    losses.retain(|(part, _)| *part != "events");
    for (part, demote) in losses {
        forget(&mut cluster, &mut cloud, part, demote);
    }
    let ledgers = Ledgers {
        disrupted: header.get("disrupted").map(|minutes| {
            let ago = TimeDelta::minutes(minutes.parse().unwrap());
            vec![Disrupted {
                cluster: header.get("of").unwrap_or("c1").into(),
                node: "gone".into(),
                at: at(NOW) - ago,
            }]
        }),
        pool_events: (!no_events).then_some(events),
        ..Default::default()
    };
    Scenario {
        snapshot: snapshot(NOW, cluster, cloud),
        ledgers,
        overlay,
    }
}

/// Parts whose absence must never add a removal. Prices are not among them:
/// without the account's own the list price stands in.
pub(super) const PARTS: [&str; 18] = [
    "nodes",
    "pods",
    "workloads",
    "pdbs",
    "pools",
    "node-claims",
    "claims",
    "volumes",
    "classes",
    "csi",
    "attachments",
    "limits",
    "runtimes",
    "namespaces",
    "instances",
    "asgs",
    "groups",
    "zones",
];

/// Takes a part away, or its completeness.
pub(super) fn forget(cluster: &mut Cluster, cloud: &mut Cloud, part: &str, demote: bool) {
    macro_rules! parts {
        ($($name:literal => $of:ident.$field:ident),* $(,)?) => {
            match part {
                $($name => {
                    let old = std::mem::take(&mut $of.$field);
                    if demote {
                        $of.$field = old.demoted(Gap::CompletenessNotStated);
                    }
                })*
                other => panic!("{other}?"),
            }
        };
    }
    parts!(
        "nodes" => cluster.nodes,
        "pods" => cluster.pods,
        "workloads" => cluster.workloads,
        "pdbs" => cluster.disruption_budgets,
        "pools" => cluster.node_pools,
        "node-claims" => cluster.node_claims,
        "claims" => cluster.claims,
        "volumes" => cluster.persistent_volumes,
        "classes" => cluster.storage_classes,
        "csi" => cluster.csi_nodes,
        "attachments" => cluster.volume_attachments,
        "limits" => cluster.limit_ranges,
        "runtimes" => cluster.runtime_classes,
        "namespaces" => cluster.namespaces,
        "instances" => cloud.instances,
        "asgs" => cloud.auto_scaling_groups,
        "groups" => cloud.node_groups,
        "zones" => cloud.zones,
        "commitments" => cloud.commitments,
    );
}
