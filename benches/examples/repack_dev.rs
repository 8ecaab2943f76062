use cloudoptim_benches::load::read_types;
use cloudoptim_benches::scene::{Plan, Sizes};
use cloudoptim_core::engines::bin_packing::solver::{RepackEffort, repack};
use std::time::Instant;
fn main() {
    let types = read_types(std::path::Path::new(
        "/work/shared/data/traces/clusters/bounds/ec2_types.csv",
    ))
    .unwrap();
    let pick = |names: &[&str]| {
        names
            .iter()
            .map(|n| {
                types
                    .iter()
                    .find(|t| t.name == *n)
                    .unwrap_or_else(|| panic!("{n}"))
                    .clone()
            })
            .collect::<Vec<_>>()
    };
    let args: Vec<String> = std::env::args().collect();
    let what = args.get(1).map_or("all", |s| s.as_str());
    let verbose = args.len() > 2;
    let mut plans = Vec::new();
    for keep in [0.7, 0.5, 0.3] {
        plans.push((
            format!("uniform {keep}"),
            Plan {
                nodes: 1000,
                types: pick(&["m6i.2xlarge"]),
                sizes: Sizes::Mix,
                keep,
                replicas: 50,
                spread_every: 0,
                seed: 1,
            },
            false,
        ));
        plans.push((
            format!("mixed {keep}"),
            Plan {
                nodes: 1000,
                types: pick(&["m6i.2xlarge", "c6i.2xlarge", "r6i.xlarge", "m7i.4xlarge"]),
                sizes: Sizes::Mix,
                keep,
                replicas: 50,
                spread_every: 0,
                seed: 1,
            },
            false,
        ));
    }
    plans.push((
        "rightsized".into(),
        Plan {
            nodes: 2000,
            types: pick(&["m6i.2xlarge", "c6i.2xlarge", "r6i.xlarge", "m7i.4xlarge"]),
            sizes: Sizes::Rightsized,
            keep: 0.6,
            replicas: 100,
            spread_every: 0,
            seed: 1,
        },
        false,
    ));
    plans.push((
        "live".into(),
        Plan {
            nodes: 86,
            types: pick(&["m6i.2xlarge", "c6i.2xlarge", "r6i.xlarge", "m7i.4xlarge"]),
            sizes: Sizes::Mix,
            keep: 0.45,
            replicas: 50,
            spread_every: 4,
            seed: 1,
        },
        true,
    ));
    for (name, plan, buy) in plans {
        if what != "all" && !name.starts_with(what) {
            continue;
        }
        let t = Instant::now();
        let scene = plan.scene();
        let buy_types: Vec<_> = types
            .iter()
            .filter(|t| t.cpu_milli <= 16_000)
            .cloned()
            .collect();
        let fleet = scene.fleet(if buy { &buy_types } else { &[] });
        let built = t.elapsed();
        let t = Instant::now();
        let f = repack(&fleet, &RepackEffort::default()).unwrap();
        println!(
            "{name}: {} pods {} classes build {:.2}s solve {:.2}s before {:.2} bound {:.2} karp {:.2} ({} ev)",
            scene.pods.len(),
            fleet.problem.classes.len(),
            built.as_secs_f64(),
            t.elapsed().as_secs_f64(),
            f.cost_before.usd(),
            f.lower_bound.usd(),
            f.prefix.unwrap().cost.usd(),
            f.prefix.unwrap().evictions
        );
        for p in &f.points {
            if verbose || f.points.len() < 12 || p.found_by.starts_with("fluid") {
                println!(
                    "   moved {:6} cost {:9.3} bound {:9.3} gone {} bought {} {}",
                    p.moved,
                    p.cost.usd(),
                    p.lower_bound.usd(),
                    p.removed.len(),
                    p.bought.len(),
                    p.found_by
                );
            }
        }
    }
}
