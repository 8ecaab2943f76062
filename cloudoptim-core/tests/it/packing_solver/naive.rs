//! A checker of solutions that shares no code with the solver: one list of
//! items per node, every rule read literally.

use cloudoptim_core::engines::bin_packing::solver::{
    BoundMethod, Certificate, Class, Device, Offering, Per, Problem, PurchaseLimit, Rule, ShareOf,
    Solution, SplitOn,
};

/// Everything wrong with a solution, as sentences.
pub(crate) fn faults(problem: &Problem, solution: &Solution) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = vec![0u32; problem.classes.len()];
    // Zone, what was there, what came, one entry per item.
    let mut nodes: Vec<(Option<usize>, Vec<usize>, Vec<usize>)> = Vec::new();
    let mut new_on = vec![Vec::new(); problem.nodes.len()];
    for reused in &solution.reused {
        let node = &problem.nodes[reused.node];
        if node.closed {
            faults.push(format!("closed node {} is used", node.id));
        }
        let free: Vec<u32> = node.devices.iter().map(|d| d.milli).collect();
        let models: Vec<usize> = node.devices.iter().map(|d| d.model).collect();
        fill(
            problem,
            &reused.items,
            &node.free,
            free,
            &models,
            &node.id,
            &mut faults,
        );
        for item in &reused.items {
            let class = &problem.classes[item.class];
            seen[item.class] += item.count;
            if !class.nodes.contains(reused.node)
                || node.zone.is_some_and(|z| !class.zones.contains(z))
            {
                faults.push(format!("{} does not accept node {}", class.id, node.id));
            }
            for _ in 0..item.count {
                new_on[reused.node].push(item.class);
            }
        }
    }
    for (node, new) in problem.nodes.iter().zip(new_on) {
        let mut present = Vec::new();
        for (class, n) in &node.present {
            for _ in 0..*n {
                present.push(*class);
            }
        }
        nodes.push((node.zone, present, new));
    }
    let mut cost = 0;
    let mut bought = std::collections::BTreeMap::new();
    for node in &solution.nodes {
        let t = &problem.types[node.node_type];
        let offering = &t.offerings[node.offering];
        if offering.price != Some(node.price) || offering.zone != node.zone {
            faults.push(format!("{} is not the offering it claims", t.id));
        }
        cost += node.price.0;
        *bought
            .entry((node.node_type, node.offering))
            .or_insert(0u32) += 1;
        let free: Vec<u32> = t.devices.iter().map(|d| d.milli).collect();
        let models: Vec<usize> = t.devices.iter().map(|d| d.model).collect();
        fill(
            problem,
            &node.items,
            &t.capacity,
            free,
            &models,
            &t.id,
            &mut faults,
        );
        let mut new = Vec::new();
        for item in &node.items {
            let class = &problem.classes[item.class];
            seen[item.class] += item.count;
            if !class.types.contains(node.node_type)
                || node.zone.is_some_and(|z| !class.zones.contains(z))
            {
                faults.push(format!("{} does not accept type {}", class.id, t.id));
            }
            for _ in 0..item.count {
                new.push(item.class);
            }
        }
        if new.is_empty() {
            faults.push(format!("an empty {} is bought", t.id));
        }
        nodes.push((node.zone, Vec::new(), new));
    }
    for ((t, o), n) in bought {
        let available = problem.types[t].offerings[o].available;
        if available.is_some_and(|a| n > a) {
            faults.push(format!("{n} of {} are bought", problem.types[t].id));
        }
    }
    for limit in &problem.purchase_limits {
        let mut used = 0;
        for node in &solution.nodes {
            used += takes(limit, node.node_type, node.offering);
        }
        if used > u128::from(limit.max) {
            faults.push(format!("{used} of {} are taken of {}", limit.max, limit.id));
        }
        let stated = solution.purchase_limits.iter().find(|u| {
            let named = &problem.purchase_limits[u.limit];
            named.id == limit.id
        });
        if stated.is_none_or(|u| u128::from(u.used) != used || u.max != limit.max) {
            faults.push(format!("the use of {} is stated as {stated:?}", limit.id));
        }
    }
    let beside = disliked_by(problem, solution);
    if beside != solution.preferences.0 {
        let stated = solution.preferences.0;
        faults.push(format!("dislikes of {beside} are stated as {stated}"));
    }
    if cost != solution.cost.0 {
        faults.push(format!("cost {} is stated as {}", cost, solution.cost.0));
    }
    for unplaced in &solution.unplaced {
        seen[unplaced.class] += unplaced.count;
    }
    for (class, seen) in problem.classes.iter().zip(seen) {
        if class.count != seen {
            faults.push(format!("{} of {} {} occur", seen, class.count, class.id));
        }
    }
    rules(problem, &nodes, &mut faults);
    faults
}

