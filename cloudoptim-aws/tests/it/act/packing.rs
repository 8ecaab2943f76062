//! A packing plan, from the first read to the last node that goes, with the
//! real scheduler moving the pods. A plan is refused in part where the scheduler
//! put pods otherwise than it counts on; it is made anew until as many nodes went
//! as the first plan had, with cordons that leave one place to choose where these
//! are few enough. Nobody is left pending, and no budget is broken.

use super::*;
use cloudoptim_aws::k8s::Reader;
use cloudoptim_aws::testing::api::Api;
use cloudoptim_aws::testing::assets::Assets;
use cloudoptim_aws::testing::endings::without_ends;
use cloudoptim_aws::testing::witness::{Line, Witness};
use cloudoptim_aws::testing::world::WorkloadSpec;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::engines::{EngineId, Inputs};
use cloudoptim_core::execute::{Report, StepResult};
use cloudoptim_core::guard::{Cap, Kind};
use cloudoptim_core::journal::End;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{CapacityType, MicroUsdPerHour, OfferingPrice};
use cloudoptim_core::optimize::optimize;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The nodes' pool, as Karpenter calls it.
const POOL: &str = "main";

/// Names a variable with nodes and pods, such as `200x3000`, which takes a good
/// part of an hour. The size without it takes minutes.
const SIZE: &str = "CLOUDOPTIM_TEST_PACKING";

/// A wave that is looked at again may be refused, as the scheduler has put other
/// pods elsewhere than the plan counts on: then a plan is made anew.
const MOST_PLANS: usize = 12;

fn size() -> (usize, usize) {
    let asked = std::env::var(SIZE).unwrap_or_else(|_| "30x300".to_owned());
    let (nodes, pods) = asked.split_once('x').unwrap();
    (nodes.parse().unwrap(), pods.parse().unwrap())
}

/// What is read, and how long that takes.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Reader>,
    /// Requests, bytes and time, by the last part of the path of lists.
    counts: Mutex<BTreeMap<String, (usize, usize, Duration)>>,
}

impl Counting {
    fn print(&self) {
        for (kind, (requests, bytes, time)) in &*self.counts.lock().unwrap() {
            let megabytes = bytes / 1_000_000;
            eprintln!("  {kind}: {requests} requests, {megabytes} MB, {time:?}");
        }
    }
}

#[async_trait]
impl Reader for Counting {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let start = Instant::now();
        let answer = self.inner.get(path, query).await;
        let selected = query.iter().any(|(key, _)| *key == "fieldSelector");
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let last = parts.last().copied().unwrap_or_default();
        let list = parts.iter().rev().find(|part| part.ends_with('s'));
        let mut kind = list.copied().unwrap_or(last).to_owned();
        kind.push_str(match (selected, kind == last) {
            (true, _) => " of a node",
            (false, true) => "",
            (false, false) => ", one",
        });
        let mut counts = self.counts.lock().unwrap();
        let (requests, bytes, time) = counts.entry(kind).or_default();
        *requests += 1;
        *bytes += answer.as_ref().map_or(0, Bytes::len);
        *time += start.elapsed();
        answer
    }
}

/// The world's nodes as those of one of Karpenter's pools.
async fn make_claims(scene: &Scene, spec: &WorldSpec) {
    scene
        .world
        .install_karpenter_crds(&Assets::find().unwrap())
        .await
        .unwrap();
    let class = json!({"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": POOL});
    let template = json!({"nodeClassRef": class, "requirements": []});
    let pool = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool",
        "metadata": {"name": POOL}, "spec": {"template": {"spec": template},
        "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized",
            "consolidateAfter": "0s", "budgets": [{"nodes": "100%"}]}}});
    let claims = "/apis/karpenter.sh/v1/nodeclaims";
    let mut objects = vec![("/apis/karpenter.sh/v1/nodepools".to_owned(), pool)];
    objects.extend(spec.nodes.iter().map(|node| {
        let claim = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {"name": node.name, "labels": {"karpenter.sh/nodepool": POOL}},
            "spec": template});
        (claims.to_owned(), claim)
    }));
    scene.world.create_all(objects).await.unwrap();
    for node in &spec.nodes {
        let status = json!({"nodeName": node.name, "providerID": node.provider_id});
        let path = format!("{claims}/{}", node.name);
        scene.world.set_status(&path, &status).await.unwrap();
    }
}

