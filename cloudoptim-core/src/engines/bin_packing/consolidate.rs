//! Which nodes can go, and where each pod would move.

mod decisions;

use super::candidate::{Candidate, order, sort_pods, static_reasons};
use super::commitments::Prices;
use super::fleet::Shares;
use super::limits::{Limits, Uses, group_name};
use super::minima::{Minima, Stated};
use super::owner::{Groups, group_of, owner_of};
use super::pool::Pools;
use super::share::Share;
use super::shift::{Rules, Shifts};
use super::shop::{Planned, Shop, each};
use super::target::{Means, Target};
use super::trial::{Comers, Room, Trial, Waiting, place_waiting};
use super::{Config, Reason};
use crate::decision::{Decision, MissingEvidence, Owner, Subject};
use crate::engines::{EngineError, Inputs, NotJudged};
use crate::model::{
    CapacityType, Cloud, Cluster, HOSTNAME_LABEL, MicroUsdPerHour, Node, NodeName, OwnerIndex, Pod,
    Resources,
};
use crate::scheduling::movability::Movers;
use crate::scheduling::{Budgets, PodId, World};
use decisions::{Going, Launches, act, carried_out, keep};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// The answer for one cluster.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) decisions: Vec<Decision>,
    pub(super) removed: BTreeSet<String>,
    pub(super) moves: u64,
    /// What the nodes cost that are launched.
    pub(super) launched: MicroUsdPerHour,
    pub(super) not_judged: Vec<NotJudged>,
    /// What could be launched.
    pub(super) shop: Shop,
    /// What nodes really cost.
    pub(super) prices: Prices,
    /// Whether the deadline ended some search.
    pub(super) late: bool,
}

impl Answer {
    /// Preferences for and against pods that nobody can tell are not counted.
    fn say_preferences_unclear(&mut self, cluster: &Cluster, world: &World<'_>) {
        let count = world.pods_with_unclear_preferences();
        if count > 0 {
            self.not_judged.push(NotJudged {
                subject: Some(Subject::Cluster {
                    cluster: cluster.uid.clone(),
                }),
                count: count as u64,
                missing: labels_of_namespaces(world),
            });
        }
    }

    /// What goes on demand saves its price only if no commitment pays for it.
    fn say_commitments_unknown(&mut self, cluster: &Cluster, state: &str) {
        let on_demand: BTreeSet<NodeName> = cluster
            .nodes
            .items()
            .iter()
            .filter(|n| n.capacity_type() != Some(CapacityType::Spot))
            .map(Node::name)
            .collect();
        let mut count = 0;
        for decision in self.decisions.iter_mut().filter(|d| !d.is_keep()) {
            let Subject::Node { node, .. } = &decision.subject else {
                continue;
            };
            if on_demand.contains(node) {
                count += 1;
                let state = state.to_owned();
                let reason = Reason::CommitmentsUnknown { state };
                decision.reasons.push(reason.into());
            }
        }
        if count > 0 {
            self.not_judged.push(NotJudged {
                subject: Some(Subject::Cluster {
                    cluster: cluster.uid.clone(),
                }),
                count,
                missing: MissingEvidence::Part {
                    part: "commitments".to_owned(),
                    state: state.to_owned(),
                },
            });
        }
    }
}