/// What all items of a solution dislike of where they are.
pub(super) fn disliked_by(problem: &Problem, solution: &Solution) -> i64 {
    let mut beside = 0;
    for reused in &solution.reused {
        for item in &reused.items {
            for dislike in &problem.classes[item.class].dislikes {
                if dislike.nodes.contains(reused.node) {
                    beside += dislike.cost.0 * i64::from(item.count);
                }
            }
        }
    }
    for node in &solution.nodes {
        for item in &node.items {
            beside += disliked(&problem.classes[item.class], node.node_type, node.zone)
                * i64::from(item.count);
        }
    }
    beside
}

/// What one item costs beside on a new node.
fn disliked(class: &Class, node_type: usize, zone: Option<usize>) -> i64 {
    let mut sum = 0;
    for dislike in &class.dislikes {
        let here = match zone {
            Some(zone) => dislike.zones.contains(zone),
            None => true,
        };
        if here && dislike.types.contains(node_type) {
            sum += dislike.cost.0;
        }
    }
    sum
}

/// The least of that over all offerings which it may use.
fn disliked_least(problem: &Problem, class: &Class, node_type: usize) -> u128 {
    let mut least: Option<i64> = None;
    for (_, offering) in on_sale(problem, node_type) {
        if offering.zone.is_none_or(|z| class.zones.contains(z)) {
            let beside = disliked(class, node_type, offering.zone);
            least = Some(least.map_or(beside, |l| l.min(beside)));
        }
    }
    u128::from(least.unwrap_or(0).unsigned_abs()) << Certificate::SCALE_BITS
}

/// What one node takes of a limit.
fn takes(limit: &PurchaseLimit, node_type: usize, offering: usize) -> u128 {
    let mut sum = 0;
    for take in &limit.takes {
        if take.node_type == node_type && [None, Some(offering)].contains(&take.offering) {
            sum += u128::from(take.amount);
        }
    }
    sum
}

/// Offerings of a type that can be bought at all.
fn on_sale(problem: &Problem, t: usize) -> Vec<(usize, &Offering)> {
    let mut out = Vec::new();
    for (number, offering) in problem.types[t].offerings.iter().enumerate() {
        let mut limits = problem.purchase_limits.iter();
        let none = limits.any(|l| takes(l, t, number) > u128::from(l.max));
        if offering.price.is_some() && offering.available != Some(0) && !none {
            out.push((number, offering));
        }
    }
    out
}

/// The lowest price of a type with what its nodes pay for limits, by the values of
/// a certificate; `None` when it cannot be bought.
fn raised_price(problem: &Problem, certificate: &Certificate, t: usize) -> Option<u128> {
    let mut lowest: Option<u128> = None;
    for (number, offering) in on_sale(problem, t) {
        let mut price = u128::from(offering.price.map_or(0, |p| p.0.unsigned_abs()));
        for (limit, value) in problem
            .purchase_limits
            .iter()
            .zip(&certificate.limit_values)
        {
            let taken = takes(limit, t, number);
            if taken > 0 {
                let part = u128::from(*value) * taken / u128::from(limit.max);
                price += part / (1 << Certificate::SCALE_BITS);
            }
        }
        lowest = Some(lowest.map_or(price, |l| l.min(price)));
    }
    Some(lowest? << Certificate::SCALE_BITS)
}

fn fill(
    problem: &Problem,
    items: &[cloudoptim_core::engines::bin_packing::solver::Placed],
    capacity: &[u64],
    mut devices: Vec<u32>,
    models: &[usize],
    name: &str,
    faults: &mut Vec<String>,
) {
    for (r, capacity) in capacity.iter().enumerate() {
        let mut taken = 0;
        for item in items {
            taken += problem.classes[item.class].demand[r] * u64::from(item.count);
        }
        if taken > *capacity {
            faults.push(format!("{name} gives out {taken} of {capacity}"));
        }
    }
    for item in items {
        let class = &problem.classes[item.class];
        let Some(request) = &class.devices else {
            if !item.devices.is_empty() {
                faults.push(format!("{} has devices it did not ask for", class.id));
            }
            continue;
        };
        if item.devices.len() != request.count as usize {
            faults.push(format!("{} has {:?} devices", class.id, item.devices));
        }
        for (i, device) in item.devices.iter().enumerate() {
            if item.devices[..i].contains(device) || !request.models.contains(models[*device]) {
                faults.push(format!("{} may not have device {device}", class.id));
            }
            let want = request.milli * item.count;
            if devices[*device] < want {
                faults.push(format!("device {device} of {name} is given out twice"));
            } else {
                devices[*device] -= want;
            }
        }
    }
}

