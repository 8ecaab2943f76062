//! Repacking of fleets against every possible assignment of small ones.

use cloudoptim_core::engines::bin_packing::solver::{
    Class, CountLimit, ExistingNode, Fleet, Frontier, Holding, Mask, NodeType, Offering, Per,
    Place, Point, Problem, PurchaseLimit, RepackEffort, Rule, Take, repack,
};
use cloudoptim_core::model::MicroUsdPerHour;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Capacity, price, whether it may go, whether it is closed to newcomers.
type Node = (u64, u64, i64, bool, bool);

/// What there is besides nodes and items.
#[derive(Debug, Clone)]
struct More {
    buy: Option<(u64, u64, i64)>,
    /// At most one item of class 0 on a node, though now there may be more.
    alone: bool,
    /// That rule is stricter than what holds.
    narrow: bool,
    /// The only node that lets newcomers of class 0 in.
    only: Option<usize>,
}

fn fleet(nodes: &[Node], demands: &[(u64, u64)], items: &[(usize, usize)], more: &More) -> Fleet {
    let mut problem = Problem {
        dims: vec!["cpu".into(), "memory".into()],
        classes: demands
            .iter()
            .enumerate()
            .map(|(i, (cpu, memory))| Class {
                id: format!("c{i}"),
                demand: vec![*cpu, *memory],
                nodes: match more.only {
                    Some(node) if i == 0 => Mask::only([node]),
                    _ => Mask::All,
                },
                ..Class::default()
            })
            .collect(),
        nodes: nodes
            .iter()
            .enumerate()
            .map(|(i, (cpu, memory, _, _, closed))| ExistingNode {
                id: format!("n{i}"),
                free: vec![*cpu, *memory],
                closed: *closed,
                ..ExistingNode::default()
            })
            .collect(),
        types: more
            .buy
            .iter()
            .map(|(cpu, memory, price)| NodeType {
                id: "new".into(),
                capacity: vec![*cpu, *memory],
                offerings: vec![Offering {
                    price: Some(MicroUsdPerHour(*price)),
                    ..Offering::default()
                }],
                ..NodeType::default()
            })
            .collect(),
        ..Problem::default()
    };
    if more.alone {
        problem.rules.push(Rule::CountLimit(CountLimit {
            per: Per::Node,
            with: vec![0],
            of: vec![0],
            max: 1,
        }));
    }
    let mut holdings: Vec<Holding> = nodes
        .iter()
        .map(|(_, _, price, removable, _)| Holding {
            price: Some(MicroUsdPerHour(*price)),
            removable: *removable,
            ..Holding::default()
        })
        .collect();
    // Items that do not fit where they were drawn are not there.
    for (class, node) in items {
        let (class, node) = (class % demands.len(), node % nodes.len());
        let at = &mut problem.nodes[node];
        let demand = [demands[class].0, demands[class].1];
        if at.free.iter().zip(demand).any(|(f, d)| *f < d) {
            continue;
        }
        for (free, d) in at.free.iter_mut().zip(demand) {
            *free -= d;
        }
        for list in [&mut at.present, &mut holdings[node].movable] {
            match list.iter_mut().find(|(c, _)| *c == class) {
                Some((_, n)) => *n += 1,
                None => list.push((class, 1)),
            }
        }
    }
    Fleet {
        narrow_rules: if more.alone && more.narrow {
            vec![0]
        } else {
            Vec::new()
        },
        problem,
        holdings,
    }
}

fn fleets() -> impl Strategy<Value = Fleet> {
    let sometimes = prop::bool::weighted(0.2);
    let node = (
        10u64..40,
        10u64..40,
        10i64..100,
        prop::bool::weighted(0.85),
        sometimes,
    );
    let demand = (1u64..14, 1u64..14);
    let more = (
        prop::option::of((10u64..50, 10u64..50, 10i64..80)),
        any::<bool>(),
        any::<bool>(),
        prop::option::weighted(0.3, 0usize..4),
    )
        .prop_map(|(buy, alone, narrow, only)| More {
            buy,
            alone,
            narrow,
            only,
        });
    (
        prop::collection::vec(node, 2..5),
        prop::collection::vec(demand, 1..4),
        prop::collection::vec((0usize..3, 0usize..4), 0..6),
        more,
    )
        .prop_map(|(nodes, demands, items, mut more)| {
            more.only = more.only.map(|node| node % nodes.len());
            fleet(&nodes, &demands, &items, &more)
        })
}

