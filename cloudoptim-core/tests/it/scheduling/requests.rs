//! What a pod asks for.

use super::*;
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::scheduling::{
    InfeasibleResize, Movability, Pin, effective_request, template_request,
};

#[test]
fn an_infeasible_resize_counts_only_for_those_who_want_to_be_sure() {
    let mut p = pod("n", "a", "p", "x", container("c", "500m", "1Gi"));
    p.status.resize_pending = Some("Infeasible".into());
    let held = ResourceList {
        cpu: Some(cpu("200m")),
        memory: Some(bytes("1Gi")),
        ..Default::default()
    };
    p.status.containers[0].allocated = Some(held);
    assert_eq!(
        effective_request(&p, InfeasibleResize::Drop).cpu,
        cpu("200m")
    );
    assert_eq!(
        effective_request(&p, InfeasibleResize::Keep).cpu,
        cpu("500m")
    );
}

#[test]
fn a_template_takes_limits_then_limit_ranges_then_overhead() {
    let mut c = container("c", "100m", "1Gi");
    c.resources.requests = ResourceList::default();
    c.resources.limits.cpu = Some(cpu("2"));
    let spec = PodSpec {
        containers: vec![c],
        ..Default::default()
    };
    let mut item = LimitRangeItem {
        kind: "Container".into(),
        ..Default::default()
    };
    item.default_request.cpu = Some(cpu("10m"));
    item.default_request.memory = Some(bytes("64Mi"));
    let range = LimitRange {
        items: vec![item],
        ..Default::default()
    };
    let class = RuntimeClass {
        overhead: Some(ResourceList {
            memory: Some(bytes("120Mi")),
            ..Default::default()
        }),
        ..Default::default()
    };
    let got = template_request(&spec, &[&range], Some(&class));
    assert_eq!((got.cpu, got.memory), (cpu("2"), bytes("184Mi")));
}

fn ask(p: &Pod) -> (u64, u64) {
    let r = effective_request(p, InfeasibleResize::Drop);
    (r.cpu.0, r.memory.mib())
}

/// A pod of one container `c` with init containers as `name cpu memory`, those
/// that begin with `side` being sidecars.
fn with_init(main: (&str, &str), init: &[(&str, &str, &str)]) -> Pod {
    let mut p = pod("n", "a", "p", "x", container("c", main.0, main.1));
    p.spec.init_containers = init
        .iter()
        .map(|(name, cpu_text, memory)| {
            let mut c = container(name, cpu_text, memory);
            c.restarts_always = name.starts_with("side");
            c
        })
        .collect();
    p
}

#[test]
fn an_init_container_counts_with_the_sidecars_before_it_and_not_after() {
    let main = ("100m", "100Mi");
    for (init, cpu, mib) in [
        // Init containers run one by one, and end before the others start.
        (&[][..], 100, 100),
        (&[("i1", "80m", "90Mi"), ("i2", "70m", "95Mi")], 100, 100),
        (&[("i1", "300m", "10Mi"), ("i2", "10m", "400Mi")], 300, 400),
        // A sidecar stays beside the main containers.
        (&[("side", "50m", "40Mi")], 150, 140),
        (&[("side", "50m", "40Mi"), ("i1", "120m", "10Mi")], 170, 140),
        (&[("i1", "120m", "10Mi"), ("side", "50m", "40Mi")], 150, 140),
        // max(50 + 100, 50 + 200 + 300, 100 + 50 + 200).
        (
            &[
                ("side-1", "50m", "1Mi"),
                ("i1", "100m", "1Mi"),
                ("side-2", "200m", "1Mi"),
                ("i2", "300m", "1Mi"),
            ],
            550,
            102,
        ),
    ] {
        assert_eq!(ask(&with_init(main, init)), (cpu, mib), "{init:?}");
    }
}

fn held(cpu_text: &str, memory: &str) -> ResourceList {
    ResourceList {
        cpu: Some(cpu(cpu_text)),
        memory: Some(bytes(memory)),
        ..Default::default()
    }
}

fn status(name: &str, requests: ResourceList, allocated: ResourceList) -> ContainerStatus {
    ContainerStatus {
        name: name.to_owned(),
        resources: Some(ContainerResources {
            requests,
            ..Default::default()
        }),
        allocated: Some(allocated),
        ..Default::default()
    }
}

