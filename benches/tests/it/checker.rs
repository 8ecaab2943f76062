//! Every rule that the judge knows: an assignment that keeps it, and the least
//! change that breaks it.

use cloudoptim_benches::check::{Violation, violations};
use cloudoptim_benches::instance::{Assignment, Instance, Machine, Node, Pod, PodRule, Topology};
use cloudoptim_core::engines::bin_packing::solver::{Effort, solve};
use cloudoptim_core::model::MicroUsdPerHour;

const PRICE: i64 = 500_000;

/// A pod of 1 core and 1 GiB.
fn pod(name: &str) -> Pod {
    Pod {
        name: name.to_owned(),
        amounts: vec![1_000, 1_024, 1],
        ..Pod::default()
    }
}

fn labelled(name: &str, label: &str, rule: PodRule) -> Pod {
    Pod {
        label: label.to_owned(),
        rule,
        ..pod(name)
    }
}

/// Machines of 4 cores, 8 GiB, 3 pods, a T4 and half an A10G.
fn instance(pods: Vec<Pod>) -> Instance {
    Instance {
        name: "test".to_owned(),
        dims: ["cpu", "memory", "pods"].map(str::to_owned).to_vec(),
        pods,
        machines: vec![Machine {
            name: "m".to_owned(),
            amounts: vec![4_000, 8_192, 3],
            gpus: vec![("T4".to_owned(), 1000), ("A10G".to_owned(), 500)],
            price: MicroUsdPerHour(PRICE),
            zones: vec!["a".to_owned(), "b".to_owned()],
        }],
        zones: ["a", "b", "c"].map(str::to_owned).to_vec(),
        ..Instance::default()
    }
}

/// Nodes by zone and pods.
fn nodes(list: &[(usize, &[usize])]) -> Assignment {
    Assignment {
        nodes: list
            .iter()
            .map(|(zone, pods)| Node {
                machine: 0,
                zone: Some(*zone),
                pods: pods.iter().map(|p| (*p, Vec::new())).collect(),
            })
            .collect(),
        unplaced: Vec::new(),
    }
}

/// What the judge says when the stated cost is that of the nodes.
fn judge(instance: &Instance, assignment: &Assignment) -> Vec<Violation> {
    let cost = assignment.nodes.len() as i64 * PRICE;
    violations(instance, assignment, cost)
}

fn rule_broken(pod: &str, node: usize) -> Violation {
    Violation::Rule {
        pod: pod.to_owned(),
        node,
    }
}

#[test]
fn pods_that_fit_break_nothing() {
    let instance = instance(vec![pod("p"), pod("q"), pod("r")]);
    assert_eq!(judge(&instance, &nodes(&[(0, &[0, 1, 2])])), []);
    assert_eq!(judge(&instance, &nodes(&[(0, &[0]), (1, &[1, 2])])), []);
}

#[test]
fn a_pod_left_out_openly_is_no_violation_and_a_lost_one_is() {
    let instance = instance(vec![pod("p"), pod("q")]);
    let mut assignment = nodes(&[(0, &[0])]);
    assert_eq!(
        judge(&instance, &assignment),
        [Violation::Missing {
            pod: "q".to_owned()
        }]
    );
    assignment.unplaced.push(1);
    assert_eq!(judge(&instance, &assignment), []);
}

#[test]
fn a_pod_stands_once() {
    let instance = instance(vec![pod("p")]);
    let twice = || Violation::PlacedTwice {
        pod: "p".to_owned(),
    };
    let mut left_out = nodes(&[(0, &[0])]);
    left_out.unplaced.push(0);
    for assignment in [left_out, nodes(&[(0, &[0]), (1, &[0])])] {
        assert_eq!(judge(&instance, &assignment), [twice()]);
    }
}

