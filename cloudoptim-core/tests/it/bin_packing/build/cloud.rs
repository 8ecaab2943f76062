//! What belongs to the account: volumes, commitments, subnets.

use super::{number, push, subnet, zone};
use crate::cases::Line;
use crate::fixtures::*;
use cloudoptim_core::model::*;

pub(super) fn add_claim(line: &Line, cluster: &mut Cluster) {
    let name = line.word(1);
    let volume = format!("pv-{name}");
    let term = |key: &str, value: String| {
        vec![NodeSelectorTerm {
            match_expressions: vec![Requirement {
                key: key.to_owned(),
                operator: Operator::In,
                values: vec![value],
            }],
            ..Default::default()
        }]
    };
    let local = line.get("local");
    let affinity = match (local, line.get("zone")) {
        (Some(node), _) => Some(term(HOSTNAME_LABEL, node.to_owned())),
        (None, Some(short)) => Some(term(ZONE_LABEL, zone(short))),
        (None, None) => None,
    };
    let pv = PersistentVolume {
        meta: meta("", &volume),
        source: if local.is_some() {
            PvSource::Local
        } else {
            PvSource::Ebs {
                volume: format!("vol-{name}").into(),
            }
        },
        node_affinity: affinity,
        phase: PvPhase::Bound,
        ..Default::default()
    };
    let claim = PersistentVolumeClaim {
        meta: meta("shop", name),
        phase: if line.has("lost") {
            ClaimPhase::Lost
        } else {
            ClaimPhase::Bound
        },
        volume_name: Some(volume),
        access_modes: vec!["ReadWriteOnce".to_owned()],
        ..Default::default()
    };
    push(&mut cluster.persistent_volumes, pv);
    push(&mut cluster.claims, claim);
}

pub(super) fn commitment(line: &Line) -> Commitment {
    let plan = line.word(0) == "plan";
    let dollars = |text: &str| (text.parse::<f64>().unwrap() * 1e6).round() as i64;
    let family = line.get("family").map(str::to_owned);
    Commitment {
        id: line.word(1).to_owned(),
        kind: match (plan, &family) {
            (true, None) => CommitmentKind::ComputeSavingsPlan,
            (true, Some(_)) => CommitmentKind::InstanceSavingsPlan,
            _ => CommitmentKind::ReservedInstance,
        },
        per_hour: plan.then(|| MicroUsdPerHour(dollars(line.word(2)))),
        count: (!plan).then(|| line.word(3).parse().unwrap()),
        instance_type: if plan {
            family
        } else {
            Some(line.word(2).to_owned())
        },
        rate_milli: plan.then(|| number(line, "rate").unwrap_or(700)),
        used_milli: match line.get("used") {
            Some("?") => None,
            _ => Some(number(line, "used").unwrap_or(1_000)),
        },
        ..Default::default()
    }
}

pub(super) fn reservation(line: &Line, cloud: &Cloud) -> Commitment {
    let zone: ZoneName = zone(line.get("zone").unwrap_or("a")).into();
    Commitment {
        id: format!("cr-{}", line.word(1)),
        kind: CommitmentKind::CapacityReservation,
        count: Some(line.word(2).parse().unwrap()),
        instance_type: Some(line.word(1).to_owned()),
        zone_id: cloud.zone_id(&zone).cloned(),
        platform: match line.get("platform") {
            Some("?") => None,
            platform => Some(platform.unwrap_or("Linux/UNIX").to_owned()),
        },
        targeted: Some(!line.has("open")),
        ..Default::default()
    }
}

/// A subnet of a zone, and in it an instance of each node that is there already.
pub(super) fn add_subnet(line: &Line, cluster: &Cluster, cloud: &mut Cloud) {
    let zone: ZoneName = zone(line.word(1)).into();
    let own = Subnet {
        id: subnet(line.word(1)),
        zone_id: cloud.zone_id(&zone).cloned(),
        free_addresses: line.word(2).parse().unwrap(),
    };
    let nodes = cluster.nodes.items().iter();
    for node in nodes.filter(|n| n.zone_name() == Some(zone.clone())) {
        let lasting = line.has("lasting").then(|| "eni-1".to_owned());
        let instance = Instance {
            id: node.instance_id().unwrap(),
            instance_type: node.instance_type().unwrap().into(),
            state: InstanceState::Running,
            zone: Some(zone.clone()),
            subnet: Some(own.id.clone()),
            lasting_interfaces: lasting.into_iter().collect(),
            ..Default::default()
        };
        push(&mut cloud.instances, instance);
    }
    push(&mut cloud.subnets, own);
}
