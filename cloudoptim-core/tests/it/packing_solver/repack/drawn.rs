//! Small fleets made up at random.

use cloudoptim_core::engines::bin_packing::solver::{
    Class, CountLimit, Dislike, ExistingNode, Fleet, Holding, Mask, NodeType, Offering, Per,
    Problem, PurchaseLimit, Rule, Take,
};
use cloudoptim_core::model::MicroUsdPerHour;
use proptest::prelude::*;

/// Capacity, price, whether it may go, whether it is closed to newcomers.
pub(super) type Node = (u64, u64, i64, bool, bool);

/// What there is besides nodes and items.
#[derive(Debug, Clone)]
pub(super) struct More {
    pub(super) buy: Option<(u64, u64, i64)>,
    /// At most one item of class 0 on a node, though now there may be more.
    pub(super) alone: bool,
    /// That rule is stricter than what holds.
    pub(super) narrow: bool,
    /// The only node that lets newcomers of class 0 in.
    pub(super) only: Option<usize>,
}

pub(super) fn fleet(
    nodes: &[Node],
    demands: &[(u64, u64)],
    items: &[(usize, usize)],
    more: &More,
) -> Fleet {
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

/// The fleet with places that some classes dislike: for each, its class, a bit for
/// each node and one for what is bought, and what it costs.
pub(super) fn disliking(mut fleet: Fleet, dislikes: &[(usize, u32, i64)]) -> Fleet {
    for (class, bits, cost) in dislikes {
        let class = class % fleet.problem.classes.len();
        let some = |n: usize| (0..n).filter(|i| (bits >> i) & 1 == 1);
        let nodes = fleet.problem.nodes.len();
        fleet.problem.classes[class].dislikes.push(Dislike {
            types: if (bits >> nodes) & 1 == 1 {
                Mask::All
            } else {
                Mask::NONE
            },
            zones: Mask::All,
            nodes: Mask::only(some(nodes)),
            cost: MicroUsdPerHour(*cost),
        });
    }
    fleet
}

pub(super) fn dislikes() -> impl Strategy<Value = Vec<(usize, u32, i64)>> {
    let one = (0usize..4, any::<u32>(), prop_oneof![0i64..12, 0i64..120]);
    prop::collection::vec(one, 1..4)
}

pub(in super::super) fn fleets() -> impl Strategy<Value = Fleet> {
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

/// The same fleet with limits that its nodes and new ones share.
pub(super) fn shared(fleet: Fleet, limits: &[(u64, u64, Vec<u64>)]) -> Fleet {
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
            ..PurchaseLimit::default()
        });
        for (holding, amount) in fleet.holdings.iter_mut().zip(by_node) {
            holding.takes.push((number, *amount));
        }
    }
    fleet
}

pub(super) fn limits() -> impl Strategy<Value = Vec<(u64, u64, Vec<u64>)>> {
    let by_node = prop::collection::vec(0u64..4, 5);
    prop::collection::vec((0u64..14, 0u64..4, by_node), 1..3)
}

/// The same fleet with minima: what nodes take of them, and a new one.
pub(super) fn floored(fleet: Fleet, minima: &[(u64, u64, Vec<u64>)]) -> Fleet {
    let mut fleet = fleet;
    for (min, amount, by_node) in minima {
        let number = fleet.problem.purchase_limits.len();
        let takes = (0..fleet.problem.types.len()).map(|node_type| Take {
            node_type,
            offering: None,
            amount: *amount,
        });
        fleet.problem.purchase_limits.push(PurchaseLimit {
            // Before limits in the order of their ids.
            id: format!("a minimum {}", 9 - number),
            max: 1 << 50,
            min: *min,
            takes: takes.collect(),
        });
        for (holding, amount) in fleet.holdings.iter_mut().zip(by_node) {
            holding.takes.push((number, *amount));
        }
    }
    fleet
}

/// Mostly groups of nodes, of which each counts once.
pub(super) fn minima() -> impl Strategy<Value = Vec<(u64, u64, Vec<u64>)>> {
    let part = prop_oneof![4 => 0u64..2, 1 => 0u64..4];
    let by_node = prop::collection::vec(part, 5);
    prop::collection::vec((0u64..5, 0u64..2, by_node), 1..3)
}