/// Nodes in the order of trying: empty first, then least disruption per dollar.
pub(super) fn consolidate(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    cloud: Option<&Cloud>,
) -> Result<Answer, EngineError> {
    let now = inputs.now();
    let infeasible = config.moves.infeasible_resize;
    let mut world =
        World::with_infeasible_resize(cluster, &inputs.overlay.count_limits, infeasible);
    let budgets = Budgets::new(cluster, now);
    let movers = Movers::new(cluster, now, config.moves.clone());
    let owners = OwnerIndex::new(cluster);
    let mut on_node: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in cluster.pods.items() {
        // A pod that waits for room by preemption counts where it waits.
        let place = pod.node().or(pod.status.nominated_node.as_ref());
        if let Some(node) = place {
            on_node.entry(node.as_str()).or_default().push(pod);
        }
    }
    let pools = Pools::new(cluster, now);
    let prices = Prices::new(inputs, cluster);
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for node in cluster.nodes.items() {
        let Some(id) = world.node_id(&node.name()) else {
            continue;
        };
        let owner = owner_of(node, cluster, cloud);
        let mut candidate = Candidate {
            node,
            id,
            group: group_of(node, owner.as_ref()),
            price: prices.of(node),
            covered_by: prices.covered_by(node).map(str::to_owned),
            owner,
            movers: Vec::new(),
            node_pods: 0,
            ends: Resources::default(),
            stays: Vec::new(),
        };
        let pods = on_node
            .get(node.meta.name.as_str())
            .map_or(&[][..], Vec::as_slice);
        sort_pods(&mut candidate, pods, &movers, &budgets, infeasible);
        static_reasons(config, inputs, cluster, &pools, &mut candidate);
        candidates.push(candidate);
    }
    let pairs: Vec<(&Node, String)> = candidates
        .iter()
        .filter(|c| c.in_service())
        .map(|c| (c.node, c.group.clone()))
        .collect();
    let mut groups = Groups::new(&pairs, cluster, cloud);
    for owner in removed_before(inputs, cluster, cloud) {
        groups.shrunk(&owner);
    }
    let nodes = candidates.iter().map(|c| (c.node, c.owner.as_ref()));
    let minima = Minima::new(&groups, nodes, &Stated::new());
    let prefer = &config.preferences;
    if !prefer.are_zero() {
        world = world.with_preferences();
    }
    let waiting = place_waiting(&mut world, cluster, &movers, prefer);
    let young: BTreeSet<NodeName> = candidates
        .iter()
        .filter(|c| c.stays.iter().any(|r| matches!(r, Reason::Young { .. })))
        .map(|c| c.node.name())
        .collect();
    let share = Share::new(cluster, &owners, config, inputs);
    candidates.sort_by_cached_key(|c| order(c, |pod| share.is_alone(&owners.top(pod))));
    let room = Room::new(&world, &candidates, config);
    let going = candidates.iter().filter(|c| c.stays.is_empty());
    let at_the_end = Limits::new(config, inputs, cluster, cloud)
        .at_the_end(going.map(|c| (c.node, c.owner.as_ref())));
    let mut shop = Shop::new(config, inputs, cluster, cloud, &at_the_end);
    let start = Start {
        preferences: world.preferences_cost(prefer),
        config,
        inputs,
        cluster,
        owners: &owners,
        candidates: &candidates,
        world,
        groups,
        waiting,
        young,
        share,
        room,
    };
    let mut best = start.attempt(None, &Shop::default());
    let limits = Limits::new(config, inputs, cluster, cloud);
    let minima = minima.selling(&shop);
    let rows = (&limits, &minima);
    let deadline = inputs.deadline;
    let late = Cell::new(false);
    let aim = |means: Means<'_, '_>| {
        let shares = Shares {
            share: &start.share,
            owners: &owners,
            preferences: config.preferences,
        };
        let (world, waiting) = (&start.world, &start.waiting);
        let target = Target::new(
            config,
            world,
            &candidates,
            waiting,
            &start.young,
            means,
            shares,
        );
        late.set(late.get() || target.as_ref().is_some_and(|t| t.late));
        target
    };
    let nothing = Shop::default();
    if let Some(target) = aim(Means::new(&nothing, rows, false, deadline)) {
        let aimed = start.attempt(Some(&target), &nothing);
        if aimed.worth(config) > best.worth(config) {
            best = aimed;
        }
    }
    let whole = shop.clone();
    if !shop.wares.is_empty() {
        let aimed = |shop: &Shop| aim(Means::new(shop, rows, false, deadline));
        let with_launches = start.with_launches(&mut shop, &limits, aimed);
        if let Some(launching) = with_launches.filter(|l| l.pays_beside(&best, config)) {
            best = launching;
        }
    }
    if config.moves_from_kept {
        let mut others = Vec::new();
        let target = aim(Means::new(&nothing, rows, true, deadline));
        if let Some(target) = target.filter(|t| !t.shifts.is_empty()) {
            others.push((start.attempt(Some(&target), &nothing), None));
        }
        if !whole.wares.is_empty() {
            let mut shop = whole;
            let aimed = |shop: &Shop| aim(Means::new(shop, rows, true, deadline));
            if let Some(launching) = start.with_launches(&mut shop, &limits, aimed) {
                others.push((launching, Some(shop)));
            }
        }
        for (other, with) in others {
            let new = other.shifts && !inputs.is_late();
            if new && start.goes_further(&other, &best) {
                best = other;
                shop = with.unwrap_or(shop);
            }
        }
    }
    best.answer
        .not_judged
        .extend(std::mem::take(&mut shop.not_judged));
    best.answer.shop = shop;
    if let Some(state) = &prices.unknown {
        best.answer.say_commitments_unknown(cluster, state);
    }
    if prefer.per_weight > MicroUsdPerHour::ZERO {
        best.answer.say_preferences_unclear(cluster, &start.world);
    }
    best.answer.prices = prices;
    best.answer.late = late.get() || inputs.is_late();
    Ok(best.answer)
}

