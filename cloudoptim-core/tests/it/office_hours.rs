//! Office hours: scenarios, the schedule against a reference that walks the
//! wall clock minute by minute, and properties.

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::*;
use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{OffsetComponents, TZ_VARIANTS, Tz};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Action, Decision, MissingEvidence};
use cloudoptim_core::engines::office_hours::{
    ASLEEP_UNTIL, AWAKE_UNTIL, Config, Desired, MARK, OPT_IN, Override, Reason, Schedule,
    asleep_fraction_milli, decide, overlay_when_asleep, schedule,
};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Asleep, Ledgers};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;

const FILE: &str = "office_hours.txt";
/// Sunday, and Monday in office hours.
const NIGHT: &str = "2026-11-22T02:30Z";
const DAY: &str = "2026-11-23T10:00Z";

fn push<T>(part: &mut Knowledge<Vec<T>>, item: T) {
    part.value_mut().unwrap().push(item);
}

fn pairs(text: Option<&str>) -> Labels {
    text.unwrap_or_default()
        .split(';')
        .filter(|t| !t.is_empty())
        .map(|t| t.split_once('=').unwrap_or_else(|| panic!("{t}")))
        .map(|(k, v)| {
            let key = match k {
                "hours" => OPT_IN,
                "awake" => AWAKE_UNTIL,
                "asleep" => ASLEEP_UNTIL,
                "mark" => MARK,
                other => other,
            };
            (key.to_owned(), v.to_owned())
        })
        .collect()
}