#[test]
fn each_resource_has_its_own_capacity() {
    for (r, resource, has) in [(0, "cpu", 4_000), (1, "memory", 8_192)] {
        let mut instance = instance(vec![pod("p"), pod("q")]);
        instance.pods[0].amounts[r] = has - instance.pods[1].amounts[r];
        assert_eq!(judge(&instance, &nodes(&[(0, &[0, 1])])), [], "{resource}");
        instance.pods[0].amounts[r] += 1;
        assert_eq!(
            judge(&instance, &nodes(&[(0, &[0, 1])])),
            [Violation::Capacity {
                node: 0,
                resource: resource.to_owned(),
                taken: has + 1,
                has,
            }]
        );
    }
}

#[test]
fn pods_per_node_are_a_capacity() {
    let instance = instance(vec![pod("p"), pod("q"), pod("r"), pod("s")]);
    assert_eq!(
        judge(&instance, &nodes(&[(0, &[0, 1, 2, 3])])),
        [Violation::Capacity {
            node: 0,
            resource: "pods".to_owned(),
            taken: 4,
            has: 3,
        }]
    );
}

fn gpu_pod(name: &str, gpus: u32, gpu_milli: u32, models: &[&str]) -> Pod {
    Pod {
        gpus,
        gpu_milli,
        gpu_models: models.iter().map(|m| (*m).to_owned()).collect(),
        ..pod(name)
    }
}

fn with_devices(devices: &[&[usize]]) -> Assignment {
    let mut assignment = nodes(&[(0, &[])]);
    let pods = devices.iter().enumerate();
    assignment.nodes[0].pods = pods.map(|(p, d)| (p, d.to_vec())).collect();
    assignment
}

#[test]
fn two_pods_may_share_a_gpu_up_to_its_whole() {
    let mut instance = instance(vec![
        gpu_pod("p", 1, 600, &["T4"]),
        gpu_pod("q", 1, 400, &["T4"]),
    ]);
    let assignment = with_devices(&[&[0], &[0]]);
    assert_eq!(judge(&instance, &assignment), []);
    instance.pods[1].gpu_milli = 401;
    assert_eq!(
        judge(&instance, &assignment),
        [Violation::GpuShare {
            node: 0,
            gpu: 0,
            taken: 1001,
        }]
    );
}

#[test]
fn a_slice_of_a_gpu_holds_no_more_than_the_slice() {
    let mut instance = instance(vec![gpu_pod("p", 1, 500, &[])]);
    assert_eq!(judge(&instance, &with_devices(&[&[1]])), []);
    instance.pods[0].gpu_milli = 501;
    assert_eq!(judge(&instance, &with_devices(&[&[1]])).len(), 1);
}

#[test]
fn gpus_are_as_many_as_asked_distinct_real_and_of_a_model_that_fits() {
    let two = instance(vec![gpu_pod("p", 2, 500, &["A10G", "T4"])]);
    assert_eq!(judge(&two, &with_devices(&[&[0, 1]])), []);
    let unfit = [Violation::Gpus {
        pod: "p".to_owned(),
        node: 0,
    }];
    for devices in [&[][..], &[0], &[0, 0], &[0, 2], &[0, 1, 1]] {
        assert_eq!(judge(&two, &with_devices(&[devices])), unfit, "{devices:?}");
    }
    let picky = instance(vec![gpu_pod("p", 1, 500, &["A10G"])]);
    assert_eq!(judge(&picky, &with_devices(&[&[1]])), []);
    assert_eq!(judge(&picky, &with_devices(&[&[0]])), unfit);
    let none = instance(vec![pod("p")]);
    assert_eq!(judge(&none, &with_devices(&[&[0]])), unfit);
}

#[test]
fn a_machine_stands_in_a_zone_that_offers_it() {
    let instance = instance(vec![pod("p")]);
    assert_eq!(judge(&instance, &nodes(&[(1, &[0])])), []);
    let strange = [Violation::Zone { node: 0 }];
    assert_eq!(judge(&instance, &nodes(&[(2, &[0])])), strange);
    let mut nowhere = nodes(&[(0, &[0])]);
    nowhere.nodes[0].zone = None;
    assert_eq!(judge(&instance, &nowhere), strange);
}