/// Whether a node may end with so many items of class 0, `own` of which stood
/// there and `came` came.
fn alone_holds(fleet: &Fleet, own: i64, came: i64) -> bool {
    let heeded = !fleet.problem.rules.is_empty();
    !heeded || own + came <= 1 || came == 0
}

/// A limit that nodes that are kept and bought, by type and offering, take more of
/// than there is. What only the kept take is there whatever the limit says.
fn beyond(
    fleet: &Fleet,
    kept: impl Iterator<Item = usize>,
    bought: &[(usize, usize)],
) -> Option<String> {
    let limits = &fleet.problem.purchase_limits;
    let mut taken = vec![0; limits.len()];
    for (limit, amount) in kept.flat_map(|node| &fleet.holdings[node].takes) {
        taken[*limit] += amount;
    }
    for (limit, kept) in limits.iter().zip(taken) {
        let new = bought
            .iter()
            .map(|(ty, offering)| limit.taken_by(*ty, *offering));
        let new: u64 = new.sum();
        if new > 0 && new + kept > limit.max {
            let (id, max) = (&limit.id, limit.max);
            return Some(format!("{new} and {kept} of {max} {id}"));
        }
    }
    None
}

/// The same fleet with limits that its nodes and new ones share.
fn shared(fleet: Fleet, limits: &[(u64, u64, Vec<u64>)]) -> Fleet {
    let mut fleet = fleet;
    for (number, (max, amount, by_node)) in limits.iter().enumerate() {
        let takes = (0..fleet.problem.types.len()).map(|node_type| Take {
            node_type,
            offering: None,
            amount: *amount,
        });
        fleet.problem.purchase_limits.push(PurchaseLimit {
            // Not in the order of their ids.
            id: format!("limit {}", limits.len() - number),
            max: *max,
            takes: takes.collect(),
        });
        for (holding, amount) in fleet.holdings.iter_mut().zip(by_node) {
            holding.takes.push((number, *amount));
        }
    }
    fleet
}

fn limits() -> impl Strategy<Value = Vec<(u64, u64, Vec<u64>)>> {
    let by_node = prop::collection::vec(0u64..4, 5);
    prop::collection::vec((0u64..14, 0u64..4, by_node), 1..3)
}

/// What holds items: room, content, price.
struct Bin {
    free: Vec<i64>,
    content: BTreeMap<usize, u32>,
    /// Items of class 0 that came from elsewhere.
    came: i64,
    price: i64,
    stays: bool,
    closed: bool,
}

/// The cheapest fleet for each number of moves, over every assignment of every
/// item to every node and to as many new nodes as could be of use.
fn cheapest(fleet: &Fleet) -> BTreeMap<u64, i64> {
    let problem = &fleet.problem;
    let mut items: Vec<(usize, usize)> = Vec::new();
    for (node, holding) in fleet.holdings.iter().enumerate() {
        for (class, n) in &holding.movable {
            items.extend((0..*n).map(|_| (*class, node)));
        }
    }
    let mut bins: Vec<Bin> = problem
        .nodes
        .iter()
        .zip(&fleet.holdings)
        .map(|(node, holding)| {
            let mut free: Vec<i64> = node.free.iter().map(|f| *f as i64).collect();
            for (class, n) in &holding.movable {
                for (f, d) in free.iter_mut().zip(&problem.classes[*class].demand) {
                    *f += (*d as i64) * i64::from(*n);
                }
            }
            Bin {
                free,
                content: BTreeMap::new(),
                came: 0,
                price: holding.price.unwrap().0,
                stays: !holding.removable,
                closed: node.closed,
            }
        })
        .collect();
    for new in &problem.types {
        for _ in 0..items.len().min(3) {
            bins.push(Bin {
                free: new.capacity.iter().map(|c| *c as i64).collect(),
                content: BTreeMap::new(),
                came: 0,
                price: new.offerings[0].price.unwrap().0,
                stays: false,
                closed: false,
            });
        }
    }
    let mut best = BTreeMap::new();
    assign(fleet, &items, 0, &mut bins, &mut best);
    best
}