/// The scenario of a line: one workload on one node of $0.20 an hour.
fn inputs_of(line: &Line) -> (Snapshot, Ledgers, Config) {
    let now = if line.has("day") { DAY } else { NIGHT };
    let (mut cluster, mut cloud) = (cluster(), cloud());
    let space = line.get("namespace").unwrap_or("team");
    let name = line.get("name").unwrap_or("web");
    let mut namespace = Namespace {
        meta: meta("", space),
    };
    namespace.meta.labels = pairs(line.get("ns_labels"));
    namespace.meta.annotations = pairs(line.get("ns_notes"));
    push(&mut cluster.namespaces, namespace);
    let mut n = node("n1", "4", "16Gi");
    n.meta
        .labels
        .insert(INSTANCE_TYPE_LABEL.into(), "m6i.xlarge".into());
    push(&mut cluster.nodes, n);
    if !line.has("unpriced") {
        push(
            &mut cloud.prices,
            OfferingPrice {
                instance_type: "m6i.xlarge".into(),
                zone_id: None,
                capacity_type: CapacityType::OnDemand,
                per_hour: MicroUsdPerHour(200_000),
            },
        );
    }
    let kind: WorkloadKind = line.get("kind").unwrap_or("Deployment").into();
    let [mut top, mut set] = deployment(space, name, 2, container("main", "1", "1Gi"));
    top.kind = kind.clone();
    top.replicas = line.get("replicas").unwrap_or("2").parse().ok();
    top.meta.labels = pairs(line.get("labels"));
    top.meta.annotations = pairs(line.get("notes"));
    top.paused = line.has("suspended");
    top.deletes_claims_when_scaled = line.has("claims-go");
    top.starting_deadline_seconds = line.get("deadline").and_then(|d| d.parse().ok());
    if let Some(owner_name) = line.get("owner") {
        top.meta.owners.push(owner("Cluster", owner_name, "u"));
    }
    top.meta.field_managers = line.get("manager").map(str::to_owned).into_iter().collect();
    if let Some(generation) = line.get("generation") {
        top.meta.generation = generation.parse().ok();
    }
    let up = top.replicas != Some(0);
    let reference = top.reference();
    push(&mut cluster.workloads, top);
    if kind == WorkloadKind::Deployment {
        set.meta.uid = format!("uid-{space}-{name}-1").into();
        push(&mut cluster.workloads, set);
        if up {
            let c = container("main", "1", "1Gi");
            push(&mut cluster.pods, pod(space, name, "p1", "n1", c));
        }
    }
    if line.has("hpa") || line.has("keda") {
        let name = if line.has("keda") {
            "keda-hpa-web"
        } else {
            "web"
        };
        push(
            &mut cluster.horizontal_autoscalers,
            HorizontalPodAutoscaler {
                meta: meta(space, name),
                target: reference.clone(),
                ..Default::default()
            },
        );
    }
    if line.has("keda") {
        let mut object = ScaledObject {
            meta: meta(space, "web-so"),
            target: reference.clone(),
            ..Default::default()
        };
        object.meta.annotations = pairs(line.get("keda_notes"));
        push(&mut cluster.scaled_objects, object);
    }
    if line.has("budget") {
        push(
            &mut cluster.disruption_budgets,
            PodDisruptionBudget {
                meta: meta(space, "web-pdb"),
                selector: Some(LabelSelector::default()),
                ..Default::default()
            },
        );
    }
    let mut ledgers = Ledgers {
        asleep: Some(vec![]),
        ..Default::default()
    };
    if let Some(had) = line.get("had") {
        ledgers.asleep.as_mut().unwrap().push(Asleep {
            cluster: "c1".into(),
            workload: reference,
            replicas: had.parse().unwrap(),
            since: at(line.get("since").unwrap_or("2026-11-20T18:00Z")),
            generation: line.get("slept_in").and_then(|g| g.parse().ok()),
        });
    }
    fn away<T>(part: &mut Knowledge<T>) {
        *part = Knowledge::unknown(Gap::NotCollected);
    }
    match line.get("lost") {
        None => {}
        Some("namespaces") => away(&mut cluster.namespaces),
        Some("workloads") => {
            cluster.workloads =
                std::mem::take(&mut cluster.workloads).demoted(Gap::CompletenessNotStated);
        }
        Some("hpas") => away(&mut cluster.horizontal_autoscalers),
        Some("scaled_objects") => away(&mut cluster.scaled_objects),
        Some("budgets") => away(&mut cluster.disruption_budgets),
        Some("ledger") => ledgers.asleep = None,
        Some(other) => panic!("{other}"),
    }
    let mut config = Config::default();
    config
        .schedules
        .insert("late".into(), "daily 20:00-04:00 Europe/Berlin".into());
    if line.has("in") {
        config = config.with_namespace(space);
    }
    if let Some(workload) = line.get("override") {
        config = config.with_override(Override {
            namespace: space.to_owned(),
            workload: (workload != "all").then(|| workload.to_owned()),
            state: if line.has("force-sleep") {
                Desired::Asleep
            } else {
                Desired::Awake
            },
            from: None,
            until: at(line.get("until").unwrap_or("2026-12-01T00:00Z")),
        });
    }
    config.deployer_ignores_replicas = line.has("deployer-knows");
    (snapshot(now, cluster, cloud), ledgers, config)
}

fn run(snapshot: &Snapshot, ledgers: &Ledgers, config: &Config) -> EngineOutput {
    decide(config, &inputs(snapshot, ledgers)).unwrap()
}

fn inputs<'a>(snapshot: &'a Snapshot, ledgers: &'a Ledgers) -> Inputs<'a> {
    static OVERLAY: std::sync::LazyLock<Overlay> = std::sync::LazyLock::new(Overlay::default);
    static CATALOG: std::sync::LazyLock<Catalog> = std::sync::LazyLock::new(Catalog::empty);
    static POLICY: std::sync::LazyLock<Policy> = std::sync::LazyLock::new(Policy::default);
    Inputs {
        snapshot,
        overlay: &OVERLAY,
        catalog: &CATALOG,
        policy: &POLICY,
        ledgers,
        deadline: None,
    }
}