/// What it takes to tell whom terms mean that ask for labels of namespaces.
pub(super) fn labels_of_namespaces(world: &World<'_>) -> MissingEvidence {
    MissingEvidence::Part {
        part: "namespaces".to_owned(),
        state: world.namespaces().to_string(),
    }
}

/// Rounds in which kinds of nodes are cut of which more are bought than limits have
/// room for. The search keeps to limits by itself, with all that its nodes free;
/// where one of these stays by a rule that it does not know, less is free.
const MOST_CUTS: usize = 6;

/// A cluster before anything moves.
struct Start<'s, 'a> {
    config: &'s Config,
    inputs: &'s Inputs<'s>,
    cluster: &'s Cluster,
    owners: &'s OwnerIndex,
    candidates: &'s [Candidate<'a>],
    world: World<'a>,
    /// What its pods break of what they prefer.
    preferences: MicroUsdPerHour,
    groups: Groups<'a>,
    waiting: Waiting,
    young: BTreeSet<NodeName>,
    share: Share,
    room: Room,
}

/// What one order of trying led to.
struct Attempt {
    answer: Answer,
    /// Launches paid.
    saved: MicroUsdPerHour,
    /// What pods break of what they prefer beyond what they did before.
    broken: MicroUsdPerHour,
    /// Nodes launched.
    bought: usize,
    /// Nodes of the target that no pod came to.
    unused: BTreeSet<NodeName>,
    /// Pods leave nodes that stay.
    shifts: bool,
}

impl Attempt {
    /// Whether it is worth more than another by what each launched node has to
    /// save at the least.
    fn pays_beside(&self, other: &Self, config: &Config) -> bool {
        let least = i128::from(config.min_saving_per_month.0) / 730;
        let launched = i128::try_from(self.bought).unwrap_or(i128::MAX);
        let more = self.worth(config) - other.worth(config);
        more > 0 && more >= least.saturating_mul(launched)
    }

    /// What it saves, less what its moves and the preferences that they break cost, in
    /// micro-dollars per hour.
    fn worth(&self, config: &Config) -> i128 {
        let moves = i128::from(self.answer.moves) * i128::from(config.price_per_move.0);
        i128::from(self.saved.0) - moves - i128::from(self.broken.0)
    }
}

impl Start<'_, '_> {
    /// Whether an attempt that moves pods off nodes that stay is worth more than
    /// another: as decided, and as far as there is a safe way there in time.
    fn goes_further(&self, attempt: &Attempt, other: &Attempt) -> bool {
        let worth = |a: &Attempt| carried_out(self.config, self.inputs, self.cluster, &a.answer);
        attempt.pays_beside(other, self.config) && worth(attempt) > worth(other)
    }

    /// The best attempt that launches nodes, within every limit.
    fn with_launches(
        &self,
        shop: &mut Shop,
        limits: &Limits<'_>,
        aim: impl Fn(&Shop) -> Option<Target>,
    ) -> Option<Attempt> {
        for _ in 0..MOST_CUTS {
            let mut target = aim(shop)?;
            // What the numbers bought and the rules do not use is not launched.
            let mut attempt = self.attempt(Some(&target), shop);
            while !attempt.unused.is_empty() {
                target.bought.retain(|b| !attempt.unused.contains(&b.name));
                attempt = self.attempt(Some(&target), shop);
            }
            if target.bought.is_empty() {
                return None;
            }
            if !self.cut(shop, limits, &target, &attempt) {
                return self.spread_enough(&attempt).then_some(attempt);
            }
        }
        None
    }

    /// Whether so many nodes are in service at the end as have to be.
    fn spread_enough(&self, attempt: &Attempt) -> bool {
        let before = self.candidates.iter().filter(|c| c.in_service()).count();
        let stay = before.saturating_sub(attempt.answer.removed.len());
        let least = usize::try_from(self.config.min_nodes).unwrap_or(usize::MAX);
        stay.saturating_add(attempt.bought) >= least.min(before)
    }

