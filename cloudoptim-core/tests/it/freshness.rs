//! How old a read may be when a step is permitted: to the second.

use crate::execute::{NOW, approval, planned, world};
use crate::fixtures::at;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::collect::Part;
use cloudoptim_core::decision::{Action, Offering, SpotPoolShare};
use cloudoptim_core::guard::{
    Context, Fresh, Limits, PartRef, Placement, Refusal, ScopeRef, check, needs,
};
use cloudoptim_core::journal::History;
use cloudoptim_core::knowledge::{Knowledge, Provenance};
use cloudoptim_core::model::{CapacityType, Cluster, MicroUsdPerHour, NodeName, WorkloadRef};
use cloudoptim_core::plan::{Plan, Precondition, Step};

#[derive(Debug)]
struct Fits;

impl Placement for Fits {
    fn fits_elsewhere(
        &self,
        _: &Cluster,
        _: &NodeName,
        _: &[cloudoptim_core::model::Uid],
    ) -> Result<(), String> {
        Ok(())
    }
}

/// The step that resizes, which needs workloads: at most 60 s old.
fn resize(plan: &Plan) -> &Step {
    let found = plan
        .steps
        .iter()
        .find(|s| matches!(s.action, Action::ResizeContainer { .. }));
    found.unwrap()
}

/// The step that copies a volume, which needs volumes: at most 300 s old.
fn copy(plan: &Plan) -> &Step {
    let found = plan
        .steps
        .iter()
        .find(|s| matches!(s.action, Action::SnapshotVolume { .. }));
    found.unwrap()
}

fn workloads() -> PartRef {
    PartRef {
        scope: ScopeRef::Cluster {
            cluster: "c1".into(),
        },
        part: Part::Workloads,
    }
}

fn of_cloud(part: Part) -> PartRef {
    PartRef {
        scope: ScopeRef::Cloud {
            account: "111122223333".into(),
            region: "us-east-1".into(),
        },
        part,
    }
}

fn observed<T>(part: &mut Knowledge<Vec<T>>, when: Option<DateTime<Utc>>) {
    let mut provenance = Provenance::new("test", "test");
    provenance.observed_at = when;
    *part = Knowledge::complete(std::mem::take(part.value_mut().unwrap()), provenance);
}

/// Asks for the step with its parts observed at `when`, and asked for so long
/// ago by a clock that does not jump.
fn ask(
    pick: fn(&Plan) -> &Step,
    when: Option<DateTime<Utc>>,
    read_ago: TimeDelta,
) -> Result<(), Refusal> {
    let mut world = world();
    let plan = planned(&world);
    let step = pick(&plan);
    observed(&mut world.clusters[0].workloads, when);
    observed(&mut world.clouds[0].volumes, when);
    observed(&mut world.clouds[0].ebs_snapshots, when);
    let parts = needs(step, &plan.scope);
    let fresh = Fresh {
        snapshot: world,
        read_ago: parts.into_iter().map(|part| (part, read_ago)).collect(),
    };
    let context = Context {
        plan: &plan,
        approval: &approval(&plan),
        now: at(NOW),
        fresh: &fresh,
        history: &History::default(),
        limits: &Limits::default(),
        placement: &Fits,
        undoing: false,
    };
    check(step, &context).map(|permit| assert_eq!(permit.step(), &step.id))
}

fn seconds(count: i64) -> TimeDelta {
    TimeDelta::seconds(count)
}

#[test]
fn a_read_as_old_as_its_limit_is_acted_on_and_a_second_older_is_stale() {
    let observed_ago = |pick, age| ask(pick, Some(at(NOW) - seconds(age)), seconds(0));
    assert_eq!(observed_ago(resize, 60), Ok(()));
    assert_eq!(
        observed_ago(resize, 61),
        Err(Refusal::Stale {
            part: workloads(),
            age_seconds: 61,
            max_age_seconds: 60,
        })
    );
    assert_eq!(observed_ago(copy, 300), Ok(()));
    assert_eq!(
        observed_ago(copy, 301),
        Err(Refusal::Stale {
            part: of_cloud(Part::EbsSnapshots),
            age_seconds: 301,
            max_age_seconds: 300,
        })
    );
}

#[test]
fn a_read_that_says_it_is_new_is_as_old_as_the_question() {
    let asked_ago = |pick, age| ask(pick, Some(at(NOW)), seconds(age));
    assert_eq!(asked_ago(resize, 60), Ok(()));
    assert_eq!(
        asked_ago(resize, 61),
        Err(Refusal::Stale {
            part: workloads(),
            age_seconds: 61,
            max_age_seconds: 60,
        })
    );
    assert_eq!(asked_ago(copy, 300), Ok(()));
    assert!(matches!(
        asked_ago(copy, 301),
        Err(Refusal::Stale {
            age_seconds: 301,
            ..
        })
    ));
}

#[test]
fn a_read_that_does_not_say_how_old_it_is_is_not_acted_on() {
    assert_eq!(
        ask(resize, None, seconds(0)),
        Err(Refusal::UnknownAge { part: workloads() })
    );
    assert_eq!(
        ask(copy, None, seconds(0)),
        Err(Refusal::UnknownAge {
            part: of_cloud(Part::EbsSnapshots)
        })
    );
    assert_eq!(ask(resize, Some(at(NOW)), seconds(0)), Ok(()));
}

#[test]
fn a_read_from_further_ahead_than_clocks_may_differ_stops_the_plan() {
    let ahead = |by| ask(resize, Some(at(NOW) + seconds(by)), seconds(0));
    assert_eq!(ahead(60), Ok(()));
    let refusal = Refusal::FromTheFuture {
        part: workloads(),
        by_seconds: 61,
    };
    assert!(refusal.stops_the_plan());
    assert_eq!(ahead(61), Err(refusal));
}

