//! Spot over time: runs with the ledgers of the runs before, while the
//! advisor changes its band, a notice comes, replicas fall back to on demand,
//! and the condition of their return is met later.

use crate::cases::Line;
use crate::spot::{build, run, show};
use cloudoptim_core::decision::{Action, Decision, Reason as AnyReason, Subject};
use cloudoptim_core::engines::spot::{Reason, RiskBasis};

/// What is so at one moment.
#[derive(Clone)]
struct Moment {
    now: &'static str,
    spot: &'static str,
    band: u8,
    /// Nodes of the six replicas: `n1` on demand, `s1` and the like on spot.
    on: &'static str,
    events: &'static [&'static str],
}

const START: Moment = Moment {
    now: "2026-11-22T02:30Z",
    spot: "0.070",
    band: 0,
    on: "n1,n1,n1,n1,n1,n1",
    events: &[],
};

/// The notice of the third day, as the ledger keeps it.
const NOTICE: &str = "event notice m6i.xlarge/b at=2026-11-24T02:00Z";

fn at_moment(moment: &Moment) -> Vec<Decision> {
    let (spot, band) = (moment.spot, moment.band);
    let mut lines = vec![
        format!("type m6i.xlarge od=0.192 spot={spot} band={band}"),
        "pool default".to_owned(),
        "node n1 zone=a".to_owned(),
        "node sa capacity=spot zone=a request=one-time/terminate".to_owned(),
        "node sb capacity=spot zone=b request=one-time/terminate".to_owned(),
        "node sc capacity=spot zone=c request=one-time/terminate".to_owned(),
        format!("app web on={}", moment.on),
    ];
    lines.extend(moment.events.iter().map(|e| (*e).to_owned()));
    let lines: Vec<Line> = lines.iter().map(|l| Line::parse(l)).collect();
    let header = format!("spot now={} priced={}", moment.now, &moment.now[..10]);
    let (snapshot, catalog, ledgers, config) = build(&Line::parse(&header), &lines);
    run(&config, &snapshot, &catalog, &ledgers).decisions
}

fn web(decisions: &[Decision]) -> &Decision {
    let is = |d: &&Decision| matches!(d.subject, Subject::Workload { .. });
    decisions.iter().find(is).unwrap()
}

/// Replicas on spot before and after.
fn share(decision: &Decision) -> Option<(u32, u32)> {
    match decision.actions.as_slice() {
        [] => None,
        [Action::SetSpotShare { from, to, .. }] => Some((*from, *to)),
        other => panic!("{other:?}"),
    }
}

fn reasons(decision: &Decision) -> Vec<&Reason> {
    fn of(reason: &AnyReason) -> &Reason {
        match reason {
            AnyReason::Spot(reason) => reason,
            other => panic!("{other:?}"),
        }
    }
    decision.reasons.iter().map(of).collect()
}

/// Hazard, basis, chances in 1 h and 24 h, events, and whether it is ruled out.
fn pool(decisions: &[Decision], zone: &str) -> (u64, RiskBasis, u32, u32, u32, bool) {
    let is = |d: &&Decision| {
        matches!(&d.subject, Subject::Offering { offering, .. }
        if offering.zone.as_ref().is_some_and(|z| z.as_str() == zone))
    };
    let all = reasons(decisions.iter().find(is).unwrap());
    let quarantined = |r: &&Reason| matches!(r, Reason::Quarantined { .. });
    let out = all.iter().any(quarantined);
    let priced = all.iter().find_map(|r| match r {
        Reason::PoolPriced {
            hazard_ppm,
            risk_1h_milli: Some(risk_1h_milli),
            risk_24h_milli,
            factors: Some(factors),
            ..
        } => Some((
            hazard_ppm.value,
            hazard_ppm.basis,
            *risk_1h_milli,
            *risk_24h_milli,
            factors.events,
            out,
        )),
        _ => None,
    });
    priced.unwrap()
}

const A: &str = "use1-az4";
const B: &str = "use1-az6";