#[test]
fn a_resize_counts_with_the_largest_of_specification_status_and_allocation() {
    for (spec, in_force, allocated, want) in [
        ("300m", "200m", "100m", 300),
        ("200m", "300m", "100m", 300),
        ("100m", "200m", "300m", 300),
    ] {
        let mut p = pod("n", "a", "p", "x", container("c", spec, "1Mi"));
        p.status.containers = vec![status("c", held(in_force, "1Mi"), held(allocated, "1Mi"))];
        assert_eq!(ask(&p), (want, 1), "{spec} {in_force} {allocated}");
    }
    // What a sidecar holds counts; what an init container held does not.
    let init = [("side", "50m", "1Mi"), ("i1", "100m", "1Mi")];
    let mut p = with_init(("10m", "1Mi"), &init);
    p.status.init_containers = vec![
        status("side", held("70m", "1Mi"), held("70m", "1Mi")),
        status("i1", held("900m", "1Mi"), held("900m", "1Mi")),
    ];
    assert_eq!(ask(&p), (170, 2));
    // A deferred resize waits for room, and still wants it.
    p.status.resize_pending = Some("Deferred".into());
    p.spec.init_containers[0] = container("side", "80m", "1Mi");
    p.spec.init_containers[0].restarts_always = true;
    assert_eq!(ask(&p), (180, 2));
}

fn pod_level(p: &mut Pod, requests: ResourceList, limits: ResourceList) {
    p.spec.resources = Some(ContainerResources { requests, limits });
}

#[test]
fn pod_level_requests_replace_the_sum_of_what_they_name_and_overhead_is_added() {
    let mut p = with_init(("100m", "100Mi"), &[("side", "50m", "50Mi")]);
    let main = &mut p.spec.containers[0].resources.requests;
    main.ephemeral_storage = Some(bytes("1Gi"));
    main.extended.insert("nvidia.com/gpu".into(), 1);
    main.extended.insert("hugepages-2Mi".into(), 4 << 20);
    p.spec.overhead = Some(held("25m", "20Mi"));
    assert_eq!(ask(&p), (175, 170));
    // CPU alone, less or more than the sum; memory stays the sum.
    let only_cpu = |text: &str| ResourceList {
        cpu: Some(cpu(text)),
        ..Default::default()
    };
    pod_level(&mut p, only_cpu("1"), ResourceList::default());
    assert_eq!(ask(&p), (1025, 170));
    pod_level(&mut p, only_cpu("10m"), ResourceList::default());
    assert_eq!(ask(&p), (35, 170));
    // Huge pages too; storage and devices are the containers' alone.
    let mut all = held("1", "1Gi");
    all.extended.insert("hugepages-2Mi".into(), 64 << 20);
    all.extended.insert("nvidia.com/gpu".into(), 7);
    all.ephemeral_storage = Some(bytes("9Gi"));
    pod_level(&mut p, all, ResourceList::default());
    let r = effective_request(&p, InfeasibleResize::Drop);
    assert_eq!((r.cpu.0, r.memory.mib()), (1025, 1044));
    assert_eq!(r.extended["hugepages-2Mi"], 64 << 20);
    assert_eq!(r.extended["nvidia.com/gpu"], 1);
    assert_eq!(r.ephemeral_storage, bytes("1Gi"));
    // A resize of the pod as a whole counts like one of a container.
    p.status.allocated = Some(held("2", "512Mi"));
    assert_eq!(ask(&p), (2025, 1044));
    p.status.resize_pending = Some("Infeasible".into());
    assert_eq!(ask(&p), (2025, 532));
    let keep = effective_request(&p, InfeasibleResize::Keep);
    assert_eq!((keep.cpu.0, keep.memory.mib()), (2025, 1044));
}

#[test]
fn a_pod_level_limit_is_the_request_where_no_container_states_one() {
    let mut p = pod("n", "a", "p", "x", Container::default());
    pod_level(&mut p, ResourceList::default(), held("2", "1Gi"));
    assert_eq!(ask(&p), (2000, 1024));
    p.spec.containers[0].resources.requests.cpu = Some(cpu("300m"));
    assert_eq!(ask(&p), (300, 1024));
}

#[test]
fn a_limit_is_the_request_that_is_missing_and_nothing_stays_nothing() {
    let mut c = Container::default();
    c.resources.limits = held("2", "1Gi");
    c.resources.requests.cpu = Some(cpu("1"));
    assert_eq!(ask(&pod("n", "a", "p", "x", c)), (1000, 1024));
    // The 100m and 200Mi of the scheduler's scores are no requests: only the
    // slot counts.
    let none = pod("n", "a", "p", "gone", Container::default());
    assert_eq!(ask(&none), (0, 0));
    let mut full = node("x", "0", "0");
    assert_eq!(refused_on(full.clone(), none.clone()), "");
    full.allocatable.pods = 0;
    assert_eq!(refused_on(full, none), "resource");
}