/// Does what Karpenter does with a claim that is deleted: its node goes.
pub(super) fn karpenter(api: Api) -> JoinHandle<()> {
    tokio::spawn(async move {
        let items = async |path: &str| {
            let list = api.get(path).await.ok()?.ok().ok()?;
            let names = list["items"].as_array()?.iter();
            let names = names.filter_map(|o| o["metadata"]["name"].as_str().map(str::to_owned));
            Some(names.collect::<BTreeSet<String>>())
        };
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            // Claims last: a node is made before its claim knows of it.
            let own = "/api/v1/nodes?labelSelector=karpenter.sh/nodepool";
            let Some(nodes) = items(own).await else {
                continue;
            };
            let Some(claims) = items("/apis/karpenter.sh/v1/nodeclaims").await else {
                continue;
            };
            for node in nodes.difference(&claims) {
                let _ = api.delete(&format!("/api/v1/nodes/{node}")).await;
            }
        }
    })
}

async fn grant_removal(admin: &Api) {
    let rules =
        json!([{"apiGroups": ["karpenter.sh"], "resources": ["nodeclaims"], "verbs": ["delete"]}]);
    bind(admin, "removal", ACTOR, &rules).await;
}

/// What a node of each type costs: by its CPUs and memory, spot a third of it.
fn prices(spec: &WorldSpec) -> Vec<OfferingPrice> {
    let mut prices = BTreeMap::new();
    for node in &spec.nodes {
        let full = node.milli_cpu * 30 + node.memory_mib * 3;
        let full = i64::try_from(full).unwrap();
        for (capacity_type, per_hour) in [
            (CapacityType::OnDemand, full),
            (CapacityType::Spot, full / 3),
        ] {
            let price = OfferingPrice {
                instance_type: node.instance_type.as_str().into(),
                zone_id: None,
                capacity_type,
                per_hour: MicroUsdPerHour(per_hour),
            };
            prices.insert((node.instance_type.clone(), capacity_type), price);
        }
    }
    prices.into_values().collect()
}

/// A generated world, and workloads that stay together in one zone.
fn world(nodes: usize, pods: usize) -> WorldSpec {
    let mut spec = WorldSpec::generate(5, nodes, pods.saturating_sub(pods / 20));
    for workload in &mut spec.workloads {
        workload.grace_seconds = workload.grace_seconds.min(2);
    }
    for node in &mut spec.nodes {
        node.labels
            .insert("karpenter.sh/nodepool".to_owned(), POOL.to_owned());
    }
    let most = (pods / 20 / 3).max(1);
    for number in 0..3 {
        let replicas = u32::try_from(most).unwrap();
        let mut near = WorkloadSpec::deployment("near", &format!("near-{number}"), replicas);
        near.together = Some("topology.kubernetes.io/zone".to_owned());
        near.grace_seconds = 1;
        spec.workloads.push(near);
    }
    spec
}

