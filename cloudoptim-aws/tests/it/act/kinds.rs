//! Every kind of act, done and taken back by a process that is killed at every
//! entry of the journal and at every change.

use super::small::{Anywhere, Small, every_kind, planned};
use super::*;
use cloudoptim_aws::testing::api::Api;
use cloudoptim_aws::testing::kill::{End as Ending, Run, Victim};
use cloudoptim_core::execute::undo;
use cloudoptim_core::journal::{End, History};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fs;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Names the folder with what the victim needs.
const FOLDER: &str = "CLOUDOPTIM_TEST_KINDS";

/// A process may end after each entry and each change: whatever is before the
/// next of them leaves the journal and the cluster as they were.
#[derive(Debug)]
struct Dies<T>(T);

#[async_trait]
impl Journal for Dies<FileJournal> {
    async fn id(&self) -> Result<String, JournalError> {
        self.0.id().await
    }

    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        self.0.append(entry).await?;
        points::point("after an entry");
        Ok(())
    }

    async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.0.entries().await
    }
}

#[async_trait]
impl Changer for Dies<ActClient> {
    async fn change(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ProviderError> {
        let answer = self.0.change(method, path, content_type, body).await;
        points::point("after a change");
        answer
    }

    fn mode(&self) -> ActMode {
        self.0.mode()
    }
}

async fn run(
    hands: &Hands,
    client: Arc<dyn Changer>,
    plan: &Plan,
    marks: &Plan,
    journal: &dyn Journal,
) -> Report {
    let limits = limits();
    let care = Care {
        placement: &Anywhere,
        ..Care::of(&limits)
    };
    hands.run(client, plan, marks, journal, care).await.unwrap()
}

/// Executes the plan of the folder; another test kills it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "killed by e01_every_kind_of_act_killed_at_every_point"]
async fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let file = |name: &str| fs::read_to_string(Path::new(&folder).join(name)).unwrap();
    let hands = Hands::open(&file("read"), &file("act"))
        .await
        .apart(&file("act"))
        .silent();
    let plan: Plan = serde_json::from_str(&file("plan")).unwrap();
    let marks: Plan = serde_json::from_str(&file("marks")).unwrap();
    let journal = Dies(open_journal(&hands, &Path::new(&folder).join("journal")));
    let client = Arc::new(Dies(hands.act_client(&plan).await));
    let report = run(&hands, client, &plan, &marks, &journal).await;
    assert_eq!(report.end, End::Done, "{report:#?}");
}

struct Killed<'a> {
    small: &'a Small,
    hands: Hands,
    folder: tempfile::TempDir,
}

impl Killed<'_> {
    /// Kills a run at its point, takes it up, and gives the points that it met.
    async fn execute(&self, plan: &Plan, marks: &Plan, point: Option<usize>) -> Run {
        let write =
            |name: &str, text: &str| fs::write(self.folder.path().join(name), text).unwrap();
        write("read", &self.small.read);
        write("act", &self.small.act);
        write("plan", &serde_json::to_string(plan).unwrap());
        write("marks", &serde_json::to_string(marks).unwrap());
        let victim =
            Victim::of_test("act::kinds::victim").with_variable(FOLDER, self.folder.path());
        let ran = tokio::task::spawn_blocking(move || match point {
            Some(point) => victim.killed_at(point),
            None => victim.run(),
        });
        let ran = ran.await.unwrap().unwrap();
        let journal = self.journal();
        match ran.end {
            Ending::Killed => {}
            Ending::Finished => return ran,
            _ => panic!("{}", ran.output),
        }
        let history = History::new(journal.entries().await.unwrap());
        if history.end(&plan.fingerprint).is_none() {
            let client = Arc::new(self.hands.act_client(plan).await);
            let report = run(&self.hands, client, plan, marks, &journal).await;
            let all = (&report.end, report.done());
            let place = ran.points.last();
            assert_eq!(
                all,
                (&End::Done, plan.steps.len()),
                "{place:?}: {report:#?}"
            );
        }
        ran
    }

    fn journal(&self) -> FileJournal {
        open_journal(&self.hands, &self.folder.path().join("journal"))
    }
}

/// How often each change was made, by verb, resource and name.
pub(super) type Counts = BTreeMap<(String, String, String), usize>;

/// What became of a world, and how often each thing was changed.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) done: Value,
    taken_back: Value,
    pub(super) changes: Counts,
    pub(super) changes_back: Counts,
}

fn counted(small: &Small, plan: &Plan, name: &str) -> Counts {
    let mut counts = BTreeMap::new();
    for (verb, target, of) in small.changes_of(plan) {
        let of = of.replace(&format!("-{name}"), "");
        *counts.entry((verb, target, of)).or_default() += 1;
    }
    counts
}

impl Ended {
    /// The same without evictions, of which no pod has more than one. One that
    /// breaks off with the connection of its process has an error for an answer,
    /// and the pod may leave nevertheless: then it has none.
    fn without_evictions(&self) -> (&Value, &Value, Counts, &Counts) {
        let mut changes = self.changes.clone();
        changes.retain(|(_, target, _), count| {
            let evicts = target == "pods/eviction";
            assert!(!evicts || *count == 1, "{self:#?}");
            !evicts
        });
        (&self.done, &self.taken_back, changes, &self.changes_back)
    }
}