fn rules(
    problem: &Problem,
    nodes: &[(Option<usize>, Vec<usize>, Vec<usize>)],
    faults: &mut Vec<String>,
) {
    let among = |list: &[usize], set: &[usize]| list.iter().filter(|c| set.contains(c)).count();
    for (number, rule) in problem.rules.iter().enumerate() {
        let per = match rule {
            Rule::CountLimit(r) => r.per,
            Rule::ZoneSpread(_) => Per::Zone,
            Rule::Affinity(r) => r.per,
            _ => continue,
        };
        let mut places: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        if per == Per::Node {
            places.extend(nodes.iter().map(|n| (n.1.clone(), n.2.clone())));
        } else {
            for zone in 0..problem.zones.len() {
                let mut place = (Vec::new(), Vec::new());
                for node in nodes.iter().filter(|n| n.0 == Some(zone)) {
                    place.0.extend(&node.1);
                    place.1.extend(&node.2);
                }
                places.push(place);
            }
        }
        let mut broken = false;
        match rule {
            Rule::CountLimit(r) => {
                for (present, new) in &places {
                    let with = among(present, &r.with) + among(new, &r.with);
                    let of = among(present, &r.of) + among(new, &r.of);
                    // What was broken before counts only if it got worse.
                    let touched = among(new, &r.with) + among(new, &r.of) > 0;
                    broken |= touched && with > 0 && of > r.max as usize;
                }
            }
            Rule::ZoneSpread(r) => {
                let of: Vec<usize> = places
                    .iter()
                    .map(|(present, new)| among(present, &r.of) + among(new, &r.of))
                    .collect();
                let eligible: Vec<usize> = (0..of.len())
                    .filter(|z| r.zones.contains(*z))
                    .map(|z| of[z])
                    .collect();
                let mut least = eligible.iter().min().copied().unwrap_or(0);
                if eligible.len() < r.min_zones as usize {
                    least = 0;
                }
                for (zone, (_, new)) in places.iter().enumerate() {
                    broken |= among(new, &r.with) > 0 && of[zone] > least + r.max_skew as usize;
                }
            }
            Rule::Affinity(r) => {
                let mut started = 0;
                for (present, new) in &places {
                    if among(new, &r.with) == 0 {
                        continue;
                    }
                    let both: Vec<usize> = new
                        .iter()
                        .copied()
                        .filter(|c| r.with.contains(c) && r.of.contains(c))
                        .collect();
                    let others = among(present, &r.of) + among(new, &r.of) - both.len();
                    if others == 0 {
                        started += 1;
                        broken |= both.is_empty();
                    }
                }
                let present: usize = places.iter().map(|p| among(&p.0, &r.of)).sum();
                broken |= started > 1 || (started == 1 && present > 0);
            }
            _ => {}
        }
        if broken {
            faults.push(format!("rule {number} is broken: {rule:?}"));
        }
    }
}

/// What is left of amounts when only whole requests of some classes go in.
fn on_grid(problem: &Problem, amounts: &[u64], takes: impl Fn(&Class) -> bool) -> Vec<u64> {
    let some = || problem.classes.iter().filter(|c| c.count > 0 && takes(c));
    let whole = |(r, amount): (usize, &u64)| {
        // The largest that no request is needed in part for.
        let divides = |step: &u64| some().all(|class| class.demand[r].is_multiple_of(*step));
        let largest = some().map(|class| class.demand[r]).filter(|d| *d > 0).min();
        match largest.and_then(|least| (1..=least).rev().find(divides)) {
            Some(step) => amount / step * step,
            None => *amount,
        }
    };
    amounts.iter().enumerate().map(whole).collect()
}