/// The decision about the workload, or about its namespace where there is none.
fn scenario(line: &Line) -> Decision {
    let (snapshot, ledgers, config) = inputs_of(line);
    let mut output = run(&snapshot, &ledgers, &config);
    let is_space = |d: &Decision| d.subject.to_string().contains("/Namespace/");
    output.decisions.sort_by_key(is_space);
    output.decisions.remove(0)
}

fn show(name: &str, decision: &Decision) -> String {
    let acts: Vec<String> = decision
        .actions
        .iter()
        .map(|a| match a {
            Action::ScaleWorkload { from, to, .. } => format!("scale:{from}-{to}"),
            Action::SuspendWorkload { suspend, .. } => format!("suspend:{suspend}"),
            Action::Annotate {
                object, key, to, ..
            } => {
                let key = key.rsplit('/').next().unwrap();
                format!("{}:{key}:{}", object.kind, to.as_deref().unwrap_or("-"))
            }
            other => panic!("{other}"),
        })
        .collect();
    let mut text = format!(
        "{name}: {}",
        if acts.is_empty() {
            "keep".into()
        } else {
            acts.join("+")
        }
    );
    assert_eq!(decision.saves_per_month, None, "only nodes save");
    if let Some(stake) = decision.at_stake_per_month {
        text += &format!(" stake={stake}");
    }
    for evidence in &decision.missing_evidence {
        text += &match evidence {
            MissingEvidence::Ledger { ledger, .. } => format!(" needs={ledger}"),
            MissingEvidence::Part { part, .. } => format!(" needs=\"{part}\""),
            MissingEvidence::Confirmation { .. } => " confirm".to_owned(),
            other => format!(" {other}"),
        };
    }
    let codes: Vec<String> = decision.reasons.iter().map(|r| r.code().1).collect();
    format!("{text} {}", codes.join(","))
}

#[test]
fn scenarios_of_sleep_and_of_what_stays_awake() {
    run_cases(FILE, |_, lines| {
        lines
            .iter()
            .map(|line| show(line.word(0), &scenario(line)))
            .collect()
    });
}

/// Documents that nobody dated: their latest time is some hours old, perhaps.
#[test]
fn nothing_sleeps_while_nobody_stated_the_time_and_what_sleeps_wakes() {
    let decided = |line: &str, basis: TakenAtBasis| {
        let (mut snapshot, ledgers, config) = inputs_of(&Line::parse(line));
        snapshot.taken_at_basis = basis;
        run(&snapshot, &ledgers, &config).decisions
    };
    let acts = |decisions: &[Decision]| decisions.iter().any(|d| !d.is_keep());
    let night = decided("w in", TakenAtBasis::LatestTimestamp);
    assert!(!acts(&night));
    let codes: Vec<String> = night.iter().map(|d| show("w", d)).collect();
    assert!(
        codes.iter().any(|c| c.contains("part_missing")),
        "{codes:?}"
    );
    assert!(acts(&decided("w in", TakenAtBasis::Stated)));
    let day = "w in day notes=mark=2 replicas=0 had=2";
    assert!(acts(&decided(day, TakenAtBasis::LatestTimestamp)));
}

#[test]
fn an_answer_names_the_zone_data_that_it_was_read_by() {
    let figures = |line: &str| {
        let (snapshot, ledgers, config) = inputs_of(&Line::parse(line));
        run(&snapshot, &ledgers, &config).figures
    };
    let [figures_of_one] = &figures("w in")[..] else {
        panic!("one cluster");
    };
    assert_eq!(figures_of_one.of, "schedules of test");
    assert_eq!(
        figures_of_one.proof,
        format!("read by the IANA zone data {}", schedule::tz_version())
    );
    assert_eq!(figures("w"), []);
}

#[test]
fn every_reason_occurs() {
    assert_every_code_occurs(Reason::CODES, &[FILE]);
}

