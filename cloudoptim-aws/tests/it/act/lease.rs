//! One process acts at a time: the lease of a real API server.

use super::small::{Anywhere, SHOP, Small, drained, every_kind, planned, scale};
use super::*;
use cloudoptim_aws::k8s::{ClusterLease, LeaseConfig};
use cloudoptim_aws::testing::proxy::{Fault, Proxy, Rule};
use cloudoptim_core::conformance::{
    a_lapsed_lease_goes_to_another, a_lease_has_one_holder, a_lease_remembers_the_journal,
};
use cloudoptim_core::journal::{End, InMemoryJournal};
use cloudoptim_core::providers::{JournalMark, LeaseError};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Names the folder with what the stopped process needs.
const FOLDER: &str = "CLOUDOPTIM_TEST_STOPPED";

/// One plane for all, each with objects and a lease of its own.
async fn shared() -> Option<&'static Small> {
    static SMALL: OnceCell<Option<Small>> = OnceCell::const_new();
    SMALL.get_or_init(Small::start).await.as_ref()
}

/// A lease of that name, held by an administrator.
async fn lease(hands: &Hands, kubeconfig: &str, name: &str, seconds: u32) -> ClusterLease {
    let text = kubeconfig.as_bytes();
    let reading = Connection::<Reading>::from_bytes("lease", text, ConnectOptions::default());
    let acting = Connection::<Acting>::from_bytes("lease", text, ConnectOptions::default());
    let client = acting.unwrap().client("lease", ActMode::Act).await.unwrap();
    let config = LeaseConfig::new(SHOP, "test")
        .with_name(name)
        .with_seconds(seconds);
    let reader: Arc<dyn Reader> = Arc::new(reading.unwrap().client().unwrap());
    ClusterLease::new(reader, Arc::new(client), hands.clock.clone(), config)
}