#[test]
fn without_zones_a_node_needs_none() {
    let mut instance = instance(vec![pod("p")]);
    instance.zones.clear();
    let mut assignment = nodes(&[(0, &[0])]);
    assignment.nodes[0].zone = None;
    assert_eq!(judge(&instance, &assignment), []);
}

#[test]
fn a_spread_over_nodes_counts_what_its_selector_matches() {
    let spread = PodRule::Spread {
        over: Topology::Node,
        selector: "app=x".to_owned(),
        skew: 1,
    };
    let instance = instance(vec![
        labelled("p", "app=x", spread.clone()),
        labelled("q", "app=x", spread.clone()),
        labelled("r", "app=y", spread),
    ]);
    assert_eq!(judge(&instance, &nodes(&[(0, &[0, 2]), (0, &[1])])), []);
    assert_eq!(
        judge(&instance, &nodes(&[(0, &[0, 1]), (0, &[2])])),
        [rule_broken("p", 0), rule_broken("q", 0)]
    );
}

#[test]
fn a_pod_that_its_own_selector_does_not_match_still_obeys_it() {
    let instance = instance(vec![
        labelled("p", "app=x", PodRule::None),
        labelled("q", "app=x", PodRule::None),
        labelled(
            "r",
            "app=y",
            PodRule::Spread {
                over: Topology::Node,
                selector: "app=x".to_owned(),
                skew: 1,
            },
        ),
    ]);
    assert_eq!(judge(&instance, &nodes(&[(0, &[0, 2]), (0, &[1])])), []);
    assert_eq!(
        judge(&instance, &nodes(&[(0, &[0, 1, 2])])),
        [rule_broken("r", 0)]
    );
}

#[test]
fn a_spread_over_zones_measures_from_the_emptiest_zone() {
    let spread = PodRule::Spread {
        over: Topology::Zone,
        selector: "app=x".to_owned(),
        skew: 1,
    };
    let pods = ["p", "q", "r"].map(|name| labelled(name, "app=x", spread.clone()));
    let mut instance = instance(pods.to_vec());
    instance.zones.truncate(2);
    assert_eq!(judge(&instance, &nodes(&[(0, &[0, 1]), (1, &[2])])), []);
    assert_eq!(
        judge(&instance, &nodes(&[(0, &[0, 1, 2])])),
        ["p", "q", "r"].map(|p| rule_broken(p, 0))
    );
    // A zone without any node counts as empty.
    instance.zones.push("c".to_owned());
    assert_eq!(
        judge(&instance, &nodes(&[(0, &[0, 1]), (1, &[2])])),
        [rule_broken("p", 0), rule_broken("q", 0)]
    );
}

#[test]
fn anti_affinity_keeps_apart_on_nodes_and_in_zones() {
    for (over, apart, together) in [
        (
            Topology::Node,
            nodes(&[(0, &[0]), (0, &[1])]),
            nodes(&[(0, &[0, 1])]),
        ),
        (
            Topology::Zone,
            nodes(&[(0, &[0]), (1, &[1])]),
            nodes(&[(0, &[0]), (0, &[1])]),
        ),
    ] {
        let shun = PodRule::AntiAffinity {
            over,
            selector: "app=x".to_owned(),
        };
        // It binds both ways: who shuns is not joined either.
        let instance = instance(vec![
            labelled("p", "app=y", shun),
            labelled("q", "app=x", PodRule::None),
        ]);
        assert_eq!(judge(&instance, &apart), [], "{over:?}");
        assert_eq!(
            judge(&instance, &together),
            [rule_broken("p", 0)],
            "{over:?}"
        );
    }
}

#[test]
fn a_pod_does_not_shun_itself() {
    let shun = PodRule::AntiAffinity {
        over: Topology::Node,
        selector: "app=x".to_owned(),
    };
    let pods = ["p", "q"].map(|name| labelled(name, "app=x", shun.clone()));
    let instance = instance(pods.to_vec());
    assert_eq!(judge(&instance, &nodes(&[(0, &[0]), (0, &[1])])), []);
    assert_eq!(
        judge(&instance, &nodes(&[(0, &[0, 1])])),
        [rule_broken("p", 0), rule_broken("q", 0)]
    );
}