    /// Takes from the kinds of nodes of which more are bought than a limit has
    /// room for; false when every limit has room for all.
    fn cut(
        &self,
        shop: &mut Shop,
        limits: &Limits<'_>,
        target: &Target,
        attempt: &Attempt,
    ) -> bool {
        let mut counts: BTreeMap<(usize, String), u32> = BTreeMap::new();
        for new in &target.bought {
            let count = counts.entry((new.ware, new.zone.clone())).or_default();
            *count = count.saturating_add(1);
        }
        let gone = self.candidates.iter();
        let gone = gone.filter(|c| attempt.answer.removed.contains(&c.node.meta.name));
        let limits = limits
            .clone()
            .at_the_end(gone.map(|c| (c.node, c.owner.as_ref())));
        let mut all = Uses::new();
        for ((ware, zone), count) in &counts {
            let Some(ware) = shop.wares.get(*ware) else {
                continue;
            };
            for (limit, amount) in each(ware, zone, &limits) {
                let sum = all.entry(limit).or_insert(0_u64);
                *sum = sum.saturating_add(amount.saturating_mul(u64::from(*count)));
            }
        }
        let Err(short) = limits.fits(&all) else {
            return false;
        };
        let used = all.get(&short.limit).copied().unwrap_or(1).max(1);
        let free = short.free.unwrap_or(0);
        for ((index, zone), count) in counts {
            let Some(ware) = shop.wares.get_mut(index) else {
                continue;
            };
            if each(ware, &zone, &limits).contains_key(&short.limit) {
                let share = u64::from(count).saturating_mul(free) / used;
                let left = u32::try_from(share).unwrap_or(u32::MAX);
                ware.launchable.available.insert(zone, left);
            }
        }
        true
    }

    /// Tries every node in time: those of the target first, in its order.
    fn attempt(&self, target: Option<&Target>, shop: &Shop) -> Attempt {
        let (config, cluster) = (self.config, self.cluster);
        let mut world = self.world.clone();
        let bought = target.map_or(&[][..], |t| t.bought.as_slice());
        let mut groups = self.groups.clone();
        let mut waiting = self.waiting.clone();
        let mut share = self.share.clone();
        let mut room = self.room.clone();
        let mut answer = Answer::default();
        let mut saved = MicroUsdPerHour::ZERO;
        let mut acts = Vec::new();
        let mut keeps = Vec::new();
        let mut taken: BTreeMap<NodeName, u64> = BTreeMap::new();
        let mut missing: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut shifts = Shifts::new(target);
        let without_room: Vec<PodId> = world.pending().collect();
        let rules = Rules {
            owners: self.owners,
            young: &self.young,
            waiting: &without_room,
        };
        let mut comers = Comers::default();
        for new in bought {
            let Some(ware) = shop.wares.get(new.ware) else {
                continue;
            };
            let kind = &ware.launchable;
            if let Some((node, _)) = kind.zones.get(&new.zone) {
                let mut node = node.clone();
                node.meta.name = new.name.to_string();
                let labels = &mut node.meta.labels;
                labels.insert(HOSTNAME_LABEL.to_owned(), new.name.to_string());
                room.came(&node.allocatable, &kind.daemons);
                share.came(&node);
                groups.grown(&node, &group_of(&node, Some(&ware.via)));
                comers.launched(&new.name, group_name(&ware.via));
                let _ = world.add_node(node, &kind.daemons, kind.ebs_limit);
            }
        }
        let mut order: Vec<&Candidate<'_>> = self.candidates.iter().collect();
        if let Some(target) = target {
            order.sort_by_key(|c| target.rank(&c.node.name(), c.movers.is_empty()));
        }
        for candidate in order {
            let name = candidate.node.name();
            let subject = Subject::Node {
                cluster: cluster.uid.clone(),
                node: name.clone(),
            };
            let reasons = match (candidate.owner.as_ref(), candidate.price) {
                (Some(_), Some(_)) if candidate.stays.is_empty() && self.inputs.is_late() => {
                    let makes_room = shifts.done_at(&name);
                    vec![makes_room.unwrap_or(Reason::OutOfTime)]
                }
                (Some(owner), Some(price)) if candidate.stays.is_empty() => {
                    // A node that made room for others keeps what it has.
                    let stays = shifts.done_at(&name).map(Box::new);
                    let needed = target.filter(|_| stays.is_none());
                    let needed = needed.map_or_else(Vec::new, |target| {
                        shifts.needed(rules, config, &mut world, &mut share, candidate, target)
                    });
                    let mut made = needed;
                    if !rules.make(&mut world, &mut share, &made) {
                        made.clear();
                    }
                    let tried = Trial {
                        config,
                        cluster,
                        candidate,
                        owner,
                        groups: &groups,
                        comers: &comers,
                        taken: &taken,
                        young: &self.young,
                        room: &room,
                        removed: answer.removed.len(),
                        target,
                    };
                    let mut done = match stays {
                        Some(reason) => Err(reason),
                        None => tried.run(&mut world, &mut share, self.owners, &mut waiting),
                    };
                    if done.is_err() && !made.is_empty() {
                        // Without them it may still go, another way.
                        rules.back(&mut world, &mut share, &made);
                        made.clear();
                        done = tried.run(&mut world, &mut share, self.owners, &mut waiting);
                    }
                    match done {
                        Ok(moves) => {
                            if comers.replace(owner, &moves) {
                                groups.replaced(candidate.node, &candidate.group);
                            } else {
                                groups.removed(candidate.node, &candidate.group, owner);
                            }
                            room.removed(candidate);
                            answer.removed.insert(candidate.node.meta.name.clone());
                            let all = moves.len().saturating_add(made.len());
                            answer.moves += u64::try_from(all).unwrap_or(0);
                            saved += price;
                            let to = moves.iter().filter_map(|m| m.to.as_ref());
                            for moved in to.chain(made.iter().map(|shift| &shift.to)) {
                                *taken.entry(moved.clone()).or_default() += 1;
                            }
                            shifts.did(&world, &made, &name);
                            acts.push(Going {
                                candidate,
                                owner,
                                moves,
                                made,
                                price,
                                subject,
                            });
                            continue;
                        }
                        Err(reason) => vec![*reason],
                    }
                }
                _ => {
                    let makes_room = shifts.done_at(&name);
                    candidate.stays.iter().cloned().chain(makes_room).collect()
                }
            };
            for reason in &reasons {
                if let Reason::PartMissing { part, state } = reason {
                    *missing.entry((part.clone(), state.clone())).or_default() += 1;
                }
            }
            if candidate.price.is_none() {
                answer.not_judged.push(NotJudged {
                    subject: Some(subject.clone()),
                    count: 1,
                    missing: MissingEvidence::Price {
                        of: format!("node {name}"),
                    },
                });
            }
            keeps.push(keep(candidate, subject, reasons));
        }
        for ((part, state), count) in missing {
            answer.not_judged.push(NotJudged {
                subject: Some(Subject::Cluster {
                    cluster: cluster.uid.clone(),
                }),
                count,
                missing: MissingEvidence::Part { part, state },
            });
        }
        keeps.sort_by(|a, b| a.subject.cmp(&b.subject));
        let mut unused: BTreeSet<NodeName> = bought.iter().map(|b| b.name.clone()).collect();
        unused.retain(|name| !taken.contains_key(name));
        let used = bought.iter().filter(|b| !unused.contains(&b.name));
        let used: Vec<&Planned> = used.collect();
        answer.launched = used.iter().map(|b| b.price).sum();
        saved -= answer.launched;
        let mut launches = Launches::new(&world, shop, &used);
        let shifts = acts.iter().any(|going| !going.made.is_empty());
        answer.decisions = acts
            .into_iter()
            .map(|going| {
                let broken = self.broken_by(&world, &going);
                act(cluster, &world, going, &mut launches, broken)
            })
            .collect();
        answer.decisions.extend(keeps);
        Attempt {
            answer,
            saved,
            broken: world.preferences_cost(&config.preferences) - self.preferences,
            bought: used.len(),
            unused,
            shifts,
        }
    }
}