#[test]
fn what_is_no_cpu_and_no_memory_has_to_be_there_too() {
    let gpu = || {
        let mut c = small();
        c.resources
            .limits
            .extended
            .insert("nvidia.com/gpu".into(), 1);
        c
    };
    let mut x = node("x", "8", "32Gi");
    x.allocatable.extended.insert("nvidia.com/gpu".into(), 1);
    let p = pod("n", "a", "p", "gone", gpu());
    let mut c = world_of(vec![x.clone()], vec![p]);
    assert_eq!(refused(&c, "x"), "");
    // There is no half of one, and none twice.
    c.pods
        .value_mut()
        .unwrap()
        .push(pod("n", "a", "on", "x", gpu()));
    assert_eq!(refused(&c, "x"), "resource");
    for (name, amount) in [("hugepages-2Mi", 8 << 20), ("vpc.amazonaws.com/efa", 1)] {
        let mut p = newcomer("a");
        let requests = &mut p.spec.containers[0].resources.requests;
        requests.extended.insert(name.into(), amount);
        assert_eq!(refused_on(x.clone(), p.clone()), "resource", "{name}");
        let mut has = x.clone();
        has.allocatable.extended.insert(name.into(), amount);
        assert_eq!(refused_on(has, p), "", "{name}");
    }
    let mut p = newcomer("a");
    p.spec.containers[0].resources.requests.ephemeral_storage = Some(bytes("2Gi"));
    x.allocatable.ephemeral_storage = bytes("1Gi");
    assert_eq!(refused_on(x.clone(), p.clone()), "resource");
    x.allocatable.ephemeral_storage = bytes("2Gi");
    assert_eq!(refused_on(x, p), "");
}

#[test]
fn devices_that_are_allocated_dynamically_pin_the_pod_wherever_they_are_named() {
    let of = |spec: &str| {
        let text = format!(
            r#"{{"apiVersion": "v1", "kind": "Pod",
              "metadata": {{"name": "p", "namespace": "n", "uid": "u", "ownerReferences": [
                {{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r",
                 "controller": true}}]}},
              "spec": {spec}, "status": {{"phase": "Running"}}}}"#
        );
        let mut options = InputOptions::default();
        options.complete = true;
        options.taken_at = Some(at("2026-05-01T12:00Z"));
        let mut loader = Loader::new(options);
        loader.add("pod.json", text.as_bytes());
        let mut snapshot = loader.finish().unwrap().snapshot;
        snapshot.clusters.remove(0).pods.items()[0].clone()
    };
    let empty = cluster();
    for (spec, claims) in [
        (
            r#"{"resourceClaims": [{"name": "gpu"}], "containers": [{"name": "c"}]}"#,
            1,
        ),
        (
            r#"{"containers": [{"name": "c", "resources": {"claims": [{"name": "gpu"}]}}]}"#,
            1,
        ),
        (
            r#"{"containers": [{"name": "c"}],
                "initContainers": [{"name": "i", "resources": {"claims": [{"name": "gpu"}]}}]}"#,
            1,
        ),
        (r#"{"containers": [{"name": "c"}]}"#, 0),
    ] {
        let p = of(spec);
        assert_eq!(p.spec.resource_claims.len(), claims, "{spec}");
        let judged = super::movability::judge(&empty, &p);
        let want = match claims {
            0 => Movability::Moves,
            _ => Movability::NeverMoves {
                why: vec![Pin::ResourceClaims {
                    claims: vec!["gpu".into()],
                }],
            },
        };
        assert_eq!(judged, want, "{spec}");
        let rule = ["", "resource_claims"][claims];
        assert_eq!(refused_on(node("x", "8", "32Gi"), p), rule, "{spec}");
    }
}

#[test]
fn shares_of_devices_fit_the_fullest_that_have_room() {
    let mut x = node("x", "8", "32Gi");
    let t4 = |milli| Device {
        model: "T4".into(),
        milli,
    };
    x.devices = vec![t4(1000), t4(1000)];
    let wants = |name: &str, on: &str, count, milli_share, model: &str| {
        let mut p = pod("n", "a", name, on, small());
        p.spec.devices = Some(DeviceRequest {
            count,
            milli_share,
            models: vec![model.into()],
        });
        p
    };
    let on = wants("on", "x", 1, 600, "T4");
    for (count, milli, model, want) in [
        (1, 400, "T4", ""),
        (1, 1000, "T4", ""),
        (2, 400, "T4", ""),
        (2, 500, "T4", "devices"),
        (3, 100, "T4", "devices"),
        (1, 100, "A10", "devices"),
    ] {
        let p = wants("p", "gone", count, milli, model);
        let c = world_of(vec![x.clone()], vec![on.clone(), p]);
        assert_eq!(refused(&c, "x"), want, "{count} x {milli} of {model}");
    }
    // The 400 that are left beside the 600 are used first: the other stays whole.
    let second = wants("second", "x", 1, 400, "T4");
    let p = wants("p", "gone", 1, 1000, "T4");
    let c = world_of(vec![x], vec![on, second, p]);
    assert_eq!(refused(&c, "x"), "");
}