#[test]
fn affinity_wants_company_on_the_node_or_in_the_zone() {
    for (over, near, far) in [
        (
            Topology::Node,
            nodes(&[(0, &[0, 1])]),
            nodes(&[(0, &[0]), (0, &[1])]),
        ),
        (
            Topology::Zone,
            nodes(&[(0, &[0]), (0, &[1])]),
            nodes(&[(0, &[0]), (1, &[1])]),
        ),
    ] {
        let want = PodRule::Affinity {
            over,
            selector: "app=x".to_owned(),
        };
        let instance = instance(vec![
            labelled("p", "app=y", want),
            labelled("q", "app=x", PodRule::None),
        ]);
        assert_eq!(judge(&instance, &near), [], "{over:?}");
        assert_eq!(judge(&instance, &far), [rule_broken("p", 0)], "{over:?}");
    }
}

#[test]
fn the_first_pod_of_a_group_needs_no_company_and_a_stranger_does() {
    let want = |label: &str| {
        let selector = "app=x".to_owned();
        let over = Topology::Zone;
        instance(vec![labelled(
            "p",
            label,
            PodRule::Affinity { over, selector },
        )])
    };
    assert_eq!(judge(&want("app=x"), &nodes(&[(0, &[0])])), []);
    assert_eq!(
        judge(&want("app=y"), &nodes(&[(0, &[0])])),
        [rule_broken("p", 0)]
    );
}

/// Two pods that want their own kind, twice, and perhaps one that only is it.
fn group(with_free_pod: bool) -> Instance {
    let want = PodRule::Affinity {
        over: Topology::Zone,
        selector: "app=x".to_owned(),
    };
    let mut pods: Vec<Pod> = ["p", "q", "r", "s"]
        .map(|name| labelled(name, "app=x", want.clone()))
        .to_vec();
    if with_free_pod {
        pods.push(labelled("t", "app=x", PodRule::None));
    }
    instance(pods)
}

#[test]
fn a_group_that_only_has_itself_starts_in_one_place() {
    let apart = nodes(&[(0, &[0, 1]), (1, &[2, 3])]);
    assert_eq!(
        judge(&group(false), &apart),
        [rule_broken("r", 1), rule_broken("s", 1)]
    );
    let together = nodes(&[(0, &[0, 1]), (0, &[2, 3])]);
    assert_eq!(judge(&group(false), &together), []);
}

#[test]
fn a_pod_without_the_rule_starts_a_second_place() {
    // Zone a by the group's first pod, zone b by the free one.
    let seeded = nodes(&[(0, &[0, 1]), (1, &[2, 3, 4])]);
    assert_eq!(judge(&group(true), &seeded), []);
}

#[test]
fn a_second_place_that_nobody_could_start_is_refused() {
    // The free pod starts zone c; zones a and b would each need the group's
    // first pod.
    let mut instance = group(true);
    instance.machines[0].zones.push("c".to_owned());
    let unseeded = nodes(&[(0, &[0, 1]), (1, &[2, 3]), (2, &[4])]);
    assert_eq!(
        judge(&instance, &unseeded),
        [rule_broken("r", 1), rule_broken("s", 1)]
    );
}

#[test]
fn a_density_limit_counts_the_pods_of_its_application() {
    let of = |name: &str, app: &str, max| Pod {
        app: app.to_owned(),
        max_per_node: max,
        ..pod(name)
    };
    let mut instance = instance(vec![
        of("p", "x", Some(2)),
        of("q", "x", None),
        of("r", "y", None),
    ]);
    let assignment = nodes(&[(0, &[0, 1, 2])]);
    assert_eq!(judge(&instance, &assignment), []);
    instance.pods[0].max_per_node = Some(1);
    assert_eq!(
        judge(&instance, &assignment),
        [Violation::AppLimit {
            node: 0,
            app: "x".to_owned(),
            other: "x".to_owned(),
        }]
    );
    assert_eq!(judge(&instance, &nodes(&[(0, &[0, 2]), (0, &[1])])), []);
}

