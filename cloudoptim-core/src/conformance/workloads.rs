//! Checks of workloads.

use super::act::{Act, cluster_of, shown};
use crate::decision::{Action, Offering, SpotPoolShare};
use crate::model::{
    ClusterUid, ContainerResources, NamespacedName, PreferredNodeTerm, Uid, Workload, WorkloadRef,
    ZONE_ID_LABEL, ZoneId,
};
use crate::plan::Precondition;
use crate::providers::{
    ClusterIdentity, PodSource, SPOT_REPLICAS_KEY, WorkloadActuator, WorkloadSource,
};

async fn see<S>(
    provider: &impl WorkloadSource,
    workload: &WorkloadRef,
    look: impl Fn(&Workload) -> S,
) -> S {
    let found = shown(provider.list_workloads().await, |w| {
        (w.reference() == *workload).then(|| look(w))
    });
    match found {
        Some(found) => found,
        None => panic!("{workload} must be prepared"),
    }
}

fn another(cluster: &ClusterUid, workload: &WorkloadRef) -> Option<Precondition> {
    Some(Precondition::WorkloadIs {
        cluster: cluster.clone(),
        workload: workload.clone(),
        uid: "another-uid".into(),
        generation: None,
    })
}

fn nowhere() -> WorkloadRef {
    WorkloadRef::new("default", "Deployment", "no-such-workload")
}

/// A container of the template gets other requests and limits, once, and
/// only if it has those that the plan saw.
///
/// # Panics
/// When that is not so.
pub async fn resizes_once<P: ClusterIdentity + WorkloadSource + WorkloadActuator>(
    provider: &P,
    workload: &WorkloadRef,
    container: &str,
    to: &ContainerResources,
) {
    let cluster = cluster_of(provider).await;
    let asks = async || {
        see(provider, workload, |w| {
            let template = w.template.as_ref();
            let containers = template.map(|t| t.spec.containers.as_slice());
            let all = containers.unwrap_or_default().iter();
            all.filter(|c| c.name == container)
                .map(|c| c.resources.clone())
                .collect::<Vec<_>>()
        })
        .await
    };
    let from = asks().await.into_iter().next().unwrap_or_default();
    let resize = |workload: &WorkloadRef, container: &str, to: &ContainerResources| {
        Action::ResizeContainer {
            cluster: cluster.clone(),
            workload: workload.clone(),
            container: container.to_owned(),
            init: false,
            from: Box::new(from.clone()),
            to: Box::new(to.clone()),
            restarts: true,
        }
    };
    let asked = |resources: &ContainerResources| Precondition::ContainerAsks {
        cluster: cluster.clone(),
        workload: workload.clone(),
        container: container.to_owned(),
        resources: Box::new(resources.clone()),
    };
    for (name, from, to) in [("larger", &from, to), ("as before", to, &from)] {
        Act {
            name,
            action: resize(workload, container, to),
            other: resize(workload, container, from),
            unmet: None,
        }
        .happens_as_seen(asked(from), async |p| {
            provider
                .resize_container(p, workload, container, false, to)
                .await
        })
        .await;
        assert_eq!(asks().await, std::slice::from_ref(to), "{name}");
    }
    Act {
        name: "resize",
        action: resize(workload, container, to),
        other: resize(workload, container, &from),
        unmet: Some(asked(to)),
    }
    .happens_once(
        async |p| {
            provider
                .resize_container(p, workload, container, false, to)
                .await
        },
        asks,
    )
    .await;
    assert_eq!(asks().await, std::slice::from_ref(to));
    let other = "no-such-container";
    Act {
        name: "resize nothing",
        action: resize(workload, other, to),
        other: resize(workload, container, to),
        unmet: None,
    }
    .finds_nothing(async |p| {
        provider
            .resize_container(p, workload, other, false, to)
            .await
    })
    .await;
}

