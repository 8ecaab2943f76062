//! `consolidate`: how much cheaper the nodes of a cluster could be, for how
//! many moved pods.

mod anew;
mod baselines;
mod decided;
mod options;
mod unweighed;

use self::anew::{Anew, anew};
use self::baselines::{Baseline, Of};
use self::decided::{Plan, plan};
use self::options::{Launch, Options};
use self::unweighed::{Unweighed, beside, unweighed};
use super::{Usage, complain, json};
use crate::baseline::yard::{ClusterYard, Habit, SceneYard};
use crate::certificate::repack::{Certified, certify};
use crate::documents;
use crate::launches::below_minima;
use crate::load::{self, TypeRow};
use crate::placement::{Board, judge};
use crate::policy::{End, broken};
use crate::process::{Watch, load_average, peak_rss_mb, reset_peak};
use crate::scene::{self, Sizes, scaled_down};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::solver::{self, PrefixEnd, RepackEffort, repack_until};
use cloudoptim_core::engines::bin_packing::{
    Config, Launchable, Repacking, launchable_copies, launchable_type, repacking_with_proof,
    unknown_minima,
};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{
    Bytes, CapacityType, Cluster, MicroUsdPerHour, MilliCpu, Node, OfferingPrice, Resources,
    Snapshot, ZoneId, ZoneName,
};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Nodes of a made-up cluster; pods and workloads of one that is scaled down.
const NODES: usize = 1_000;
const PODS: usize = 2_000;
const WORKLOADS: usize = 40;

/// What a move is worth when nobody says: two cents for an eviction, over a week.
const MOVE_PRICE: MicroUsdPerHour = MicroUsdPerHour(20_000 / 168);

/// A point of the frontier.
#[derive(Debug, Serialize)]
struct Point {
    moves: u64,
    cost: f64,
    /// What the harness's own pricing of the proofs confirms.
    lower_bound: f64,
    /// What the engine says.
    claimed_bound: f64,
    /// Over `lower_bound`.
    gap: Option<f64>,
    /// What pods cost beside where they would rather not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    preferences: Option<f64>,
    nodes: usize,
    removed: usize,
    launched: usize,
    violations: usize,
    found_by: String,
}

/// Where the Karpenter-like search came to rest.
#[derive(Debug, Serialize)]
struct Prefix {
    cost: f64,
    evictions: u64,
    /// Our points within 1, 1.25 and 1.5 times its evictions.
    within: Vec<Within>,
}

/// The cheapest point of the frontier with at most so many moves.
#[derive(Debug, Serialize)]
struct Within {
    moves: u64,
    cost: Option<f64>,
    /// Certified: no fleet costs less with so many moves.
    lower_bound: f64,
}