fn assign(
    fleet: &Fleet,
    items: &[(usize, usize)],
    moved: u64,
    bins: &mut [Bin],
    best: &mut BTreeMap<u64, i64>,
) {
    let problem = &fleet.problem;
    let Some(((class, from), rest)) = items.split_first() else {
        // A rule that is stricter than what holds does not hold here.
        let holds = |b: &Bin| {
            let all = i64::from(b.content.get(&0).copied().unwrap_or(0));
            alone_holds(fleet, all - b.came, b.came)
        };
        let nodes = problem.nodes.len();
        let used = bins.iter().enumerate();
        let used = used.filter(|(_, b)| b.stays || !b.content.is_empty());
        let used: Vec<usize> = used.map(|(i, _)| i).collect();
        let kept = used.iter().copied().filter(|i| *i < nodes);
        let bought = vec![(0, 0); used.iter().filter(|i| **i >= nodes).count()];
        let within = beyond(fleet, kept, &bought).is_none();
        if within && (!fleet.narrow_rules.is_empty() || bins.iter().all(holds)) {
            let used = bins.iter().filter(|b| b.stays || !b.content.is_empty());
            let cost = used.map(|b| b.price).sum();
            let entry = best.entry(moved).or_insert(i64::MAX);
            *entry = (*entry).min(cost);
        }
        return;
    };
    let of = &problem.classes[*class];
    for i in 0..bins.len() {
        let bin = &mut bins[i];
        let fits = bin
            .free
            .iter()
            .zip(&of.demand)
            .all(|(f, d)| *f >= *d as i64);
        let new = i >= problem.nodes.len();
        let enters = i == *from || (!bin.closed && (new || of.nodes.contains(i)));
        if !fits || !enters {
            continue;
        }
        let comes = i64::from(*class == 0 && i != *from);
        bin.came += comes;
        for (f, d) in bin.free.iter_mut().zip(&of.demand) {
            *f -= *d as i64;
        }
        *bin.content.entry(*class).or_default() += 1;
        assign(fleet, rest, moved + u64::from(i != *from), bins, best);
        let bin = &mut bins[i];
        bin.came -= comes;
        for (f, d) in bin.free.iter_mut().zip(&problem.classes[*class].demand) {
            *f += *d as i64;
        }
        let n = bin.content.get_mut(class).unwrap();
        *n -= 1;
        if *n == 0 {
            bin.content.remove(class);
        }
    }
}

/// What is wrong with a point, read off its moves.
fn faults(fleet: &Fleet, point: &Point) -> Vec<String> {
    let problem = &fleet.problem;
    let mut wrong = Vec::new();
    let mut free: Vec<Vec<i64>> = problem
        .nodes
        .iter()
        .map(|n| n.free.iter().map(|f| *f as i64).collect())
        .collect();
    let mut held: Vec<BTreeMap<usize, i64>> = problem
        .nodes
        .iter()
        .map(|n| n.present.iter().map(|(c, k)| (*c, i64::from(*k))).collect())
        .collect();
    for new in &point.bought {
        let capacity = &problem.types[new.node_type].capacity;
        free.push(capacity.iter().map(|c| *c as i64).collect());
        held.push(BTreeMap::new());
    }
    let mut moved = 0;
    let mut came: BTreeMap<usize, i64> = BTreeMap::new();
    for relocation in &point.moves {
        let n = i64::from(relocation.count);
        moved += u64::from(relocation.count);
        let to = match relocation.to {
            Place::Node(node) => node,
            Place::Bought(index) => problem.nodes.len() + index,
        };
        if point.removed.contains(&to) {
            wrong.push(format!("{relocation:?} goes where nothing stays"));
        }
        let enters = |node: usize| {
            let closed = problem.nodes[node].closed;
            !closed && problem.classes[relocation.class].nodes.contains(node)
        };
        if matches!(relocation.to, Place::Node(node) if !enters(node)) {
            wrong.push(format!("{relocation:?} goes where it is not let in"));
        }
        if relocation.class == 0 {
            *came.entry(to).or_default() += n;
        }
        for (node, sign) in [(relocation.from, 1), (to, -1)] {
            let demand = &problem.classes[relocation.class].demand;
            for (f, d) in free[node].iter_mut().zip(demand) {
                *f += sign * n * (*d as i64);
            }
            *held[node].entry(relocation.class).or_default() -= sign * n;
        }
    }
    for (node, free) in free.iter().enumerate() {
        let gone = point.removed.contains(&node);
        if !gone && free.iter().any(|f| *f < 0) {
            wrong.push(format!("node {node} is overfull: {free:?}"));
        }
        if gone && held[node].values().any(|n| *n != 0) {
            wrong.push(format!("node {node} went with {:?}", held[node]));
        }
        let came = came.get(&node).copied().unwrap_or(0);
        let own = held[node].get(&0).copied().unwrap_or(0) - came;
        if !gone && !alone_holds(fleet, own, came) {
            wrong.push(format!("node {node} holds {:?}", held[node]));
        }
    }
    for node in &point.removed {
        if !fleet.holdings[*node].removable {
            wrong.push(format!("node {node} may not go"));
        }
    }
    let kept = (0..problem.nodes.len()).filter(|n| !point.removed.contains(n));
    let prices = kept.map(|n| fleet.holdings[n].price.unwrap().0);
    let bought = point.bought.iter().map(|n| n.price.0);
    let cost: i64 = prices.chain(bought).sum();
    if cost != point.cost.0 || moved != point.moved {
        wrong.push(format!(
            "states {} and {}, is {cost} and {moved}",
            point.cost, point.moved
        ));
    }
    wrong
}