/// Until two changes of the plan are seen.
async fn until_changed(small: &Small, plan: &Plan) {
    for _ in 0..600 {
        if small.changes_of(plan).len() >= 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing is changed");
}

fn admin(small: &Small) -> String {
    small.plane.kubeconfig_for(small.plane.admin_token())
}

/// Each change takes its time, so that there is something to stop.
#[derive(Debug)]
struct Slow(ActClient, Duration);

#[async_trait]
impl Changer for Slow {
    async fn change(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ProviderError> {
        let answer = self.0.change(method, path, content_type, body).await;
        tokio::time::sleep(self.1).await;
        answer
    }

    fn mode(&self) -> ActMode {
        self.0.mode()
    }
}

async fn run_with(
    hands: &Hands,
    plan: &Plan,
    journal: &dyn Journal,
    lease: &dyn Lease,
    pause: Duration,
) -> Result<Report, ExecuteError> {
    let client = Slow(hands.act_client(plan).await, pause);
    let limits = limits();
    let care = Care {
        placement: &Anywhere,
        lease: Some(lease),
        ..Care::of(&limits)
    };
    hands.run(Arc::new(client), plan, plan, journal, care).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_keep_the_contract_on_a_real_api_server() {
    let Some(small) = shared().await else { return };
    let hands = small.hands().await;
    let client = Arc::new(hands.acting.client("lease", ActMode::Act).await.unwrap());
    // With no more than the generated role of the act user.
    let first = small.lease(&hands, client.clone(), 3);
    let second = small.lease(&hands, client, 3);
    a_lease_has_one_holder(&first, &second, &*hands.clock).await;
    a_lapsed_lease_goes_to_another(&first, &second, &*hands.clock).await;
    a_lease_remembers_the_journal(&first, &second).await;
}

/// E08: what the clock of a holder says is not believed, either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e08_a_holder_whose_clock_is_wrong_is_judged_by_what_is_seen() {
    let Some(small) = shared().await else { return };
    let hands = small.hands().await;
    let mark = JournalMark {
        journal: "j".to_owned(),
        entries: 0,
    };
    let leases = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";
    let held = |name: &str, renewed: &str| {
        json!({"metadata": {"name": name}, "spec": {"holderIdentity": "other",
            "leaseDurationSeconds": 3, "leaseTransitions": 7, "renewTime": renewed}})
    };
    // Dead, and renewed in the far future by its clock: taken after its span.
    small
        .post(leases, held("future", "2999-01-01T00:00:00.000000Z"))
        .await;
    let ours = lease(&hands, &admin(small), "future", 3).await;
    let before = hands.clock.monotonic();
    let taken = ours.acquire(&mark).await.unwrap();
    assert!(hands.clock.monotonic() - before >= TimeDelta::seconds(3));
    assert_eq!(taken.fence, 8);
    // Alive, and by its clock long gone.
    small
        .post(leases, held("past", "2000-01-01T00:00:00.000000Z"))
        .await;
    let ours = lease(&hands, &admin(small), "past", 3).await;
    let renewing = async {
        for second in 10.. {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let at = format!("2000-01-01T00:00:{second}.000000Z");
            let path = format!("{leases}/past");
            small.patch(&path, json!({"spec": {"renewTime": at}})).await;
        }
    };
    let answer = tokio::select! {
        answer = ours.acquire(&mark) => answer,
        () = renewing => unreachable!(),
    };
    assert!(
        matches!(&answer, Err(LeaseError::Taken { holder }) if holder == "other"),
        "{answer:?}"
    );
}

/// E06 and E16: two processes with the same plan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_of_two_processes_one_acts_and_e16_the_other_has_not_its_journal() {
    let Some(small) = shared().await else { return };
    small.make("two").await;
    let hands = small.hands().await.silent();
    let snapshot = hands.snapshot().await;
    let (decisions, steps) = every_kind(&snapshot, "two");
    let plan = planned(&snapshot, decisions);
    let (mine, theirs) = (InMemoryJournal::default(), InMemoryJournal::default());
    let first = lease(&hands, &admin(small), "two", 4).await;
    let second = lease(&hands, &admin(small), "two", 4).await;
    let pause = Duration::from_millis(300);
    let (one, other) = tokio::join!(run_with(&hands, &plan, &mine, &first, pause), async {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        run_with(&hands, &plan, &theirs, &second, pause).await
    });
    let report = one.unwrap();
    assert_eq!(
        (&report.end, report.done()),
        (&End::Done, steps),
        "{report:#?}"
    );
    let refused = other.unwrap_err();
    assert!(
        matches!(
            &refused,
            // It had not seen the journal then, and knew its holder only later.
            ExecuteError::Lease(LeaseError::Taken { .. } | LeaseError::AnotherJournal { .. })
        ),
        "{refused}"
    );
    let changes = small.changes_of(&plan);
    let distinct: BTreeSet<_> = changes.iter().collect();
    assert_eq!(distinct.len(), changes.len(), "something was done twice");
    // The other process may have it by now, and has not what was done.
    let late = run_with(&hands, &plan, &theirs, &second, pause).await;
    assert!(
        matches!(
            &late,
            Err(ExecuteError::Lease(LeaseError::AnotherJournal { .. }))
        ),
        "{late:?}"
    );
    assert_eq!(small.changes_of(&plan).len(), changes.len());
}

/// Executes a plan slowly; another test stops it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "stopped by e07_a_process_that_was_stopped_for_longer_than_its_lease_acts_no_more"]
async fn stopped() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let file = |name: &str| std::fs::read_to_string(Path::new(&folder).join(name)).unwrap();
    let hands = Hands::open(&file("read"), &file("act"))
        .await
        .apart(&file("act"))
        .silent();
    let plan: Plan = serde_json::from_str(&file("plan")).unwrap();
    let journal = open_journal(&hands, &Path::new(&folder).join("journal"));
    let lease = lease(&hands, &file("admin"), "stopped", 4).await;
    let pause = Duration::from_millis(700);
    let ended = run_with(&hands, &plan, &journal, &lease, pause).await;
    println!("ENDED: {}", ended.unwrap_err());
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// E07: stopped for eight seconds with a lease of four.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e07_a_process_that_was_stopped_for_longer_than_its_lease_acts_no_more() {
    let Some(small) = shared().await else { return };
    small.make("stop").await;
    let hands = small.hands().await.silent();
    let snapshot = hands.snapshot().await;
    let (decisions, steps) = every_kind(&snapshot, "stop");
    let plan = planned(&snapshot, decisions);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("read", &small.read);
    write("act", &small.act);
    write("admin", &admin(small));
    write("plan", &serde_json::to_string(&plan).unwrap());
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "act::lease::stopped",
            "--exact",
            "--include-ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until_changed(small, &plan).await;
    signal("STOP", child.id());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = small.changes_of(&plan).len();
    assert!(before < steps, "it was stopped in the middle");
    // Somebody else with that journal takes the lease meanwhile.
    let rival = lease(&hands, &admin(small), "stopped", 4).await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/stopped";
    let known = small.get(path).await["metadata"]["annotations"].clone();
    let text = |key: &str| known[key].as_str().unwrap().to_owned();
    let mark = JournalMark {
        journal: text("cloudoptim/journal"),
        entries: text("cloudoptim/journal-entries").parse().unwrap(),
    };
    let held = rival.acquire(&mark).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    signal("CONT", child.id());
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("ENDED: the lease was not renewed for")
            || said.contains("ENDED: the lease of"),
        "{said} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(small.changes_of(&plan).len(), before, "it went on");
    rival.release(&held).await.unwrap();
    // Whoever holds the lease and has the journal takes it up.
    let journal = open_journal(&hands, &folder.path().join("journal"));
    let again = lease(&hands, &admin(small), "stopped", 4).await;
    let report = run_with(&hands, &plan, &journal, &again, Duration::ZERO).await;
    let report = report.unwrap();
    assert_eq!(
        (&report.end, report.done()),
        (&End::Done, steps),
        "{report:#?}"
    );
    let changes = small.changes_of(&plan);
    let distinct: BTreeSet<_> = changes.iter().collect();
    assert_eq!(distinct.len(), changes.len(), "something was done twice");
}

