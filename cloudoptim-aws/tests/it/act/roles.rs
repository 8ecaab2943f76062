//! The roles that are generated suffice, and what is taken away is named.

use super::small::{Anywhere, SHOP, Small, every_kind, planned, role};
use super::*;
use cloudoptim_aws::k8s::act::{ActRole, act_manifests, act_policy, preflight_act, rehearse_act};
use cloudoptim_aws::k8s::{Check, Grant, Subject as Who};
use cloudoptim_core::execute::undo;
use cloudoptim_core::journal::{End, History, InMemoryJournal};
use std::time::Duration;

async fn client(kubeconfig: &str, mode: ActMode) -> ActClient {
    let options = ConnectOptions::default();
    let acting = Connection::<Acting>::from_bytes("act", kubeconfig.as_bytes(), options);
    acting.unwrap().client("preflight", mode).await.unwrap()
}

fn not_granted(checks: &[Check]) -> Vec<String> {
    checks
        .iter()
        .filter(|check| check.grant != Grant::Granted)
        .map(|check| {
            assert_eq!(check.grant, Grant::Denied, "{}", check.permission);
            check.permission.to_string()
        })
        .collect()
}

/// Waits until the authoriser, which learns of roles through a watch, says so.
async fn until(act: &ActClient, role: &ActRole, missing: &[String]) {
    let mut found = Vec::new();
    for _ in 0..200 {
        found = not_granted(&preflight_act(act, role).await);
        if found == missing {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("missing are {found:?}, not {missing:?}");
}

/// C13 on the side that acts: one rule less at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c13_preflight_names_each_act_rule_that_is_taken_away() {
    let Some(small) = Small::start().await else {
        return;
    };
    let act = client(&small.act, ActMode::Act).await;
    until(&act, &role(), &[]).await;
    let admin = small.plane.admin().unwrap();
    let group = "/apis/rbac.authorization.k8s.io/v1";
    let mut taken = 0;
    for path in [
        format!("{group}/clusterroles/{ACTOR}"),
        format!("{group}/namespaces/shop/roles/{ACTOR}"),
        format!("{group}/namespaces/default/roles/{ACTOR}"),
    ] {
        let namespace = path
            .split("namespaces/")
            .nth(1)
            .and_then(|p| p.split('/').next());
        let mut whole = small.get(&path).await;
        let meta = whole["metadata"].as_object_mut().unwrap();
        meta.remove("resourceVersion");
        for (n, rule) in whole["rules"].as_array().unwrap().iter().enumerate() {
            let text = |field: &str| rule[field][0].as_str().unwrap_or_default().to_owned();
            let (group, verb, name) = (text("apiGroups"), text("verbs"), text("resourceNames"));
            if group == "authorization.k8s.io" {
                continue;
            }
            for resource in rule["resources"].as_array().unwrap() {
                let mut less = whole.clone();
                let left = less["rules"][n]["resources"].as_array_mut().unwrap();
                left.retain(|one| one != resource);
                if left.is_empty() {
                    less["rules"].as_array_mut().unwrap().remove(n);
                }
                admin.put(&path, &less).await.unwrap().ok().unwrap();
                let resource = resource.as_str().unwrap();
                let (whole, part) = resource.split_once('/').unwrap_or((resource, ""));
                let mut named = format!("{verb} {whole}");
                for (before, more) in [(".", group.as_str()), ("/", part)] {
                    if !more.is_empty() {
                        named = format!("{named}{before}{more}");
                    }
                }
                if let Some(namespace) = namespace {
                    named = format!("{named} in {namespace}");
                }
                if !name.is_empty() {
                    named = format!("{named} {name}");
                }
                until(&act, &role(), &[named]).await;
                taken += 1;
            }
        }
        admin.put(&path, &whole).await.unwrap().ok().unwrap();
    }
    assert!(taken >= 25, "{taken}");
}

/// The dry run of each change is granted under the policy, and denied without
/// the right to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_is_rehearsed_and_nothing_is_stored() {
    let Some(small) = Small::start().await else {
        return;
    };
    let admin = small.plane.admin().unwrap();
    super::policy::apply(&admin, &act_policy(&role())).await;
    small.make("try").await;
    let before = small.state_of("try").await;
    let hands = small.hands().await;
    let dry = client(&small.act, ActMode::ServerDryRun).await;
    let (mut granted, mut unverified) = (BTreeSet::new(), Vec::new());
    for check in rehearse_act(&*hands.reader, &dry, &role()).await {
        match check.grant {
            Grant::Granted => {
                granted.insert(check.permission.to_string());
            }
            Grant::Unverified { why } => {
                // The role for reading does not give the lease.
                let lease = check.permission.resource == "leases";
                let known = lease || why.contains("there is nothing at");
                assert!(known, "{}: {why}", check.permission);
                unverified.push(check.permission.resource);
            }
            denied => panic!("{}: {denied}", check.permission),
        }
    }
    // Kinds that this cluster has none of, and the lease that nobody has taken.
    let of: BTreeSet<&str> = unverified.iter().map(String::as_str).collect();
    let none = [
        "daemonsets",
        "leases",
        "nodeclaims",
        "scaledobjects",
        "statefulsets",
        "statefulsets/scale",
    ];
    assert_eq!(of, none.into());
    assert_eq!(small.state_of("try").await, before);
    // In another mode nothing is asked.
    let acts = client(&small.act, ActMode::Act).await;
    let checks = rehearse_act(&*hands.reader, &acts, &role()).await;
    assert!(
        checks
            .iter()
            .all(|c| matches!(&c.grant, Grant::Unverified { .. }))
    );
    // A user without any right.
    let nobody = small.plane.token_for("nobody", &[]).unwrap();
    let nobody = client(&small.plane.kubeconfig_for(&nobody), ActMode::ServerDryRun).await;
    let checks = rehearse_act(&*hands.reader, &nobody, &role()).await;
    let denied = checks.iter().filter(|c| c.grant == Grant::Denied);
    let denied: BTreeSet<String> = denied.map(|c| c.permission.to_string()).collect();
    assert_eq!(denied, granted, "whatever the role gives");
    for event in small.plane.audit_of(ACTOR).unwrap() {
        assert!(!event.changed_something(), "{}", event.uri);
    }
}