/// What the proofs say, up to the next whole step of all prices.
fn bound(fleet: &Fleet, frontier: &Frontier, moved: u64) -> i64 {
    let bounds = frontier.proofs.iter().map(|p| {
        let moves = i64::try_from(moved).unwrap().saturating_mul(p.per_move.0);
        p.lower_bound.0 - moves
    });
    let bound = bounds.max().unwrap().max(0);
    let nodes = fleet.holdings.iter().filter_map(|h| h.price);
    let offered = fleet.problem.types.iter().flat_map(|t| &t.offerings);
    let prices: Vec<i64> = nodes
        .chain(offered.filter_map(|o| o.price))
        .map(|p| p.0)
        .collect();
    let dearest = prices.iter().copied().max().unwrap_or(0);
    let divides = |step: &i64| prices.iter().all(|p| p % step == 0);
    let step = (1..=dearest).rev().find(divides).unwrap_or(1);
    bound.div_euclid(step) * step + if bound % step > 0 { step } else { 0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_assignment_is_below_the_bound_and_every_point_is_one(fleet in fleets()) {
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let best = cheapest(&fleet);
        for (moved, cost) in &best {
            let bound = bound(&fleet, &frontier, *moved);
            prop_assert!(bound <= *cost, "{moved} moves: bound {bound}, possible {cost}");
            prop_assert!(frontier.lower_bound.0 <= *cost);
        }
        let mut before: Option<&Point> = None;
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
            prop_assert_eq!(point.lower_bound.0, bound(&fleet, &frontier, point.moved));
            if let Some(before) = before {
                prop_assert!(before.moved < point.moved && before.cost > point.cost);
            }
            before = Some(point);
        }
        let end = frontier.prefix.unwrap();
        prop_assert!(frontier.points.iter().any(|p| p.cost <= end.cost && p.moved <= end.evictions));
        prop_assert!(frontier.points.iter().all(|p| p.cost <= frontier.cost_before));
    }

    #[test]
    fn no_more_is_bought_than_limits_allow(
        fleet in fleets(),
        max in 0u64..4,
        amount in 1u64..3,
    ) {
        let mut fleet = fleet;
        fleet.problem.purchase_limits = vec![PurchaseLimit {
            id: "quota".into(),
            max,
            takes: (0..fleet.problem.types.len())
                .map(|node_type| Take { node_type, offering: None, amount })
                .collect(),
        }];
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
            let taken = amount * point.bought.len() as u64;
            prop_assert!(taken <= max, "{taken} of {max}: {point:?}");
        }
    }

    #[test]
    fn nodes_that_go_leave_what_they_take_of_limits_to_new_ones(
        fleet in fleets(),
        limits in limits(),
    ) {
        let fleet = shared(fleet, &limits);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let best = cheapest(&fleet);
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
            let all = 0..fleet.problem.nodes.len();
            let kept = all.filter(|node| !point.removed.contains(node));
            let bought = point.bought.iter().map(|n| (n.node_type, n.offering));
            let bought: Vec<(usize, usize)> = bought.collect();
            prop_assert_eq!(beyond(&fleet, kept, &bought), None, "{:?}", point);
        }
        for (moved, cost) in &best {
            let bound = bound(&fleet, &frontier, *moved);
            prop_assert!(bound <= *cost, "{moved} moves: bound {bound}, possible {cost}");
        }
    }

    #[test]
    fn the_order_of_nodes_and_classes_changes_nothing(fleet in fleets(), turn in 1usize..4) {
        let there = repack(&fleet, &RepackEffort::default()).unwrap();
        let mut other = fleet.clone();
        let by = turn % other.problem.nodes.len();
        other.problem.nodes.rotate_left(by);
        other.holdings.rotate_left(by);
        let count = other.problem.nodes.len();
        for class in &mut other.problem.classes {
            if class.nodes != Mask::All {
                let kept = (0..count).filter(|n| class.nodes.contains(*n));
                class.nodes = Mask::only(kept.map(|n| (n + count - by) % count).collect::<Vec<_>>());
            }
        }
        let mut back = repack(&other, &RepackEffort::default()).unwrap();
        let nodes = other.problem.nodes.len();
        for point in &mut back.points {
            let home = |node: &mut usize| *node = (*node + by) % nodes;
            point.removed.iter_mut().for_each(home);
            for relocation in &mut point.moves {
                home(&mut relocation.from);
                if let Place::Node(node) = &mut relocation.to {
                    home(node);
                }
            }
        }
        prop_assert_eq!(there, back);
    }
}