/// Some kinds of acts, and what they are done to.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    /// Makes the objects called after a name.
    pub(super) make: for<'a> fn(&'a Small, &'a str) -> BoxFuture<'a, ()>,
    /// What may differ of them, and comes back.
    pub(super) state: for<'a> fn(&'a Small, &'a str) -> BoxFuture<'a, Value>,
    /// The decisions about them, and how many steps these are.
    pub(super) decisions: fn(&Snapshot, &str) -> (Vec<Decision>, usize),
    /// Steps that are not taken back.
    pub(super) kept: usize,
}

/// One world: its plan is executed and taken back, each killed at that point.
/// Gives how it ended and how many points each run has.
async fn round(
    small: &Small,
    kinds: Kinds,
    name: &str,
    point: Option<usize>,
) -> (Ended, [usize; 2]) {
    (kinds.make)(small, name).await;
    let before = (kinds.state)(small, name).await;
    let killed = Killed {
        small,
        hands: small.hands().await.silent(),
        folder: tempfile::tempdir().unwrap(),
    };
    let snapshot = killed.hands.snapshot().await;
    let (decisions, steps) = (kinds.decisions)(&snapshot, name);
    let plan = planned(&snapshot, decisions);
    let there = killed.execute(&plan, &plan, point).await;
    let done = (kinds.state)(small, name).await;
    assert_ne!(done, before, "something was done");

    let history = History::new(killed.journal().entries().await.unwrap());
    let after = killed.hands.snapshot().await;
    assert!(is_drained(&after, &plan));
    let back = undo(&plan, &history, &after, TimeDelta::hours(1));
    let comes_back = steps - kinds.kept;
    assert_eq!(back.steps.len(), comes_back, "{}", back.explain());
    let and_back = killed.execute(&back, &plan, point).await;
    let taken_back = (kinds.state)(small, name).await;
    assert_eq!(taken_back, before, "point {point:?}");
    let ended = Ended {
        done,
        taken_back,
        changes: counted(small, &plan, name),
        changes_back: counted(small, &back, name),
    };
    (ended, [there.points.len(), and_back.points.len()])
}

/// Ends pods that are on their way out, as a kubelet does. Without a grace the
/// server ends a pod by itself, in two steps: it marks it, and removes it. When
/// the connection of the process that is killed breaks off in between, the
/// second never comes, and a kubelet is what is left to do it.
fn kubelet(api: Api) -> JoinHandle<()> {
    const PODS: &str = "/api/v1/namespaces/shop/pods";
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let Ok(list) = api.get(PODS).await else {
                continue;
            };
            let list = list.ok().unwrap();
            let all = list["items"].as_array().unwrap().iter();
            for pod in all.filter(|pod| !pod["metadata"]["deletionTimestamp"].is_null()) {
                let name = pod["metadata"]["name"].as_str().unwrap();
                let path = format!("{PODS}/{name}?gracePeriodSeconds=0");
                let _ = api.delete(&path).await;
            }
        }
    })
}

/// Kills a run of each world at each of its points, and gives how the world
/// ended whose run was not.
pub(super) async fn killed_everywhere(small: Arc<Small>, kinds: Kinds) -> (Ended, usize) {
    let kubelet = kubelet(small.plane.admin().unwrap());
    let (undisturbed, points) = round(&small, kinds, "r0", None).await;
    for changes in [&undisturbed.changes, &undisturbed.changes_back] {
        assert!(changes.values().all(|count| *count == 1), "{changes:#?}");
    }
    let most = points[0].max(points[1]);
    let undisturbed = Arc::new(undisturbed);
    let mut rounds = tokio::task::JoinSet::new();
    let mut next = 1;
    loop {
        while rounds.len() < 5 && next <= most {
            let (small, undisturbed, point) = (small.clone(), undisturbed.clone(), next);
            rounds.spawn(async move {
                let (ended, _) = round(&small, kinds, &format!("r{point}"), Some(point)).await;
                let found = (ended.without_evictions(), undisturbed.without_evictions());
                assert_eq!(found.0, found.1, "killed at point {point}");
            });
            next += 1;
        }
        match rounds.join_next().await {
            Some(ended) => ended.unwrap(),
            None => break,
        }
    }
    kubelet.abort();
    (Arc::into_inner(undisturbed).unwrap(), most)
}

/// E01: killed anywhere, a plan of every kind of act ends the same, does
/// nothing twice, and can be taken back; and so is its way back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e01_every_kind_of_act_killed_at_every_point() {
    let Some(small) = Small::start().await else {
        return;
    };
    let kinds = Kinds {
        make: |small, name| small.make(name).boxed(),
        state: |small, name| small.state_of(name).boxed(),
        decisions: every_kind,
        // A drain is not taken back, and its cordon is.
        kept: 1,
    };
    let (ended, points) = killed_everywhere(Arc::new(small), kinds).await;
    // Ten patches and three pods; all but the pods come back.
    let counts = (ended.changes.len(), ended.changes_back.len());
    assert_eq!(counts, (10 + 3, 10), "{ended:#?}");
    // Begun and ended; an intent, a change and an outcome of each step.
    assert!(points >= 2 + 3 * 11, "only {points} points");
}
