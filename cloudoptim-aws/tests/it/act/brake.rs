//! The emergency brake in a ConfigMap, read by the user that acts.

use super::small::{Anywhere, SHOP, Small, planned, scale};
use super::*;
use cloudoptim_aws::k8s::ConfigMapSwitch;
use cloudoptim_core::conformance::the_brake_says_what_it_is;
use cloudoptim_core::guard::Refusal;
use cloudoptim_core::journal::{End, InMemoryJournal};
use cloudoptim_core::providers::KillSwitch;

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

async fn run(hands: &Hands, plan: &Plan, brake: &ConfigMapSwitch) -> Report {
    let limits = limits().with_patience(3, 1, 2);
    let care = Care {
        placement: &Anywhere,
        kill_switch: brake,
        ..Care::of(&limits)
    };
    let (client, journal) = (hands.act_client(plan).await, InMemoryJournal::default());
    let report = hands.run(Arc::new(client), plan, plan, &journal, care);
    report.await.unwrap()
}

/// C26: nothing is done while it is on, or while nobody can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_stops_everything_unless_it_says_false() {
    let Some(small) = Small::start().await else {
        return;
    };
    small.make("brake").await;
    let hands = small.hands().await.silent();
    let snapshot = hands.snapshot().await;
    let plan = planned(&snapshot, vec![scale(&snapshot, "api", "brake", 3, 0)]);
    let brake = ConfigMapSwitch::new(hands.looker.clone(), SHOP, "brake").unwrap();
    let unreadable = async |brake: &ConfigMapSwitch| {
        assert!(brake.is_on().await.is_err());
        let report = run(&hands, &plan, brake).await;
        let End::Aborted { because } = &report.end else {
            panic!("{report:#?}");
        };
        let says = matches!(because, Refusal::KillSwitchUnreadable { .. });
        assert!(says, "{report:#?}");
    };
    // It is not there, its neighbour may not be read, and it says nothing.
    unreadable(&brake).await;
    let other = ConfigMapSwitch::new(hands.looker.clone(), SHOP, "other").unwrap();
    let of = |name: &str, data: Value| json!({"metadata": {"name": name}, "data": data});
    small
        .post(MAPS, of("other", json!({"stop": "false"})))
        .await;
    unreadable(&other).await;
    small.post(MAPS, of("brake", json!({"stop": "no"}))).await;
    unreadable(&brake).await;

    let path = format!("{MAPS}/brake");
    let set = async |to: &str| small.patch(&path, json!({"data": {"stop": to}})).await;
    set("true").await;
    the_brake_says_what_it_is(&brake, true).await;
    let report = run(&hands, &plan, &brake).await;
    let because = Refusal::Killed;
    assert_eq!(report.end, End::Aborted { because }, "{report:#?}");
    assert_eq!(small.changes_of(&plan), []);

    set("false").await;
    the_brake_says_what_it_is(&brake, false).await;
    let report = run(&hands, &plan, &brake).await;
    assert_eq!((&report.end, report.done()), (&End::Done, 1), "{report:#?}");
}

#[test]
fn what_names_no_config_map_is_refused() {
    #[derive(Debug)]
    struct Nobody;
    #[async_trait]
    impl cloudoptim_aws::k8s::Reader for Nobody {
        async fn get(&self, path: &str, _: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
            panic!("{path} was read");
        }
    }
    for (namespace, name) in [
        ("", "brake"),
        ("shop", ""),
        ("shop/pods", "brake"),
        ("shop", "../secrets/a"),
        ("shop", ".."),
        ("shop", "a?b"),
    ] {
        let made = ConfigMapSwitch::new(Arc::new(Nobody), namespace, name);
        assert!(made.is_err(), "{namespace:?} {name:?}");
    }
}