#[test]
fn the_overlay_holds_what_sleeps_on_schedule_by_day_too() {
    let line = Line::parse("w in day");
    let (snapshot, ledgers, config) = inputs_of(&line);
    let inputs = inputs(&snapshot, &ledgers);
    let overlay = overlay_when_asleep(&config, &inputs, false);
    assert_eq!(overlay.replicas.len(), 1);
    assert_eq!(overlay.replicas[0].replicas, 0);
    assert_eq!(asleep_fraction_milli(&config, &inputs, false), 732);
    assert!(overlay.apply(&snapshot).clusters[0].pods.items().is_empty());
    let nobody = Config::default();
    assert!(
        overlay_when_asleep(&nobody, &inputs, true)
            .replicas
            .is_empty()
    );
    let (dev, ledgers, config) = inputs_of(&Line::parse("w day namespace=dev"));
    let inputs = self::inputs(&dev, &ledgers);
    assert!(
        overlay_when_asleep(&config, &inputs, false)
            .replicas
            .is_empty()
    );
    assert_eq!(
        overlay_when_asleep(&config, &inputs, true).replicas.len(),
        1
    );
}

/// O6: whatever was interrupted where, the next night and the next day end in
/// the same state, and a second run of either changes nothing.
#[test]
fn a_sleep_and_a_wake_end_the_same_wherever_they_were_interrupted() {
    // (mark written, scaled, ledger written) at the crash.
    for (note, replicas, had) in [
        ("", "2", ""),
        ("notes=mark=2", "2", ""),
        ("notes=mark=2", "0", ""),
        ("notes=mark=2", "0", "had=2"),
    ] {
        let day = scenario(&Line::parse(&format!(
            "w in day {note} replicas={replicas} {had}"
        )));
        let text = show("w", &day);
        let expected = match (note, replicas) {
            ("", _) => "keep",
            (_, "2") => "Deployment:replicas-before-sleep:-",
            _ => "scale:0-2+Deployment:replicas-before-sleep:-",
        };
        assert!(
            text.starts_with(&format!("w: {expected}")),
            "{note} {replicas}: {text}"
        );
    }
}

// --- the schedule ----------------------------------------------------------

/// A weekly window: weekday, start minute, length in minutes.
type Span = (u32, u32, u32);

/// Lines, and the weekly windows that they mean.
const REFERENCE: [(&str, &[Span]); 4] = [
    (
        "Mon-Fri 09:00-18:00",
        &[
            (0, 540, 540),
            (1, 540, 540),
            (2, 540, 540),
            (3, 540, 540),
            (4, 540, 540),
        ],
    ),
    (
        "daily 00:00-03:00",
        &[
            (0, 0, 180),
            (1, 0, 180),
            (2, 0, 180),
            (3, 0, 180),
            (4, 0, 180),
            (5, 0, 180),
            (6, 0, 180),
        ],
    ),
    (
        "daily 22:30-02:30",
        &[
            (0, 1350, 240),
            (1, 1350, 240),
            (2, 1350, 240),
            (3, 1350, 240),
            (4, 1350, 240),
            (5, 1350, 240),
            (6, 1350, 240),
        ],
    ),
    ("Fri 20:00-Mon 01:30", &[(4, 1200, 3210)]),
];

/// What is wanted from `from` on, minute by minute, by walking the wall clock:
/// a window starts when the clock first shows its start or later, and ends
/// after the clock last shows less than its end.
fn reference(windows: &[(u32, u32, u32)], local: &[NaiveDateTime]) -> Vec<bool> {
    let mut awake = vec![false; local.len()];
    let (first, last) = (local[0].date(), local[local.len() - 1].date());
    let mut date = first - TimeDelta::days(9);
    while date <= last + TimeDelta::days(1) {
        for (_, start, length) in windows
            .iter()
            .filter(|w| w.0 == date.weekday().num_days_from_monday())
        {
            let start =
                date.and_time(chrono::NaiveTime::MIN) + TimeDelta::minutes(i64::from(*start));
            let end = start + TimeDelta::minutes(i64::from(*length));
            let Some(opens) = local.iter().position(|l| *l >= start) else {
                continue;
            };
            let Some(closes) = local.iter().rposition(|l| *l < end) else {
                continue;
            };
            for state in awake.iter_mut().take(closes + 1).skip(opens) {
                *state = true;
            }
        }
        date = date.succ_opt().unwrap();
    }
    awake
}