/// E08 and E17: the lease is stolen, or nobody answers for it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e08_stolen_or_out_of_reach_the_plan_stops_within_two_thirds() {
    let Some(small) = shared().await else { return };
    for stolen in [true, false] {
        let name = if stolen { "stolen" } else { "silent" };
        small.make(name).await;
        let hands = small.hands().await.silent();
        let snapshot = hands.snapshot().await;
        let (decisions, steps) = every_kind(&snapshot, name);
        let plan = planned(&snapshot, decisions);
        let proxy = Proxy::before(&small.plane).unwrap();
        let token = small.plane.admin_token();
        let through = small.plane.kubeconfig_through(proxy.url(), token);
        let held = lease(&hands, &through, name, 4).await;
        let journal = InMemoryJournal::default();
        let meddle = async {
            until_changed(small, &plan).await;
            if stolen {
                let path = format!("/apis/coordination.k8s.io/v1/namespaces/shop/leases/{name}");
                let spec = json!({"spec": {"holderIdentity": "thief", "leaseTransitions": 99}});
                small.patch(&path, spec).await;
            } else {
                proxy.add(Rule::on("*", "**/leases/*", Fault::DropRequest));
            }
            hands.clock.monotonic()
        };
        let pause = Duration::from_millis(700);
        let run = run_with(&hands, &plan, &journal, &held, pause);
        let (ended, since) = tokio::join!(run, meddle);
        let error = ended.unwrap_err();
        let took = hands.clock.monotonic() - since;
        match &error {
            ExecuteError::Lease(LeaseError::Lost { by, .. }) => assert_eq!(by, "thief"),
            ExecuteError::Lease(LeaseError::Lapsed { .. }) => assert!(!stolen, "{error}"),
            other => panic!("{other}"),
        }
        // Two thirds of four seconds, and what the machine takes.
        assert!(took <= TimeDelta::milliseconds(4_000), "{took}");
        let done = small.changes_of(&plan).len();
        assert!(done < steps, "{done} changes");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(small.changes_of(&plan).len(), done, "it went on");
    }
}