impl Start<'_, '_> {
    /// Pods that move for a node to go, and break more of what they prefer than before.
    fn broken_by(&self, world: &World<'_>, going: &Going<'_, '_>) -> Option<Reason> {
        let prices = &self.config.preferences;
        if prices.are_zero() {
            return None;
        }
        let cost = |world: &World<'_>, pod| {
            let place = world.place(pod)?;
            Some(world.preference_cost(prices, pod, place))
        };
        let (mut pods, mut costs) = (0, MicroUsdPerHour::ZERO);
        let own = going.moves.iter();
        let own = own.filter_map(|moved| world.pod_by_uid(&moved.uid));
        for pod in own.chain(going.made.iter().map(|shift| shift.pod)) {
            let before = cost(&self.world, pod).unwrap_or_default();
            let more = cost(world, pod).unwrap_or_default() - before;
            if more > MicroUsdPerHour::ZERO {
                pods += 1;
                costs += more;
            }
        }
        (pods > 0).then(|| Reason::BreaksPreferences {
            pods,
            preferences: costs.per_month(),
        })
    }
}

/// Owners of nodes that an overlay has taken away: their groups are that much
/// smaller already.
pub(super) fn removed_before(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    cloud: Option<&Cloud>,
) -> Vec<Owner> {
    let before = inputs.snapshot.cluster(&cluster.uid);
    let removed = inputs.overlay.removed_nodes.iter();
    let removed = removed.filter(|r| r.cluster == cluster.uid);
    let nodes = removed.filter_map(|r| {
        let nodes = before?.nodes.items();
        nodes.iter().find(|n| n.meta.name == r.node.as_str())
    });
    nodes
        .filter_map(|node| owner_of(node, cluster, cloud))
        .collect()
}