/// In how many of 400 small fleets the cheapest point is the best there is, and in
/// how many something could be saved.
fn reached(fleets: impl Strategy<Value = Fleet>) -> (u32, u32) {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut best_found, mut saved) = (0, 0);
    for _ in 0..400 {
        let fleet = fleets.new_tree(&mut runner).unwrap().current();
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let best = cheapest(&fleet).into_values().min();
        // Beyond a limit as it is, nothing may be possible but to buy nothing.
        let best = best.unwrap_or(frontier.cost_before.0);
        let found = frontier.points.last().unwrap().cost.0;
        best_found += u32::from(found <= best);
        saved += u32::from(best < frontier.cost_before.0);
    }
    (best_found, saved)
}

#[test]
fn the_points_reach_the_best_there_is_in_most_small_fleets() {
    let (best_found, saved) = reached(fleets());
    assert!(saved > 200, "{saved} of 400 could save");
    assert!(best_found >= 320, "{best_found} of 400 reach the optimum");
    let within = (fleets(), limits()).prop_map(|(fleet, limits)| shared(fleet, &limits));
    let (best_found, saved) = reached(within);
    assert!(saved > 150, "{saved} of 400 could save within limits");
    assert!(
        best_found >= 320,
        "{best_found} of 400 reach the optimum within limits"
    );
}

/// A node of now takes all of a limit: it goes for a cheaper one, which takes as
/// much, and no node comes beside it.
#[test]
fn a_full_limit_lets_a_node_be_replaced() {
    let nodes = [(40, 40, 90, true, false)];
    let more = More {
        buy: Some((20, 20, 50)),
        alone: false,
        narrow: false,
        only: None,
    };
    let fleet = fleet(&nodes, &[(8, 8)], &[(0, 0), (0, 0)], &more);
    let last = |limits: &[(u64, u64, Vec<u64>)]| {
        let fleet = shared(fleet.clone(), limits);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        frontier.points.last().unwrap().cost.0
    };
    assert_eq!(last(&[]), 50);
    // All that there is, and half of what the new one takes.
    assert_eq!(last(&[(4, 4, vec![4])]), 50);
    assert_eq!(last(&[(2, 4, vec![2])]), 90);
    // Of another one there is nothing.
    assert_eq!(last(&[(4, 4, vec![4]), (0, 1, vec![0])]), 90);
}