/// I-11: what a later holder marked is left alone, and the fence is a mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i11_a_node_with_a_higher_fence_is_left_alone() {
    let Some(small) = shared().await else { return };
    small.node("n-fence", 1).await;
    small.node("n-later", 1).await;
    let later = json!({"metadata": {"annotations": {"cloudoptim/fence": "1000"}}});
    small.patch("/api/v1/nodes/n-later", later).await;
    let hands = small.hands().await;
    let snapshot = hands.snapshot().await;
    let decisions = ["n-fence", "n-later"].map(|node| drained(&snapshot, node));
    let plan = planned(&snapshot, decisions.to_vec());
    let held = lease(&hands, &admin(small), "fence", 15).await;
    let journal = InMemoryJournal::default();
    let report = run_with(&hands, &plan, &journal, &held, Duration::ZERO).await;
    let report = report.unwrap();
    assert_eq!((&report.end, report.done()), (&End::Done, 2), "{report:#?}");
    let ours = small.get("/api/v1/nodes/n-fence").await;
    assert_eq!(ours["metadata"]["annotations"]["cloudoptim/fence"], "1");
    let theirs = small.get("/api/v1/nodes/n-later").await;
    assert_eq!(theirs["spec"]["unschedulable"], Value::Null);
    assert!(format!("{report:?}").contains("fence 1000 of a later holder"));
}

/// Events tell what was done, to whoever looks at the object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_are_told_as_events_and_nothing_depends_on_them() {
    let Some(small) = shared().await else { return };
    small.make("told").await;
    let hands = small.hands().await;
    let snapshot = hands.snapshot().await;
    let decisions = vec![
        scale(&snapshot, "api", "told", 3, 0),
        drained(&snapshot, "n-told"),
    ];
    let plan = planned(&snapshot, decisions);
    let limits = limits();
    let care = Care {
        placement: &Anywhere,
        ..Care::of(&limits)
    };
    let journal = InMemoryJournal::default();
    let client = Arc::new(hands.act_client(&plan).await);
    let report = hands.run(client, &plan, &plan, &journal, care).await;
    assert_eq!(report.unwrap().done(), 3);
    let told = async |namespace: &str, name: &str| {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let events = small.get(&path).await["items"].clone();
        let events = events.as_array().unwrap().clone();
        let of = events
            .into_iter()
            .filter(|e| e["regarding"]["name"] == name && e["reportingController"] == "cloudoptim");
        of.map(|e| {
            let note = e["note"].as_str().unwrap().to_owned();
            assert!(note.contains(&plan.fingerprint.0), "{note}");
            e["reason"].as_str().unwrap().to_owned()
        })
        .collect::<BTreeSet<String>>()
    };
    let both = BTreeSet::from(["Cordoned".to_owned(), "Drained".to_owned()]);
    assert_eq!(told("default", "n-told").await, both);
    assert_eq!(told(SHOP, "api-told").await, ["Scaled".to_owned()].into());

    // A user who may not tell acts in silence, and that is counted.
    let back = planned(&snapshot, vec![scale(&snapshot, "web", "told", 2, 0)]);
    let proxy = Proxy::before(&small.plane).unwrap();
    proxy.add(Rule::on("POST", "**/events", Fault::DropRequest));
    let token = small.plane.token_for(ACTOR, &[]).unwrap();
    let through = small.plane.kubeconfig_through(proxy.url(), &token);
    let mute = Hands::open(&small.read, &through).await.apart(&small.act);
    let client = Arc::new(mute.act_client(&back).await);
    let actuator = ClusterActuator::new(
        mute.looker.clone(),
        client.clone(),
        mute.clock.clone(),
        Marks::of(&back),
    );
    let actuators = Actuators {
        clouds: BTreeMap::new(),
        clusters: [(
            mute.uid.clone(),
            ClusterActuators::of(Arc::new(actuator.clone())),
        )]
        .into(),
    };
    let now = mute.clock.now();
    let approval = Approval {
        version: Version::KNOWN,
        fingerprint: back.fingerprint.clone(),
        by: "ada".to_owned(),
        at: now,
        until: now + TimeDelta::hours(1),
    };
    let environment = Environment {
        sources: &mute.sources,
        actuators: &actuators,
        journal: &InMemoryJournal::default(),
        clock: &*mute.clock,
        kill_switch: &NoKillSwitch,
        placement: &Anywhere,
        limits: &limits,
        gate: None,
        lease: None,
    };
    let approved = ApprovedPlan::new(back, approval).unwrap();
    let report = execute(approved, &environment).await.unwrap();
    assert_eq!(report.done(), 1, "{report:#?}");
    assert_eq!(actuator.untold(), 1);
}