#[test]
fn a_read_from_the_future_grows_old_by_the_clock_that_does_not_jump() {
    let asked_ago = |age| ask(resize, Some(at(NOW) + seconds(30)), seconds(age));
    assert_eq!(asked_ago(60), Ok(()));
    assert!(matches!(
        asked_ago(61),
        Err(Refusal::Stale {
            age_seconds: 61,
            ..
        })
    ));
}

/// A share of a workload on spot, with the figures that it rests on.
fn share(from: u32, to: u32, priced: Option<DateTime<Utc>>, banded: Option<DateTime<Utc>>) -> Step {
    let world = world();
    let of_type = |capacity_type| Offering {
        instance_type: "m6i.large".into(),
        zone: None,
        capacity_type,
    };
    let action = Action::SetSpotShare {
        cluster: "c1".into(),
        workload: WorkloadRef::new("shop", "Deployment", "web"),
        from,
        to,
        pools: vec![SpotPoolShare {
            offering: of_type(CapacityType::Spot),
            replicas: 2,
            risk_adjusted_price: MicroUsdPerHour(1),
            price_as_of: priced,
            band_as_of: banded,
        }],
        fallback: of_type(CapacityType::OnDemand),
    };
    let step = resize(&planned(&world)).clone();
    Step {
        preconditions: Precondition::of(&action, &world),
        action,
        ..step
    }
}

fn ask_step(step: &Step, undoing: bool) -> Result<(), Refusal> {
    let mut world = world();
    let plan = planned(&world);
    observed(&mut world.clusters[0].workloads, Some(at(NOW)));
    let parts = needs(step, &plan.scope);
    let fresh = Fresh {
        snapshot: world,
        read_ago: parts.into_iter().map(|part| (part, seconds(0))).collect(),
    };
    let context = Context {
        plan: &plan,
        approval: &approval(&plan),
        now: at(NOW),
        fresh: &fresh,
        history: &History::default(),
        limits: &Limits::default(),
        placement: &Fits,
        undoing,
    };
    check(step, &context).map(|permit| assert_eq!(permit.action(), &step.action))
}

/// A raised share whose figures are so old.
fn ask_figures(priced: Option<TimeDelta>, banded: Option<TimeDelta>) -> Result<(), Refusal> {
    let ago = |age: TimeDelta| at(NOW) - age;
    ask_step(&share(0, 2, priced.map(ago), banded.map(ago)), false)
}

#[test]
fn spot_prices_of_more_than_a_day_and_bands_of_more_than_a_week_permit_nothing() {
    let (day, week) = (TimeDelta::days(1), TimeDelta::days(7));
    assert_eq!(ask_figures(Some(day), Some(week)), Ok(()));
    assert_eq!(ask_figures(Some(day), None), Ok(()));
    assert_eq!(
        ask_figures(Some(day + seconds(1)), Some(week)),
        Err(Refusal::OldFigure {
            figure: "spot prices".to_owned(),
            as_of: at(NOW) - day - seconds(1),
            max_age_seconds: 86_400,
        })
    );
    assert!(matches!(
        ask_figures(Some(day), Some(week + seconds(1))),
        Err(Refusal::OldFigure {
            max_age_seconds: 604_800,
            ..
        })
    ));
}

fn of_unknown_age() -> Result<(), Refusal> {
    Err(Refusal::FigureOfUnknownAge {
        figure: "spot prices".to_owned(),
    })
}

#[test]
fn figures_without_an_age_or_from_further_ahead_than_clocks_may_differ_permit_nothing() {
    assert_eq!(ask_figures(None, None), of_unknown_age());
    let (new, ahead) = (Some(seconds(0)), |by: i64| Some(seconds(-by)));
    assert_eq!(ask_figures(ahead(60), ahead(60)), Ok(()));
    for (figure, refused) in [
        ("spot prices", ask_figures(ahead(61), None)),
        ("the spot advisor's bands", ask_figures(new, ahead(61))),
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("{figure} are 61 s from the future")
        );
        // A wrong date of a figure says nothing about the clocks.
        assert!(!refused.stops_the_plan());
    }
}

/// A plan of an earlier build states no figures; it is of the same version.
#[test]
fn more_spot_that_states_no_figures_is_not_permitted() {
    let new = Some(at(NOW));
    let states_figures = |step: &Step| {
        let all = step.preconditions.iter();
        all.filter(|p| matches!(p, Precondition::SpotFiguresAreOf { .. }))
            .count()
    };
    let mut more = share(0, 2, new, new);
    assert_eq!(states_figures(&more), 1);
    assert_eq!(ask_step(&more, false), Ok(()));
    let earlier = |p: &Precondition| !matches!(p, Precondition::SpotFiguresAreOf { .. });
    more.preconditions.retain(earlier);
    assert_eq!(ask_step(&more, false), of_unknown_age());
    // Less, and going back, ask for none.
    assert_eq!(ask_step(&more, true), Ok(()));
    let less = share(2, 0, None, None);
    assert_eq!(states_figures(&less), 0);
    assert_eq!(ask_step(&less, false), Ok(()));
    let same = share(2, 2, None, None);
    assert_eq!(ask_step(&same, false), Ok(()));
}

#[test]
fn no_old_figure_bars_the_way_back() {
    let old = Some(at(NOW) - TimeDelta::days(900));
    let more = share(0, 2, old, old);
    assert!(ask_step(&more, false).is_err());
    assert_eq!(ask_step(&more, true), Ok(()));
}