/// The plan of the packer alone, as a user would set it who has an afternoon.
fn packing_plan(snapshot: &Snapshot, spec: &WorldSpec) -> Plan {
    let mut policy = Policy::default();
    policy.engines = [EngineId::BinPacking].into();
    policy.bin_packing = policy
        .bin_packing
        .with_quiet_minutes(0, 0)
        .with_max_evictions_in_flight(50)
        .with_max_temporary_cordons(10 * u32::try_from(spec.nodes.len()).unwrap());
    policy.plan = policy.plan.with_valid_minutes(600);
    let overlay = Overlay {
        prices: prices(spec),
        ..Overlay::default()
    };
    let inputs = Inputs {
        snapshot,
        overlay: &overlay,
        catalog: &Catalog::default(),
        policy: &policy,
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    optimize(&inputs).unwrap()
}

fn count(plan: &Plan, is: fn(&Action) -> bool) -> usize {
    plan.steps.iter().filter(|step| is(&step.action)).count()
}

/// Uids of the pods that leave, with the nodes that they leave.
fn leaving(plan: &Plan) -> BTreeMap<String, String> {
    let mut leaving = BTreeMap::new();
    for step in &plan.steps {
        if let Action::DrainNode { node, moves, .. } = &step.action {
            leaving.extend(moves.iter().map(|m| (m.uid.to_string(), node.to_string())));
        }
    }
    leaving
}

/// Says what was not done and why, and gives the number of nodes that went.
fn print_refused(plan: &Plan, report: &Report) -> usize {
    let mut gone = 0;
    for ((_, result), step) in report.steps.iter().zip(&plan.steps) {
        let says = match result {
            StepResult::Finished { outcome } if outcome.is_done() => {
                gone += usize::from(matches!(step.action, Action::RemoveNode { .. }));
                continue;
            }
            StepResult::Finished { outcome } => outcome.to_string(),
            StepResult::Refused { refusal } => refusal.to_string(),
            _ => continue,
        };
        eprintln!("  {} of wave {:?}: {says}", step.action, step.wave);
    }
    gone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packing_plan_is_carried_out_and_leaves_nobody_pending() {
    let (nodes, pods) = size();
    let spec = world(nodes, pods);
    let start = Instant::now();
    let config = PlaneConfig::full().with_stages(without_ends());
    let Some((scene, _endings)) = Scene::start_with_endings(config, &spec).await else {
        return;
    };
    let admin = scene.plane.admin().unwrap();
    grant_removal(&admin).await;
    make_claims(&scene, &spec).await;
    let karpenter = karpenter(admin.clone());
    eprintln!(
        "{nodes} nodes, {} pods run after {:?}",
        spec.pods(),
        start.elapsed()
    );

    let mut hands = scene.hands().await;
    let counting = Arc::new(Counting {
        inner: hands.reader.clone(),
        counts: Mutex::default(),
    });
    hands.read_through(counting.clone()).await;
    let cap = Cap {
        per_run: u32::MAX,
        per_hour: u32::MAX,
        per_day: u32::MAX,
    };
    hands.limits = hands
        .limits
        .with_cap(Kind::Drains, cap)
        .with_patience(3, 1, 120);
    let (_folder, journal) = journal(&hands);
    let lines = Line::of_all(&spec.workloads);
    let witness = Witness::start(&scene.plane, lines).await.unwrap();
    let mut planned = BTreeMap::new();
    let mut target = 0;
    let (mut gone, mut moved) = (0, 0);
    for number in 1..=MOST_PLANS {
        counting.counts.lock().unwrap().clear();
        let start = Instant::now();
        let snapshot = hands.snapshot().await;
        let collected = start.elapsed();
        let plan = packing_plan(&snapshot, &spec);
        let removals = count(&plan, |action| matches!(action, Action::RemoveNode { .. }));
        let waves: BTreeSet<u32> = plan.steps.iter().filter_map(|s| s.wave).collect();
        eprintln!(
            "plan {number}: collected in {collected:?}, planned after {:?}: {removals} nodes go in {} waves, {} steps, {} pods move",
            start.elapsed(),
            waves.len(),
            plan.steps.len(),
            plan.totals.moves,
        );
        if number == 1 {
            target = removals;
        }
        if removals == 0 {
            break;
        }
        planned.extend(leaving(&plan));
        let start = Instant::now();
        let report = hands.execute(&plan, &plan, &journal).await;
        eprintln!(
            "executed in {:?}: {:?}, {} of {} steps",
            start.elapsed(),
            report.end,
            report.done(),
            plan.steps.len()
        );
        counting.print();
        // Whatever came in between: it ends, and nothing is left half done.
        assert_eq!(report.end, End::Done);
        gone += print_refused(&plan, &report);
        moved += plan.totals.moves;
        scene.world.wait_until_running().await.unwrap();
        if gone >= target {
            break;
        }
    }
    eprintln!("{gone} nodes went, and the first plan had {target}");
    assert!(target * 10 >= nodes, "only {target} nodes were to go");
    // What goes at the end depends on where the scheduler put pods before: of the
    // small world one node may be left, of the one that is asked for none.
    let left = usize::from(std::env::var_os(SIZE).is_none());
    assert!(
        gone + left >= target,
        "{gone} nodes went, and {target} were to"
    );

    // Everything that ran runs, on no more nodes than planned.
    let there = async || {
        let list = scene.object("/api/v1/nodes").await;
        list["items"].as_array().unwrap().len()
    };
    let waiting = async {
        while there().await + gone > nodes {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap();
    karpenter.abort();
    let all = scene.object("/api/v1/pods").await;
    let all = all["items"].as_array().unwrap();
    let places = all
        .iter()
        .filter_map(|pod| pod["spec"]["nodeName"].as_str());
    let places: BTreeSet<&str> = places.collect();
    assert!(
        places.len() <= nodes - gone,
        "{} nodes carry pods",
        places.len()
    );
    let runs = |pod: &&Value| pod["status"]["phase"] == "Running";
    assert_eq!(
        u64::try_from(all.iter().filter(runs).count()).unwrap(),
        spec.pods()
    );
    assert_eq!(u64::try_from(all.len()).unwrap(), spec.pods());

    let testimony = witness
        .testify(&scene.plane, ACTOR, &planned)
        .await
        .unwrap();
    eprintln!("{testimony:#?}");
    assert_eq!(testimony.faults(), Vec::<String>::new());
    assert!(u64::try_from(testimony.evictions).unwrap() <= moved);
    assert_eq!(testimony.below_by_others, 0);
}