#[test]
fn a_limit_between_applications_binds_where_the_first_runs() {
    let of = |name: &str, app: &str| Pod {
        app: app.to_owned(),
        ..pod(name)
    };
    let mut instance = instance(vec![of("p", "x"), of("q", "y"), of("r", "y")]);
    instance.app_limits = vec![("x".to_owned(), "y".to_owned(), 1)];
    assert_eq!(judge(&instance, &nodes(&[(0, &[0, 1]), (0, &[2])])), []);
    // One way only: y may crowd where no x runs.
    assert_eq!(judge(&instance, &nodes(&[(0, &[0]), (0, &[1, 2])])), []);
    assert_eq!(
        judge(&instance, &nodes(&[(0, &[0, 1, 2])])),
        [Violation::AppLimit {
            node: 0,
            app: "x".to_owned(),
            other: "y".to_owned(),
        }]
    );
}

#[test]
fn the_stated_cost_is_that_of_the_nodes() {
    let instance = instance(vec![pod("p")]);
    let assignment = nodes(&[(0, &[0])]);
    assert_eq!(violations(&instance, &assignment, PRICE), []);
    assert_eq!(
        violations(&instance, &assignment, PRICE - 1),
        [Violation::Cost {
            stated: PRICE - 1,
            actual: PRICE,
        }]
    );
}

#[test]
fn any_pod_that_leaves_its_place_in_a_solved_instance_is_caught() {
    // Two that shun each other, two spread over nodes, and one as large as a
    // node: whoever moves meets one of these.
    let shun = PodRule::AntiAffinity {
        over: Topology::Node,
        selector: "app=x".to_owned(),
    };
    let spread = PodRule::Spread {
        over: Topology::Node,
        selector: "app=y".to_owned(),
        skew: 1,
    };
    let mut pods: Vec<Pod> = ["p", "q"]
        .map(|name| labelled(name, "app=x", shun.clone()))
        .to_vec();
    pods.extend(["r", "s"].map(|name| labelled(name, "app=y", spread.clone())));
    pods.push(pod("big"));
    pods[4].amounts[0] = 4_000;
    let instance = instance(pods);
    let (problem, groups) = instance.problem();
    let solution = solve(&problem, &Effort::default()).unwrap();
    let answer = instance.assignment(&solution, &groups);
    assert_eq!(violations(&instance, &answer, solution.cost.0), []);
    assert_eq!(answer.nodes.len(), 3, "one of x and one of y on a node");
    for from in 0..3 {
        for to in (0..3).filter(|to| *to != from) {
            for moved in 0..answer.nodes[from].pods.len() {
                let mut wrong = answer.clone();
                let pod = wrong.nodes[from].pods.remove(moved);
                wrong.nodes[to].pods.push(pod);
                let found = violations(&instance, &wrong, solution.cost.0);
                assert!(!found.is_empty(), "{from} to {to}: {wrong:?}");
            }
        }
    }
}

#[test]
fn the_solver_starts_no_second_place_out_of_nothing() {
    // Room for three on a node: the group's own start and the free pod's node
    // hold six in all, so at least two must wait.
    let want = PodRule::Affinity {
        over: Topology::Node,
        selector: "app=x".to_owned(),
    };
    let mut pods: Vec<Pod> = (0..7)
        .map(|i| labelled(&format!("p{i}"), "app=x", want.clone()))
        .collect();
    pods.push(labelled("free", "app=x", PodRule::None));
    let instance = instance(pods);
    let (problem, groups) = instance.problem();
    let solution = solve(&problem, &Effort::default()).unwrap();
    let answer = instance.assignment(&solution, &groups);
    assert_eq!(violations(&instance, &answer, solution.cost.0), []);
    assert!(answer.unplaced.len() >= 2, "{answer:?}");
}