/// A container of a running pod gets other requests and limits in place, once,
/// and only if it has those that the plan saw; another pod of the name is left.
///
/// # Panics
/// When that is not so.
pub async fn resizes_in_place_once<P: ClusterIdentity + PodSource + WorkloadActuator>(
    provider: &P,
    pod: &NamespacedName,
    container: &str,
    to: &ContainerResources,
) {
    let cluster = cluster_of(provider).await;
    let see = async || {
        let found = shown(provider.list_pods().await, |p| {
            (p.meta.namespace == pod.namespace && p.meta.name == pod.name).then(|| {
                let mut all = p.spec.containers.iter();
                let found = all.find(|c| c.name == container);
                (p.meta.uid.clone(), found.map(|c| c.resources.clone()))
            })
        });
        match found {
            Some(found) => found,
            None => panic!("{pod} must be prepared"),
        }
    };
    let (uid, from) = see().await;
    let from = from.unwrap_or_default();
    let resize = |uid: &Uid, container: &str, to: &ContainerResources| Action::ResizePod {
        cluster: cluster.clone(),
        pod: pod.clone(),
        uid: uid.clone(),
        container: container.to_owned(),
        from: Box::new(from.clone()),
        to: Box::new(to.clone()),
    };
    let asked = |resources: &ContainerResources| Precondition::PodAsks {
        cluster: cluster.clone(),
        pod: pod.clone(),
        uid: uid.clone(),
        container: container.to_owned(),
        resources: Box::new(resources.clone()),
    };
    for (name, from, to) in [("larger", &from, to), ("as before", to, &from)] {
        Act {
            name,
            action: resize(&uid, container, to),
            other: resize(&uid, container, from),
            unmet: None,
        }
        .happens_as_seen(asked(from), async |p| {
            provider.resize_pod(p, pod, &uid, container, to).await
        })
        .await;
        assert_eq!(see().await, (uid.clone(), Some(to.clone())), "{name}");
    }
    Act {
        name: "resize in place",
        action: resize(&uid, container, to),
        other: resize(&uid, container, &from),
        unmet: Some(asked(to)),
    }
    .happens_once(
        async |p| provider.resize_pod(p, pod, &uid, container, to).await,
        see,
    )
    .await;
    assert_eq!(see().await, (uid.clone(), Some(to.clone())));
    let other = "no-such-container";
    let another = Uid::new("another-uid");
    for (name, uid, container) in [
        ("no container", &uid, other),
        ("another pod", &another, container),
    ] {
        Act {
            name,
            action: resize(uid, container, to),
            other: resize(uid, container, &from),
            unmet: None,
        }
        .finds_nothing(async |p| provider.resize_pod(p, pod, uid, container, to).await)
        .await;
    }
}

/// A workload is scaled once, and only from the replicas that the plan saw.
///
/// # Panics
/// When that is not so.
pub async fn scales_only_from_what_was_seen<
    P: ClusterIdentity + WorkloadSource + WorkloadActuator,
>(
    provider: &P,
    workload: &WorkloadRef,
) {
    let cluster = cluster_of(provider).await;
    let replicas = async || see(provider, workload, |w| w.replicas).await;
    let Some(before) = replicas().await else {
        panic!("{workload} must have replicas")
    };
    let after = before.saturating_add(1);
    let scale = |workload: &WorkloadRef, to: u32| Action::ScaleWorkload {
        cluster: cluster.clone(),
        workload: workload.clone(),
        from: before,
        to,
    };
    Act {
        name: "scale",
        action: scale(workload, after),
        other: scale(workload, before),
        unmet: Some(Precondition::ReplicasAre {
            cluster: cluster.clone(),
            workload: workload.clone(),
            replicas: before.saturating_add(7),
        }),
    }
    .happens_once(
        async |p| provider.scale_workload(p, workload, after).await,
        replicas,
    )
    .await;
    assert_eq!(replicas().await, Some(after));
    let nowhere = nowhere();
    Act {
        name: "scale nothing",
        action: scale(&nowhere, after),
        other: scale(workload, after),
        unmet: None,
    }
    .finds_nothing(async |p| provider.scale_workload(p, &nowhere, after).await)
    .await;
}

/// A workload is suspended and resumed, each once.
///
/// # Panics
/// When that is not so.
pub async fn suspends_and_resumes<P: ClusterIdentity + WorkloadSource + WorkloadActuator>(
    provider: &P,
    workload: &WorkloadRef,
) {
    let cluster = cluster_of(provider).await;
    let act = |workload: &WorkloadRef, suspend: bool| Action::SuspendWorkload {
        cluster: cluster.clone(),
        workload: workload.clone(),
        suspend,
    };
    let paused = async || see(provider, workload, |w| w.paused).await;
    assert!(!paused().await, "{workload} must not be suspended yet");
    for (name, suspend) in [("suspend", true), ("resume", false)] {
        Act {
            name,
            action: act(workload, suspend),
            other: act(workload, !suspend),
            unmet: another(&cluster, workload),
        }
        .happens_once(
            async |p| provider.suspend_workload(p, workload, suspend).await,
            paused,
        )
        .await;
        assert_eq!(paused().await, suspend);
    }
    let nowhere = nowhere();
    Act {
        name: "suspend nothing",
        action: act(&nowhere, true),
        other: act(workload, true),
        unmet: None,
    }
    .finds_nothing(async |p| provider.suspend_workload(p, &nowhere, true).await)
    .await;
}