/// Moments from 2015 to 2037 at which a zone's offset changes.
fn transitions(zone: Tz) -> Vec<DateTime<Utc>> {
    let offset = |t: DateTime<Utc>| {
        let o = zone.offset_from_utc_datetime(&t.naive_utc());
        o.base_utc_offset() + o.dst_offset()
    };
    let end = at("2038-01-01T00:00Z");
    let mut t = at("2015-01-01T00:00Z");
    let mut found = Vec::new();
    while t < end {
        let next = t + TimeDelta::days(4);
        if offset(t) != offset(next) {
            let (mut low, mut high) = (t, next);
            while high - low > TimeDelta::minutes(1) {
                let middle = low + (high - low) / 2;
                let middle = middle.with_second(0).unwrap();
                if middle <= low {
                    break;
                }
                if offset(middle) == offset(low) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            found.push(high);
        }
        t = next;
    }
    found
}

/// Compares every minute of two days around a transition with the reference;
/// the answer in between cannot change, since edges are whole minutes.
fn check(zone: Tz, transition: DateTime<Utc>) {
    let from = transition - TimeDelta::hours(30);
    // The reference sees a day more on both sides than is compared.
    let wide: Vec<DateTime<Utc>> = (-1440..3600 + 1440)
        .map(|m| from + TimeDelta::minutes(m))
        .collect();
    let local: Vec<NaiveDateTime> = wide
        .iter()
        .map(|t| t.with_timezone(&zone).naive_local())
        .collect();
    for (line, windows) in REFERENCE {
        let schedule: Schedule = format!("{line} {}", zone.name()).parse().unwrap();
        let expected = reference(windows, &local);
        let range = 1440..wide.len() - 1440;
        // The answer holds up to the next change, so edges are enough; the
        // whole range is walked with `next_change`.
        let mut i = range.start;
        while i < range.end {
            let state = schedule.desired(wide[i]) == Desired::Awake;
            let next = schedule.next_change(wide[i]).unwrap();
            let until = (next - from).num_minutes() + 1440;
            let until = usize::try_from(until).unwrap().clamp(i + 1, range.end);
            for (j, want) in expected.iter().enumerate().take(until).skip(i) {
                assert_eq!(
                    *want,
                    state,
                    "{line} {} at {} ({})",
                    zone.name(),
                    wide[j],
                    local[j]
                );
            }
            i = until;
        }
    }
}

/// Midnight changes, half hours, skipped days, double changes in a year.
const NOTORIOUS: [Tz; 14] = [
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::America__Santiago,
    Tz::Asia__Beirut,
    Tz::Africa__Cairo,
    Tz::Australia__Lord_Howe,
    Tz::Africa__Casablanca,
    Tz::Asia__Gaza,
    Tz::America__Havana,
    Tz::Asia__Pyongyang,
    Tz::Antarctica__Troll,
    Tz::America__Asuncion,
    Tz::Asia__Tehran,
    Tz::Pacific__Bougainville,
];

#[test]
fn desired_agrees_with_the_wall_clock_at_transitions_of_notorious_zones() {
    let mut checked = 0;
    for zone in NOTORIOUS {
        // Every third: all of them are checked in the test below.
        for transition in transitions(zone).into_iter().step_by(3) {
            check(zone, transition);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
#[ignore = "minutes; every zone and every transition from 2015 to 2037"]
fn desired_agrees_with_the_wall_clock_at_every_transition_of_every_zone() {
    let mut checked = 0;
    for zone in TZ_VARIANTS {
        for transition in transitions(zone) {
            check(zone, transition);
            checked += 1;
        }
    }
    println!("{checked} transitions");
    assert!(checked > 9_000);
}

#[test]
fn a_day_that_a_zone_skips_has_no_window() {
    // Samoa had no 30 December 2011.
    let s: Schedule = "Fri 09:00-17:00 Pacific/Apia".parse().unwrap();
    let mut now = at("2011-12-29T10:00Z");
    while now < at("2011-12-31T10:00Z") {
        let local = now.with_timezone(&Tz::Pacific__Apia).naive_local();
        assert_eq!(s.desired(now), Desired::Asleep, "{local}");
        now += TimeDelta::minutes(15);
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let one = |options: &'static [&'static str]| proptest::sample::select(options);
    (
        one(&["", "day"]),
        one(&[
            "in",
            "",
            "ns_labels=hours=true",
            "ns_labels=env=prod;hours=true",
            "notes=hours=late",
        ]),
        one(&[
            "kind=Deployment",
            "kind=StatefulSet",
            "kind=CronJob",
            "kind=CronJob suspended",
            "kind=DaemonSet",
        ]),
        one(&["", "replicas=0"]),
        one(&["", "had=3", "had=0", "had=3 since=2026-11-21T18:00Z"]),
        one(&[
            "",
            "hpa",
            "keda",
            "keda keda_notes=autoscaler/x=0;mark=2",
            "budget",
        ]),
        one(&[
            "",
            "ns_notes=awake=2026-12-01T00:00:00Z",
            "ns_notes=asleep=2026-12-01T00:00:00Z",
            "override=web",
            "override=all force-sleep",
        ]),
    )
        .prop_map(|(a, b, c, d, e, f, g)| format!("w {a} {b} {c} {d} {e} {f} {g}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn knowing_less_never_adds_an_act(text in any_line()) {
        let acts = |text: &str| {
            let (snapshot, ledgers, config) = inputs_of(&Line::parse(text));
            let output = run(&snapshot, &ledgers, &config);
            let acts = output.decisions.into_iter().filter(|d| !d.is_keep());
            acts.map(|d| d.subject).collect::<std::collections::BTreeSet<_>>()
        };
        let before = acts(&text);
        for loss in ["namespaces", "workloads", "hpas", "scaled_objects", "budgets", "ledger"] {
            let after = acts(&format!("{text} lost={loss}"));
            prop_assert!(after.is_subset(&before), "{text} {loss}: {after:?}");
        }
    }

    #[test]
    fn production_and_protected_namespaces_never_sleep(text in any_line(), space in
        proptest::sample::select(vec!["kube-system", "prod", "shop-production", "ingress-nginx"])) {
        let (snapshot, ledgers, config) = inputs_of(&Line::parse(&format!("{text} namespace={space}")));
        let output = run(&snapshot, &ledgers, &config);
        let sleeps = output.decisions.iter().flat_map(|d| &d.actions).any(|a| matches!(
            a,
            Action::ScaleWorkload { to: 0, .. } | Action::SuspendWorkload { suspend: true, .. }
        ));
        prop_assert!(!sleeps, "{output:?}");
    }

    #[test]
    fn the_order_of_input_is_forgotten(text in any_line()) {
        let (straight, ledgers, config) = inputs_of(&Line::parse(&text));
        let mut turned = straight.clone();
        let cluster = &mut turned.clusters[0];
        cluster.workloads.value_mut().unwrap().reverse();
        cluster.namespaces.value_mut().unwrap().reverse();
        turned.normalize();
        let bytes = |s: &Snapshot| serde_json::to_string(&run(s, &ledgers, &config)).unwrap();
        prop_assert_eq!(bytes(&straight), bytes(&turned));
    }
}