/// Each engine's acts, done and taken back with exactly its generated role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_engine_acts_and_takes_back_with_its_own_role() {
    let Some(small) = Small::start().await else {
        return;
    };
    let admin = small.plane.admin().unwrap();
    for engine in [
        EngineId::OfficeHours,
        EngineId::Rightsizing,
        EngineId::Oom,
        EngineId::Network,
        EngineId::BinPacking,
    ] {
        let name = engine.as_str().replace('_', "-");
        small.make(&name).await;
        let before = small.state_of(&name).await;
        let user = format!("act-{name}");
        let own = ActRole::new(user.as_str(), Who::User(user.clone()))
            .for_engines(&[engine])
            .in_namespaces(&[SHOP.to_owned()]);
        super::policy::apply(&admin, &act_manifests(&own)).await;
        let kubeconfig = small
            .plane
            .kubeconfig_for(&small.plane.token_for(&user, &[]).unwrap());
        until(&client(&kubeconfig, ActMode::Act).await, &own, &[]).await;
        let hands = Hands::open(&small.read, &kubeconfig)
            .await
            .apart(&kubeconfig);
        let snapshot = hands.snapshot().await;
        let (mut decisions, _) = every_kind(&snapshot, &name);
        decisions.retain(|d| d.engine == engine);
        let plan = planned(&snapshot, decisions);
        let (journal, limits) = (InMemoryJournal::default(), limits());
        let care = Care {
            placement: &Anywhere,
            ..Care::of(&limits)
        };
        let run = async |plan: &Plan, marks: &Plan| {
            let client = Arc::new(hands.act_client(plan).await);
            let report = hands
                .run(client, plan, marks, &journal, care)
                .await
                .unwrap();
            let all = (&report.end, report.done());
            assert_eq!(
                all,
                (&End::Done, plan.steps.len()),
                "{engine:?} {report:#?}"
            );
        };
        run(&plan, &plan).await;
        assert_ne!(small.state_of(&name).await, before, "{engine:?}");
        let history = History::new(journal.entries().await.unwrap());
        let back = undo(
            &plan,
            &history,
            &hands.snapshot().await,
            TimeDelta::hours(1),
        );
        run(&back, &plan).await;
        assert_eq!(small.state_of(&name).await, before, "{engine:?}");
    }
}