/// Everything wrong with the proof of a lower bound: the certificate is read
/// as its documentation says, in integers.
pub(crate) fn unproven(problem: &Problem, solution: &Solution) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(certificate) = &solution.proof.certificate else {
        if solution.lower_bound.0 > 0 {
            faults.push("a bound without a certificate".to_owned());
        }
        return faults;
    };
    let on_sale = problem.types.iter().flat_map(|t| &t.offerings);
    for offering in on_sale.filter(|o| o.available != Some(0)) {
        let price = offering.price.map_or(0, |p| p.0);
        if price % certificate.price_step.0.max(1) != 0 {
            faults.push(format!("{price} is no multiple of the price step"));
        }
    }
    for class in problem.classes.iter().filter(|c| c.count > 0) {
        for dislike in &class.dislikes {
            if dislike.cost.0 % certificate.price_step.0.max(1) != 0 {
                let cost = dislike.cost.0;
                faults.push(format!("{cost} is no multiple of the price step"));
            }
        }
    }
    if solution.proof.method == BoundMethod::Configurations {
        faults.extend(overfull(problem, certificate));
        let mut total = 0;
        for (class, value) in problem.classes.iter().zip(&certificate.class_values) {
            total += u128::from(*value) * u128::from(class.count);
        }
        faults.extend(more_than_proven(solution, certificate, total));
        return faults;
    }
    let mut held = 0u128;
    let mut covered = vec![false; problem.types.len()];
    let open: Vec<usize> = (0..problem.nodes.len())
        .filter(|n| !problem.nodes[*n].closed)
        .collect();
    let mut existing_covered = open.is_empty();
    for split in &certificate.splits {
        let sum: u128 = split.shares.iter().map(|s| u128::from(s.amount)).sum();
        let (capacity, devices): (Vec<u64>, Vec<u32>) = match split.on {
            SplitOn::Type(number) => {
                covered[number] = true;
                let t = &problem.types[number];
                let price = raised_price(problem, certificate, number);
                if sum > price.unwrap_or(0) {
                    faults.push(format!("the shares of {} exceed its price", t.id));
                }
                (
                    on_grid(problem, &t.capacity, |class| class.types.contains(number)),
                    t.devices.iter().map(|d| d.milli).collect(),
                )
            }
            SplitOn::Existing => {
                existing_covered = true;
                held = sum;
                let free = open.iter().map(|n| {
                    let node = &problem.nodes[*n];
                    let here = |class: usize| node.present.iter().any(|(c, _)| *c == class);
                    on_grid(problem, &node.free, |class| {
                        let index = problem.classes.iter().position(|c| c.id == class.id);
                        class.nodes.contains(*n) || index.is_some_and(here)
                    })
                });
                let free: Vec<Vec<u64>> = free.collect();
                let capacity = (0..problem.dims.len())
                    .map(|r| free.iter().map(|free| free[r]).sum())
                    .collect();
                let devices = open
                    .iter()
                    .flat_map(|n| problem.nodes[*n].devices.iter().map(|d| d.milli))
                    .collect();
                (capacity, devices)
            }
        };
        for (c, class) in problem.classes.iter().enumerate() {
            let claimed = certificate.class_values[c];
            if class.count == 0 || claimed == 0 {
                continue;
            }
            // A class that does not fit there may claim what it likes.
            let fits_node = |free: &[u64]| class.demand.iter().zip(free).all(|(d, f)| d <= f);
            let on_it = match split.on {
                SplitOn::Type(t) => {
                    sold(problem, t, class)
                        && fits_node(&capacity)
                        && suits(class, &problem.types[t].devices)
                }
                SplitOn::Existing => open.iter().any(|n| {
                    let node = &problem.nodes[*n];
                    class.nodes.contains(*n)
                        && node.zone.is_none_or(|z| class.zones.contains(z))
                        && fits_node(&node.free)
                }),
            };
            if !on_it {
                continue;
            }
            let mut worth = match split.on {
                SplitOn::Type(t) => disliked_least(problem, class, t),
                SplitOn::Existing => {
                    let takes = open.iter().filter(|n| {
                        let node = &problem.nodes[**n];
                        class.nodes.contains(**n)
                            && node.zone.is_none_or(|z| class.zones.contains(z))
                            && fits_node(&node.free)
                    });
                    let beside = takes.map(|n| {
                        let mut sum = 0;
                        for dislike in class.dislikes.iter().filter(|d| d.nodes.contains(*n)) {
                            sum += u128::from(dislike.cost.0.unsigned_abs());
                        }
                        sum
                    });
                    beside.min().unwrap_or(0) << Certificate::SCALE_BITS
                }
            };
            for share in &split.shares {
                let rounded = |x: u128, of: u128| -> (u128, u128) {
                    let k = u128::from(share.rounding);
                    if of == 0 || x == 0 {
                        (0, 1)
                    } else if k == 0 || (x * (k + 1)).is_multiple_of(of) {
                        (x, of)
                    } else {
                        (x * (k + 1) / of, k)
                    }
                };
                let (num, den) = match share.of {
                    ShareOf::Dim(r) => {
                        rounded(u128::from(class.demand[r]), u128::from(capacity[r]))
                    }
                    ShareOf::Devices => match &class.devices {
                        None => (0, 1),
                        Some(d) if devices.iter().all(|m| *m == 1000) => {
                            let (num, den) = rounded(u128::from(d.milli), 1000);
                            (num * u128::from(d.count), den * devices.len() as u128)
                        }
                        Some(d) => {
                            assert_eq!(share.rounding, 0);
                            let total: u32 = devices.iter().sum();
                            let taken = u128::from(d.milli) * u128::from(d.count);
                            (taken, u128::from(total.max(1)))
                        }
                    },
                    ShareOf::Limit(rule) => match &problem.rules[rule] {
                        Rule::CountLimit(l)
                            if l.per == Per::Node && l.with.contains(&c) && l.of.contains(&c) =>
                        {
                            (1, u128::from(l.max))
                        }
                        _ => (0, 1),
                    },
                };
                worth += u128::from(share.amount) * num / den;
            }
            if u128::from(claimed) > worth {
                faults.push(format!(
                    "{} claims {claimed} where {:?} allows {worth}",
                    class.id, split.on
                ));
            }
        }
    }
    let mut total = 0u128;
    for (class, value) in problem.classes.iter().zip(&certificate.class_values) {
        total += u128::from(*value) * u128::from(class.count);
        let everywhere = problem.types.iter().enumerate().all(|(t, node_type)| {
            let fits = sold(problem, t, class)
                && class
                    .demand
                    .iter()
                    .zip(&node_type.capacity)
                    .all(|(d, c)| d <= c)
                && suits(class, &node_type.devices);
            // Alone on an empty node it may still break a limit by itself.
            covered[t] || !fits || limits_itself(problem, &class.id)
        });
        if *value > 0 && class.count > 0 && !(everywhere && existing_covered) {
            faults.push(format!("{} has a value on a node without split", class.id));
        }
    }
    faults.extend(more_than_proven(
        solution,
        certificate,
        total.saturating_sub(held),
    ));
    faults
}