#[test]
fn what_a_fleet_says_of_itself_must_agree() {
    let good = fleet(
        &[(20, 20, 50, true, false), (20, 20, 50, true, false)],
        &[(5, 5)],
        &[(0, 0), (0, 1)],
        &More {
            buy: None,
            alone: true,
            narrow: true,
            only: None,
        },
    );
    assert!(repack(&good, &RepackEffort::default()).is_ok());
    let refused = |change: &dyn Fn(&mut Fleet), why: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let error = repack(&bad, &RepackEffort::default())
            .unwrap_err()
            .to_string();
        assert_eq!(error, why);
    };
    refused(&|f| drop(f.holdings.pop()), "1 holdings for 2 nodes");
    refused(
        &|f| f.holdings[0].price = Some(MicroUsdPerHour(-1)),
        &format!("node \"n0\" has the price {}", MicroUsdPerHour(-1)),
    );
    refused(
        &|f| f.holdings[0].movable.push((0, 1)),
        "2 items of class 0 may leave node \"n0\", which holds 1",
    );
    refused(
        &|f| f.holdings[0].movable.push((7, 0)),
        "0 items of class 7 may leave node \"n0\", which holds 0",
    );
    refused(
        &|f| f.holdings[1].takes.push((0, 1)),
        "node \"n1\" takes of limit 0, of which there are 0",
    );
    refused(
        &|f| f.narrow_rules = vec![3],
        "narrow_rules refers to rule 3, of which there are 1",
    );
}

#[test]
fn fleets_with_next_to_nothing_are_answered_too() {
    for effort in [0, 1, 16] {
        let mut effort_of = RepackEffort::default();
        effort_of.levels = effort;
        effort_of.prefix_candidates = effort;
        let none = repack(&Fleet::default(), &effort_of).unwrap();
        assert_eq!(none.lower_bound, MicroUsdPerHour::ZERO);
        // No resources, no capacity, no price.
        let nothing = More {
            buy: Some((0, 0, 0)),
            alone: false,
            narrow: false,
            only: None,
        };
        let nodes = [(0, 0, 0, true, false), (0, 0, 7, true, true)];
        let fleet = fleet(
            &nodes,
            &[(0, 0), (3, 3)],
            &[(0, 0), (0, 1), (1, 0)],
            &nothing,
        );
        let frontier = repack(&fleet, &effort_of).unwrap();
        assert_eq!(frontier.points.last().unwrap().cost, MicroUsdPerHour::ZERO);
        let mut flat = fleet;
        flat.problem.dims.clear();
        flat.problem.types.clear();
        flat.problem
            .classes
            .iter_mut()
            .for_each(|c| c.demand.clear());
        flat.problem.nodes.iter_mut().for_each(|n| n.free.clear());
        let frontier = repack(&flat, &effort_of).unwrap();
        assert_eq!(frontier.points.last().unwrap().cost, MicroUsdPerHour::ZERO);
    }
}

#[test]
fn a_node_goes_when_an_item_of_a_node_that_stays_makes_room() {
    // The item of the small node fits on neither of the others. One of x may go to
    // y, which leaves room for it on x.
    let class = |id: &str, demand: [u64; 2]| Class {
        id: id.into(),
        demand: demand.to_vec(),
        ..Class::default()
    };
    let node = |id: &str, free: [u64; 2], class: usize, n: u32| ExistingNode {
        id: id.into(),
        free: free.to_vec(),
        present: vec![(class, n)],
        ..ExistingNode::default()
    };
    let holding = |price, class: usize, n: u32| Holding {
        price: Some(MicroUsdPerHour(price)),
        removable: true,
        movable: vec![(class, n)],
        ..Holding::default()
    };
    let fleet = Fleet {
        problem: Problem {
            dims: vec!["cpu".into(), "memory".into()],
            classes: vec![class("a", [5, 1]), class("b", [1, 5]), class("c", [5, 5])],
            nodes: vec![
                node("x", [1, 9], 0, 2),
                node("y", [9, 1], 1, 2),
                node("z", [0, 0], 2, 1),
            ],
            ..Problem::default()
        },
        holdings: vec![
            holding(100_000, 0, 2),
            holding(100_000, 1, 2),
            holding(50_000, 2, 1),
        ],
        ..Fleet::default()
    };
    let best = |from_kept: bool| {
        let mut effort = RepackEffort::default();
        effort.from_kept = from_kept;
        let frontier = repack(&fleet, &effort).unwrap();
        let best = frontier.chosen(MicroUsdPerHour(1)).cloned().unwrap();
        assert_eq!(faults(&fleet, &best), Vec::<String>::new());
        (best.cost, best.moved)
    };
    assert_eq!(best(false), (MicroUsdPerHour(250_000), 0));
    assert_eq!(best(true), (MicroUsdPerHour(200_000), 2));
}