impl Prefix {
    /// `points` are moves and cost; `bound` is what is certified for so many moves.
    fn new(
        end: PrefixEnd,
        points: &[(u64, MicroUsdPerHour)],
        bound: &dyn Fn(u64) -> MicroUsdPerHour,
    ) -> Self {
        let within = [4, 5, 6].map(|quarters| {
            let moves = end.evictions.saturating_mul(quarters) / 4;
            let some = points.iter().filter(|(moved, _)| *moved <= moves);
            Within {
                moves,
                cost: some.map(|(_, cost)| *cost).min().map(MicroUsdPerHour::usd),
                lower_bound: bound(moves).usd(),
            }
        });
        Self {
            cost: end.cost.usd(),
            evictions: end.evictions,
            within: within.into(),
        }
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Line {
    instance: String,
    cluster: String,
    pods: usize,
    nodes_before: usize,
    cost_before: f64,
    cost: f64,
    /// What pods cost beside where they would rather not be, now and then.
    #[serde(skip_serializing_if = "Option::is_none")]
    preferences_before: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferences: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unweighed: Vec<Unweighed>,
    /// However many move; by the harness's own pricing of the proofs.
    lower_bound: f64,
    /// What the engine says.
    claimed_bound: f64,
    /// Over `lower_bound`.
    gap: Option<f64>,
    nodes: usize,
    moves: u64,
    violations: usize,
    robust_violations: usize,
    /// Not judged for a scene: its numbers know no order of moves.
    sequential_violations: Option<usize>,
    /// Of the operator's rules about shares of workloads, and of groups' minima; as
    /// above.
    policy_violations: Option<usize>,
    kept: u64,
    /// The part without which every node stays.
    missing: Option<String>,
    unpriced: u64,
    /// Groups whose minimum nobody says: they are asked about without one, but with
    /// `--keep-unknown-minima`, which leaves their nodes as they are.
    unknown_minima: Vec<String>,
    launchable: usize,
    prefix_search: Option<Prefix>,
    frontier: Vec<Point>,
    /// What the engine decides, its limits of launches kept.
    plan: Option<Plan>,
    /// What the pods would need were there no node yet.
    anew: Option<Anew>,
    seconds: f64,
    /// For our own pricing of the proofs.
    certificate_seconds: f64,
    peak_rss_mb: Option<f64>,
    load_average: Option<f64>,
    version: &'static str,
}

pub(super) fn run(args: Vec<String>) -> Result<bool, Usage> {
    let options = Options::parse(args)?;
    let types = match &options.types {
        Some(file) => match load::read_types(file) {
            Ok(types) => types,
            Err(err) => return Ok(complain(&err)),
        },
        None => Vec::new(),
    };
    let catalog = match Catalog::embedded() {
        Ok(catalog) => catalog,
        Err(err) => return Ok(complain(&err)),
    };
    let table = io::stdout().is_terminal() && !options.json;
    let mut ok = true;
    if let Some(name) = &options.scene {
        let (line, others) = match scene(name, &types, &options) {
            Ok(measured) => measured,
            Err(err) => return Ok(complain(&err)),
        };
        ok &= line.violations == 0;
        if let Err(err) = write(&line, &others, table) {
            return Ok(complain(&err));
        }
    }
    for path in &options.paths {
        let loaded = match documents::load(path, options.input.clone()) {
            Ok(loaded) => loaded,
            Err(err) => {
                ok = complain(&err);
                continue;
            }
        };
        let snapshot = &loaded.snapshot;
        if snapshot.clusters.is_empty() {
            ok = complain(&format!("{}: no cluster in it", path.display()));
        }
        for cluster in &snapshot.clusters {
            let (line, others) = match measure(path, snapshot, cluster, &catalog, &types, &options)
            {
                Ok(measured) => measured,
                Err(err) => {
                    ok = complain(&format!("{}: {err}", path.display()));
                    continue;
                }
            };
            ok &= line.violations == 0;
            if let Err(err) = write(&line, &others, table) {
                return Ok(complain(&err));
            }
        }
    }
    Ok(ok)
}

/// Our line, then those of the baselines.
fn write(line: &Line, others: &[Baseline], table: bool) -> io::Result<()> {
    if table {
        print(line)?;
        return others.iter().try_for_each(baselines::print);
    }
    json(line)?;
    others.iter().try_for_each(json)
}

fn measure(
    path: &Path,
    snapshot: &Snapshot,
    cluster: &Cluster,
    catalog: &Catalog,
    types: &[TypeRow],
    options: &Options,
) -> Result<(Line, Vec<Baseline>), String> {
    reset_peak();
    let (policy, ledgers) = (Policy::default(), Ledgers::default());
    // Prices of the caller's types go over the catalogue's.
    let prices = types.iter().map(|t| OfferingPrice {
        instance_type: t.name.as_str().into(),
        zone_id: None,
        capacity_type: CapacityType::OnDemand,
        per_hour: t.price,
    });
    let overlay = Overlay {
        prices: prices.collect(),
        ..Overlay::default()
    };
    // It counts from here: what may be launched is part of the answer.
    let deadline = options.deadline();
    let watch = Watch::start();
    let inputs = Inputs {
        snapshot,
        overlay: &overlay,
        catalog,
        policy: &policy,
        ledgers: &ledgers,
        deadline: deadline.as_ref(),
    };
    let launchables = launchables(&inputs, cluster, types, options.launch.unwrap_or_default());
    let config = Config::default()
        .with_max_workload_share_percent(options.node_share)
        .with_max_workload_zone_share_percent(options.zone_share)
        .with_moves_from_kept(!options.keep_others);
    let unknown = unknown_minima(&inputs, cluster);
    let lifted = unknown.iter().filter(|_| !options.keep_unknown_minima);
    let (answer, proof) = repacking_with_proof(
        &config,
        &inputs,
        cluster,
        &launchables,
        &RepackEffort::default(),
        &lifted.map(|group| (group.clone(), None)).collect(),
    )
    .map_err(|err| err.to_string())?;
    let seconds = watch.seconds();
    let chosen = answer.chosen(options.move_price.unwrap_or(MOVE_PRICE));
    let chosen = chosen.ok_or("no point on the frontier")?;
    let before = Board::new(cluster).robust();
    let mut judged: Vec<[usize; 3]> = Vec::with_capacity(answer.points.len());
    for point in &answer.points {
        let (end, way) = judge(cluster, &launchables, &before, point);
        let own = broken(&config, &End::of_point(cluster, &launchables, point));
        let few = below_minima(&inputs, cluster, &launchables, point);
        let all = way.iter().chain(&end).chain(&own).map(ToString::to_string);
        for violation in all.chain(few.iter().cloned()).take(5) {
            let (path, moved) = (path.display(), point.moved);
            let _ = writeln!(
                io::stderr(),
                "violation: {path} at {moved} moves: {violation}"
            );
        }
        judged.push([end.len(), way.len(), own.len() + few.len()]);
    }
    let at = answer.points.iter().position(|p| p == chosen).unwrap_or(0);
    let nodes = cluster.nodes.items().len();
    // Each question has its own.
    let deadlines = [options.deadline(), options.deadline()];
    let within = |deadline| Inputs { deadline, ..inputs };
    let plan = if options.plan {
        Some(plan(&config, &within(deadlines[0].as_ref()), cluster)?)
    } else {
        None
    };
    let anew = if options.anew {
        Some(anew(&config, &within(deadlines[1].as_ref()), cluster)?)
    } else {
        None
    };
    let violations = judged.iter().flatten().sum::<usize>();
    let violations = violations + anew.as_ref().map_or(0, |a| a.violations);
    let violations = violations + plan.as_ref().map_or(0, |p| p.violations);
    let peak = peak_rss_mb();
    let watch = Watch::start();
    let certified = certify(&proof.fleet, &proof.levels);
    let certificate_seconds = watch.seconds();
    say_refused(&certified);
    let bound = certified.bound();
    let line = Line {
        instance: path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into(),
        ),
        cluster: cluster.name.clone(),
        pods: cluster.pods.items().len(),
        nodes_before: nodes,
        cost_before: answer.cost_before.usd(),
        cost: chosen.cost.usd(),
        preferences_before: None,
        preferences: None,
        unweighed: Vec::new(),
        lower_bound: bound.usd(),
        claimed_bound: answer.lower_bound.usd(),
        gap: gap(chosen.cost, bound),
        nodes: nodes - chosen.removed.len() + chosen.launched.len(),
        moves: chosen.moved,
        violations,
        robust_violations: judged.get(at).map_or(0, |j| j[0]),
        sequential_violations: judged.get(at).map(|j| j[1]),
        policy_violations: judged.get(at).map(|j| j[2]),
        kept: answer.kept,
        missing: answer.missing.as_ref().map(ToString::to_string),
        unpriced: answer.unpriced,
        unknown_minima: unknown.into_iter().collect(),
        launchable: launchables.len(),
        prefix_search: answer.prefix.map(|end| {
            let points: Vec<_> = answer.points.iter().map(|p| (p.moved, p.cost)).collect();
            Prefix::new(end, &points, &|moved| {
                certified.within(moved.saturating_add(proof.waiting))
            })
        }),
        frontier: points(&answer, &judged, nodes, &|moved| {
            certified.within(moved.saturating_add(proof.waiting))
        }),
        plan,
        anew,
        seconds,
        certificate_seconds,
        peak_rss_mb: peak,
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut others = Vec::new();
    if options.baselines {
        let yard = |habit| ClusterYard::new(&inputs, cluster, &launchables, &before, habit);
        others = baselines::run(
            &line.of(),
            &yard(Habit::Karpenter),
            &yard(Habit::Autoscaler),
        );
    }
    Ok((line, others))
}

impl Line {
    fn of(&self) -> Of {
        Of {
            instance: self.instance.clone(),
            cluster: self.cluster.clone(),
            bound: self.lower_bound,
        }
    }
}

/// A made-up cluster, in numbers only: no objects of Kubernetes are made.
fn scene(
    name: &str,
    types: &[TypeRow],
    options: &Options,
) -> Result<(Line, Vec<Baseline>), String> {
    let catalogue = load::catalogue().map_err(|err| err.to_string())?;
    let known = if types.is_empty() { &catalogue } else { types };
    let named = |names: &[&str]| -> Result<Vec<TypeRow>, String> {
        let found = names.iter().map(|name| {
            let row = known.iter().find(|t| t.name == *name);
            row.cloned().ok_or_else(|| format!("no type {name}"))
        });
        found.collect()
    };
    let size = options.nodes.unwrap_or(match name {
        "scaled-down" => PODS,
        _ => NODES,
    });
    let four = ["m6i.2xlarge", "c6i.2xlarge", "r6i.xlarge", "m7i.4xlarge"];
    let plan = |types: Vec<TypeRow>, sizes: Sizes| scene::Plan {
        nodes: size,
        types,
        sizes,
        keep: options.keep,
        replicas: 50,
        spread_every: 0,
        seed: options.seed,
    };
    // Types up to 4xlarge, as one would allow a pool: those that were named, or
    // amd64 ones of general use.
    let small: Vec<TypeRow> = known
        .iter()
        .filter(|t| {
            let family = t.name.split('.').next().unwrap_or_default();
            t.cpu_milli <= 16_000
                && t.gpus.is_empty()
                && (!types.is_empty()
                    || ["c6i", "c7i", "m6i", "m7i", "r6i", "r7i"].contains(&family))
        })
        .cloned()
        .collect();
    let scene = match name {
        "uniform" => plan(named(&four[..1])?, Sizes::Mix).scene(),
        "mixed" => plan(named(&four)?, Sizes::Mix).scene(),
        "rightsized" => plan(named(&four)?, Sizes::Rightsized).scene(),
        _ => scaled_down(
            &small,
            WORKLOADS,
            size / WORKLOADS,
            options.keep,
            4,
            options.seed,
        ),
    };
    let buy: &[TypeRow] = match options.launch {
        None if name == "scaled-down" => &small,
        None | Some(Launch::Nothing) => &[],
        Some(Launch::Copies) => &scene.types,
        Some(Launch::Types) => &small,
    };
    let mut fleet = scene.fleet(buy);
    let wish = options.wish.as_ref();
    if let Some(wish) = wish {
        wish.put_into_fleet(&scene, buy, &mut fleet);
    }
    reset_peak();
    let watch = Watch::start();
    let deadline = options.deadline();
    let answer = repack_until(&fleet, &RepackEffort::default(), deadline.as_ref())
        .map_err(|err| err.to_string())?;
    let seconds = watch.seconds();
    let price = options.move_price.unwrap_or(MOVE_PRICE);
    let chosen = answer.chosen(price).ok_or("no point on the frontier")?;
    let nodes = scene.nodes.len();
    let judged: Vec<usize> = answer
        .points
        .iter()
        .map(|p| scene.faults(&fleet, p))
        .collect();
    let peak = peak_rss_mb();
    let watch = Watch::start();
    let certified = certify(&fleet, &answer.proofs);
    let certificate_seconds = watch.seconds();
    say_refused(&certified);
    let bound = certified.bound();
    let count = |p: &solver::Point| nodes - p.removed.len() + p.bought.len();
    let line = Line {
        instance: format!("{name}-{size}-{}-seed{}", options.keep, options.seed),
        cluster: "made up".to_owned(),
        pods: scene.pods.len(),
        nodes_before: nodes,
        cost_before: answer.cost_before.usd(),
        cost: chosen.cost.usd(),
        preferences_before: wish.map(|_| beside(&fleet, None).usd()),
        preferences: wish.map(|_| chosen.preferences.usd()),
        unweighed: wish.map_or(Ok(Vec::new()), |wish| {
            unweighed(&scene, buy, wish, (&fleet, price, bound))
        })?,
        lower_bound: bound.usd(),
        claimed_bound: answer.lower_bound.usd(),
        gap: gap(chosen.total(), bound),
        nodes: count(chosen),
        moves: chosen.moved,
        violations: judged.iter().sum(),
        robust_violations: judged.iter().sum(),
        sequential_violations: None,
        policy_violations: None,
        kept: 0,
        missing: None,
        unpriced: 0,
        unknown_minima: Vec::new(),
        launchable: buy.len(),
        prefix_search: answer.prefix.map(|end| {
            let points: Vec<_> = answer.points.iter().map(|p| (p.moved, p.total())).collect();
            Prefix::new(end, &points, &|moved| certified.within(moved))
        }),
        frontier: answer
            .points
            .iter()
            .zip(judged)
            .map(|(p, violations)| Point {
                moves: p.moved,
                cost: p.cost.usd(),
                lower_bound: certified.within(p.moved).usd(),
                claimed_bound: p.lower_bound.usd(),
                gap: gap(p.total(), certified.within(p.moved)),
                preferences: wish.map(|_| p.preferences.usd()),
                nodes: count(p),
                removed: p.removed.len(),
                launched: p.bought.len(),
                violations,
                found_by: p.found_by.clone(),
            })
            .collect(),
        plan: None,
        anew: None,
        seconds,
        certificate_seconds,
        peak_rss_mb: peak,
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut others = Vec::new();
    if options.baselines {
        let yard = SceneYard::new(&scene, &fleet, buy);
        others = baselines::run(&line.of(), &yard, &yard);
    }
    Ok((line, others))
}

fn say_refused(certified: &Certified) {
    for refused in certified.refused() {
        let _ = writeln!(
            io::stderr(),
            "a proof of the bound proves nothing: {refused}"
        );
    }
}

fn gap(cost: MicroUsdPerHour, bound: MicroUsdPerHour) -> Option<f64> {
    (bound.0 > 0).then(|| cost.usd() / bound.usd() - 1.0)
}

fn points(
    answer: &Repacking,
    judged: &[[usize; 3]],
    nodes: usize,
    within: &dyn Fn(u64) -> MicroUsdPerHour,
) -> Vec<Point> {
    let points = answer.points.iter().zip(judged);
    points
        .map(|(p, judged)| Point {
            moves: p.moved,
            cost: p.cost.usd(),
            lower_bound: within(p.moved).usd(),
            claimed_bound: p.lower_bound.usd(),
            gap: gap(p.cost, within(p.moved)),
            preferences: None,
            nodes: nodes - p.removed.len() + p.launched.len(),
            removed: p.removed.len(),
            launched: p.launched.len(),
            violations: judged.iter().sum(),
            found_by: p.found_by.clone(),
        })
        .collect()
}

/// What may be bought for this cluster.
fn launchables(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    types: &[TypeRow],
    launch: Launch,
) -> Vec<Launchable> {
    if launch == Launch::Nothing {
        return Vec::new();
    }
    let mut out = launchable_copies(inputs, cluster);
    if launch == Launch::Copies {
        return out;
    }
    let mut zones: BTreeMap<ZoneName, ZoneId> = BTreeMap::new();
    for node in cluster.nodes.items() {
        if let Some(name) = node.zone_name() {
            let id = node.meta.label("topology.k8s.aws/zone-id").unwrap_or("?");
            zones.insert(name, ZoneId::from(id));
        }
    }
    let zones: Vec<(ZoneName, ZoneId)> = zones.into_iter().collect();
    let nodes = cluster.nodes.items().iter();
    let families: BTreeSet<&str> = nodes
        .filter_map(|n| n.instance_type()?.split('.').next())
        .collect();
    if types.is_empty() {
        let all = inputs.catalog.instance_types();
        for info in all.filter(|i| families.contains(i.family())) {
            out.extend(launchable_type(inputs, cluster, info.name.as_str(), &zones));
        }
    }
    for row in types {
        out.push(of_row(inputs, cluster, row, &zones));
    }
    out.sort_by(|a, b| a.id.cmp(&b.id));
    out
}

/// A type of `--types`: its own size and price; the catalogue's labels and
/// limits where it knows the type.
fn of_row(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    row: &TypeRow,
    zones: &[(ZoneName, ZoneId)],
) -> Launchable {
    let known = launchable_type(inputs, cluster, &row.name, zones);
    let mut out = known.unwrap_or_else(|| {
        let mut new = Launchable::new(row.name.clone(), Resources::default(), None);
        for (zone, id) in zones {
            let mut node = Node::default();
            for (key, value) in [
                ("node.kubernetes.io/instance-type", row.name.as_str()),
                ("kubernetes.io/arch", "amd64"),
                ("kubernetes.io/os", "linux"),
                ("topology.kubernetes.io/zone", zone.as_str()),
                ("topology.k8s.aws/zone-id", id.as_str()),
            ] {
                node.meta.labels.insert(key.to_owned(), value.to_owned());
            }
            new.zones.insert(zone.to_string(), (node, row.price));
        }
        new
    });
    for (node, price) in out.zones.values_mut() {
        node.allocatable = Resources {
            cpu: MilliCpu(row.cpu_milli),
            memory: Bytes(row.memory_mib << 20),
            pods: row.pods,
            ..node.allocatable.clone()
        };
        *price = row.price;
    }
    out
}

fn print(line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let percent =
        |g: Option<f64>| g.map_or_else(|| "-".to_owned(), |g| format!("{:.2}", g * 100.0));
    writeln!(
        out,
        "{} {}: {} pods on {} nodes, {} of which stay whatever happens; {:.3} USD/h now, {:.2} s",
        line.instance,
        line.cluster,
        line.pods,
        line.nodes_before,
        line.kept,
        line.cost_before,
        line.seconds
    )?;
    if let Some(missing) = &line.missing {
        writeln!(out, "every node stays: {missing} is missing")?;
    }
    writeln!(
        out,
        "chosen: {:.3} USD/h on {} nodes for {} moves; no repacking is below {:.3}, confirmed ({} % away)",
        line.cost,
        line.nodes,
        line.moves,
        line.lower_bound,
        percent(line.gap)
    )?;
    if let Some(prefix) = &line.prefix_search {
        writeln!(
            out,
            "prefixes and single nodes, as Karpenter: {:.3} USD/h for {} evictions",
            prefix.cost, prefix.evictions
        )?;
        for within in &prefix.within {
            let cost = within.cost.map_or("-".into(), |cost| format!("{cost:.3}"));
            writeln!(
                out,
                "  within {} moves: {cost} USD/h, at least {:.3}",
                within.moves, within.lower_bound
            )?;
        }
    }
    writeln!(
        out,
        "{:>7} {:>11} {:>11} {:>7} {:>6} {:>8} {:>5}  found by",
        "moves", "USD/h", "bound", "gap %", "nodes", "launched", "viol."
    )?;
    for p in &line.frontier {
        writeln!(
            out,
            "{:>7} {:>11.3} {:>11.3} {:>7} {:>6} {:>8} {:>5}  {}",
            p.moves,
            p.cost,
            p.lower_bound,
            percent(p.gap),
            p.nodes,
            p.launched,
            p.violations,
            p.found_by
        )?;
    }
    match &line.plan {
        Some(plan) => decided::print(plan, &mut out),
        None => Ok(()),
    }
}