#[test]
fn a_workload_goes_to_spot_falls_back_and_returns_when_its_condition_is_met() {
    // Day one: three may go, one type holds no more.
    let first = at_moment(&START);
    assert_eq!(share(web(&first)), Some((0, 3)), "{}", show(web(&first)));
    let condition = reasons(web(&first)).into_iter().find_map(|r| match r {
        Reason::ReturnWhen {
            quiet_hours,
            replica_price_at_most,
        } => Some((*quiet_hours, *replica_price_at_most)),
        _ => None,
    });
    let (quiet_hours, _) = condition.unwrap();
    assert_eq!(quiet_hours, 6);
    assert_eq!(pool(&first, A).1, RiskBasis::AdvisorBand);

    // Day two: it is placed. The advisor's band has become the worst: the
    // hazard is another, the price with its risk still good, nothing moves.
    let placed = Moment {
        now: "2026-11-23T02:30Z",
        band: 4,
        on: "n1,n1,n1,sa,sb,sc",
        ..START
    };
    let second = at_moment(&placed);
    assert_eq!(share(web(&second)), None);
    let has = |d: &Decision, f: fn(&Reason) -> bool| reasons(d).into_iter().any(f);
    assert!(has(web(&second), |r| matches!(
        r,
        Reason::AlreadyPlaced { on_spot: 3 }
    )));
    assert!(pool(&second, A).0 > pool(&first, A).0);
    assert!(pool(&second, A).3 > pool(&first, A).3);

    // Day three: a notice for zone b. Its replica is named, its pool is out,
    // those beside it are not.
    let noticed = Moment {
        now: "2026-11-24T02:01Z",
        events: &[NOTICE],
        ..placed.clone()
    };
    let third = at_moment(&noticed);
    assert!(has(web(&third), |r| matches!(
        r,
        Reason::UnderNotice { replicas: 1, .. }
    )));
    let (hazard, basis, hour, day, events, out) = pool(&third, B);
    assert_eq!((basis, events, out), (RiskBasis::Observed, 1, true));
    assert!(hour >= 550 && day > hour, "{hour} {day}");
    assert!(hazard > pool(&third, A).0 && !pool(&third, A).5);

    // The replica has fallen back to on demand. The type has room for three
    // again, in the two zones that are left, and the pools of each are capped:
    // what returns goes elsewhere, never into the pool under quarantine.
    let fallen = Moment {
        now: "2026-11-24T03:00Z",
        on: "n1,n1,n1,n1,sa,sc",
        ..noticed.clone()
    };
    let fourth = at_moment(&fallen);
    for decision in &fourth {
        if let Some(Action::SetSpotShare { pools, .. }) = decision.actions.first() {
            let zones = pools.iter().filter_map(|p| p.offering.zone.as_ref());
            assert!(zones.into_iter().all(|z| z.as_str() != B), "{decision:?}");
        }
    }

    // All pools have had a notice: whoever fell back stays on demand...
    let all: &[&str] = &[
        NOTICE,
        "event notice m6i.xlarge/a at=2026-11-24T02:00Z",
        "event notice m6i.xlarge/c at=2026-11-24T02:00Z",
    ];
    let back = Moment {
        now: "2026-11-24T07:59Z",
        on: START.on,
        events: all,
        ..placed.clone()
    };
    let waiting = at_moment(&back);
    assert_eq!(share(web(&waiting)), None);
    assert!(has(web(&waiting), |r| matches!(r, Reason::NoPool { .. })));
    // ... until six quiet hours are over,
    let quiet = Moment {
        now: "2026-11-24T08:01Z",
        ..back.clone()
    };
    let returned = at_moment(&quiet);
    assert_eq!(
        share(web(&returned)),
        Some((0, 3)),
        "{}",
        show(web(&returned))
    );
    // at a hazard that remembers the event, and less a day later.
    let later = at_moment(&Moment {
        now: "2026-11-25T08:01Z",
        ..back.clone()
    });
    assert!(pool(&returned, A).0 > pool(&later, A).0);
    assert!(pool(&later, A).0 > pool(&second, A).0);
}

#[test]
fn the_price_part_of_the_condition_of_return_is_met_to_the_micro_dollar() {
    // Spot dearer than on demand sends its replicas back.
    let dear = Moment {
        now: "2026-11-25T02:30Z",
        spot: "0.200",
        on: "n1,n1,n1,sa,sb,sc",
        ..START
    };
    let sent = at_moment(&dear);
    assert_eq!(share(web(&sent)), Some((3, 0)));
    let at_most = reasons(web(&sent)).into_iter().find_map(|r| match r {
        Reason::ReturnWhen {
            replica_price_at_most,
            ..
        } => Some(*replica_price_at_most),
        _ => None,
    });
    let at_most = at_most.unwrap();

    // A little cheaper is not enough; cheap again is, and the replica then
    // costs no more than the condition said.
    let still = at_moment(&Moment {
        now: "2026-11-26T02:30Z",
        spot: "0.180",
        on: START.on,
        ..START
    });
    assert_eq!(share(web(&still)), None);
    let cheap = at_moment(&Moment {
        now: "2026-11-27T02:30Z",
        spot: "0.120",
        on: START.on,
        ..START
    });
    assert_eq!(share(web(&cheap)), Some((0, 3)), "{}", show(web(&cheap)));
    let price = reasons(web(&cheap)).into_iter().find_map(|r| match r {
        Reason::ReplicaPrice { spot, .. } => Some(*spot),
        _ => None,
    });
    assert!(price.unwrap() <= at_most);
}