fn is_of_zones(term: &PreferredNodeTerm) -> bool {
    let mut rules = term.term.match_expressions.iter();
    rules.any(|rule| rule.key == ZONE_ID_LABEL)
}

/// A zone is preferred, with weight 100, and no longer; other terms of the
/// affinity stay.
///
/// # Panics
/// When that is not so.
pub async fn prefers_a_zone_and_forgets_it<
    P: ClusterIdentity + WorkloadSource + WorkloadActuator,
>(
    provider: &P,
    workload: &WorkloadRef,
    zone: &ZoneId,
) {
    let cluster = cluster_of(provider).await;
    let prefer =
        |workload: &WorkloadRef, from: Option<&ZoneId>, to: Option<&ZoneId>| Action::PreferZone {
            cluster: cluster.clone(),
            workload: workload.clone(),
            from: from.cloned(),
            to: to.cloned(),
        };
    let terms = async || {
        see(provider, workload, |w| {
            let template = w.template.as_ref();
            template.map(|t| t.spec.preferred_node_affinity.clone())
        })
        .await
        .unwrap_or_default()
    };
    let others = terms().await;
    assert!(
        !others.iter().any(is_of_zones),
        "{workload} must prefer none"
    );
    for (name, from, to) in [("prefer", None, Some(zone)), ("forget", Some(zone), None)] {
        Act {
            name,
            action: prefer(workload, from, to),
            other: prefer(workload, from, Some(&"another-zone".into())),
            unmet: another(&cluster, workload),
        }
        .happens_once(
            async |p| provider.prefer_zone(p, workload, to.cloned()).await,
            terms,
        )
        .await;
        let (ours, rest): (Vec<_>, Vec<_>) = terms().await.into_iter().partition(is_of_zones);
        assert_eq!(rest, others, "{name}");
        let weights: Vec<_> = ours.iter().map(|t| t.weight).collect();
        assert_eq!(weights, if to.is_some() { vec![100] } else { vec![] });
        let rules = ours.iter().flat_map(|t| &t.term.match_expressions);
        let zones: Vec<_> = rules.flat_map(|r| &r.values).map(String::as_str).collect();
        assert_eq!(zones, to.map(ZoneId::as_str).as_slice(), "{name}");
    }
    let nowhere = nowhere();
    Act {
        name: "prefer for nothing",
        action: prefer(&nowhere, None, Some(zone)),
        other: prefer(workload, None, None),
        unmet: None,
    }
    .finds_nothing(async |p| provider.prefer_zone(p, &nowhere, Some(zone.clone())).await)
    .await;
}

/// The share that may run on spot is set once, and noted.
///
/// # Panics
/// When that is not so.
pub async fn sets_the_spot_share_once<P: ClusterIdentity + WorkloadSource + WorkloadActuator>(
    provider: &P,
    workload: &WorkloadRef,
    pools: &[SpotPoolShare],
    fallback: &Offering,
) {
    let cluster = cluster_of(provider).await;
    let share = |workload: &WorkloadRef, to: u32| Action::SetSpotShare {
        cluster: cluster.clone(),
        workload: workload.clone(),
        from: 0,
        to,
        pools: pools.to_vec(),
        fallback: fallback.clone(),
    };
    let noted = async || {
        see(provider, workload, |w| {
            w.meta.annotations.get(SPOT_REPLICAS_KEY).cloned()
        })
        .await
    };
    Act {
        name: "share",
        action: share(workload, 1),
        other: share(workload, 2),
        unmet: another(&cluster, workload),
    }
    .happens_once(
        async |p| {
            provider
                .set_spot_share(p, workload, 1, pools, fallback)
                .await
        },
        noted,
    )
    .await;
    assert_eq!(noted().await.as_deref(), Some("1"));
    let nowhere = nowhere();
    Act {
        name: "share of nothing",
        action: share(&nowhere, 1),
        other: share(workload, 1),
        unmet: None,
    }
    .finds_nothing(async |p| {
        provider
            .set_spot_share(p, &nowhere, 1, pools, fallback)
            .await
    })
    .await;
}