fn more_than_proven(solution: &Solution, certificate: &Certificate, value: u128) -> Option<String> {
    let limits: u128 = certificate
        .limit_values
        .iter()
        .map(|v| u128::from(*v))
        .sum();
    let value = value.saturating_sub(limits);
    let whole = value.div_ceil(1 << Certificate::SCALE_BITS);
    let step = u128::from(certificate.price_step.0.unsigned_abs().max(1));
    let proven = whole.div_ceil(step) * step;
    let claimed = solution.lower_bound.0;
    (u128::from(claimed.unsigned_abs()) > proven)
        .then(|| format!("{claimed} is claimed, {proven} is proven"))
}

/// Types of which some filling is worth more than a node costs, found by trying
/// every filling.
fn overfull(problem: &Problem, certificate: &Certificate) -> Vec<String> {
    let values = &certificate.class_values;
    let mut faults = Vec::new();
    if problem.nodes.iter().any(|n| !n.closed) {
        faults.push("whole fillings say nothing about existing nodes".to_owned());
    }
    for (t, node_type) in problem.types.iter().enumerate() {
        let Some(price) = raised_price(problem, certificate, t) else {
            continue;
        };
        // What an item is worth here beside what it dislikes.
        let mut own = Vec::new();
        for (class, value) in problem.classes.iter().zip(values) {
            let beside = disliked_least(problem, class, t);
            own.push(u64::try_from(u128::from(*value).saturating_sub(beside)).unwrap());
        }
        let values = &own;
        let mut classes: Vec<usize> = (0..problem.classes.len())
            .filter(|c| values[*c] > 0 && sold(problem, t, &problem.classes[*c]))
            .collect();
        // What needs devices first: there are few ways to do that.
        classes.sort_by_key(|c| problem.classes[*c].devices.is_none());
        let mut most = 0;
        fill_every_way(
            problem,
            values,
            &classes,
            &mut Node {
                free: node_type.capacity.clone(),
                devices: node_type
                    .devices
                    .iter()
                    .map(|d| (d.model, d.milli))
                    .collect(),
                held: vec![0; problem.classes.len()],
                value: 0,
            },
            &mut most,
        );
        if most > price {
            faults.push(format!(
                "{} can hold {most} and costs {price}",
                node_type.id
            ));
        }
    }
    faults
}

struct Node {
    free: Vec<u64>,
    devices: Vec<(usize, u32)>,
    held: Vec<u32>,
    value: u128,
}

fn fill_every_way(
    problem: &Problem,
    values: &[u64],
    classes: &[usize],
    node: &mut Node,
    most: &mut u128,
) {
    *most = (*most).max(node.value);
    let Some((c, rest)) = classes.split_first() else {
        return;
    };
    // What follows is worth no more than if every class had the node to itself.
    let alone = classes.iter().map(|c| {
        let class = &problem.classes[*c];
        let fit = class.demand.iter().zip(&node.free);
        let fit = fit.filter(|(d, _)| **d > 0).map(|(d, f)| f / d).min();
        let n = fit.unwrap_or(u64::MAX).min(u64::from(class.count));
        u128::from(values[*c]) * u128::from(n)
    });
    if node.value + alone.sum::<u128>() <= *most {
        return;
    }
    // Another of the class, in every way, and none.
    let class = &problem.classes[*c];
    let full = problem.rules.iter().any(|rule| match rule {
        Rule::CountLimit(l) if l.per == Per::Node => {
            let both = |c: &usize| l.with.contains(c) && l.of.contains(c);
            let held: u32 = (0..node.held.len())
                .filter(|c| both(c))
                .map(|c| node.held[c])
                .sum();
            both(c) && held >= l.max
        }
        _ => false,
    });
    let fits = class.demand.iter().zip(&node.free).all(|(d, f)| d <= f);
    if node.held[*c] < class.count && fits && !full {
        let request = class.devices.clone();
        let count = request.as_ref().map_or(0, |r| r.count as usize);
        for mask in 0u32..1 << node.devices.len() {
            let chosen = |i: usize| (mask >> i) & 1 == 1;
            let good = (0..node.devices.len()).filter(|i| chosen(*i)).all(|i| {
                let (model, free) = node.devices[i];
                request
                    .as_ref()
                    .is_some_and(|r| free >= r.milli && r.models.contains(model))
            });
            if mask.count_ones() as usize != count || !good {
                continue;
            }
            let milli = request.as_ref().map_or(0, |r| r.milli);
            let before = node.devices.clone();
            for (i, device) in node.devices.iter_mut().enumerate() {
                device.1 -= if chosen(i) { milli } else { 0 };
            }
            for (free, demand) in node.free.iter_mut().zip(&class.demand) {
                *free -= demand;
            }
            node.held[*c] += 1;
            node.value += u128::from(values[*c]);
            fill_every_way(problem, values, classes, node, most);
            node.value -= u128::from(values[*c]);
            node.held[*c] -= 1;
            for (free, demand) in node.free.iter_mut().zip(&class.demand) {
                *free += demand;
            }
            node.devices = before;
        }
    }
    fill_every_way(problem, values, rest, node, most);
}

/// Whether empty devices serve one item.
fn suits(class: &Class, devices: &[Device]) -> bool {
    class.devices.as_ref().is_none_or(|d| {
        let good = |x: &&Device| x.milli >= d.milli && d.models.contains(x.model);
        devices.iter().filter(good).count() >= d.count as usize
    })
}

/// Whether a type can be bought for a class in some zone.
fn sold(problem: &Problem, t: usize, class: &Class) -> bool {
    class.types.contains(t)
        && on_sale(problem, t)
            .iter()
            .any(|(_, o)| o.zone.is_none_or(|z| class.zones.contains(z)))
}

fn limits_itself(problem: &Problem, id: &str) -> bool {
    let class = problem.classes.iter().position(|c| c.id == id);
    problem.rules.iter().any(|rule| match rule {
        Rule::CountLimit(r) => {
            let both = class.is_some_and(|c| r.with.contains(&c) && r.of.contains(&c));
            r.max == 0 && both
        }
        _ => false,
    })
}
