//! The readers of traces, on a few lines each.

use crate::{folder, gzip};
use cloudoptim_benches::instance::{Pod, PodRule, Topology};
use cloudoptim_benches::load::{LoadError, openb_pods, packing, read_types};
use cloudoptim_core::model::MicroUsdPerHour;
use std::fs;
use std::path::PathBuf;

const TYPES: &str = "type,alloc_cpu_milli,alloc_memory_mib,alloc_pods,od_usd_per_h\n\
                     small,2000,4096,10,0.1\nlarge,4000,8192,20,0.19\n";

fn write(test: &str, name: &str, text: &str) -> PathBuf {
    let file = folder(test).join(name);
    fs::write(&file, text).unwrap();
    file
}

fn only_error(test: &str, name: &str, text: &str) -> String {
    let file = write(test, name, text);
    let err = packing(&file, None).unwrap_err().to_string();
    err.replace(&format!("{}", file.display()), name)
}

#[test]
fn openb_pods_keep_their_shares_and_models() {
    let file = write(
        "openb_pods",
        "pods_tiny.csv",
        "name,cpu_milli,memory_mib,gpu,gpu_milli,gpu_spec\n\
         a,4000,15258,1,460,V100M16|V100M32\nb,1000,2048,0,0,\n",
    );
    let instances = packing(&file, None).unwrap();
    let instance = &instances[0];
    assert_eq!(instance.name, "openb_tiny");
    assert_eq!(instance.dims, ["cpu_milli", "memory_mib", "pods"]);
    assert_eq!(
        instance.pods,
        [
            Pod {
                name: "a".to_owned(),
                amounts: vec![4_000, 15_258, 1],
                gpus: 1,
                gpu_milli: 460,
                gpu_models: vec!["V100".to_owned()],
                ..Pod::default()
            },
            Pod {
                name: "b".to_owned(),
                amounts: vec![1_000, 2_048, 1],
                ..Pod::default()
            }
        ]
    );
    // The catalogue's types with prices and zones, GPUs among them.
    assert!(instance.machines.len() > 300);
    assert!(instance.machines.iter().all(|m| !m.zones.is_empty()));
    assert!(instance.machines.iter().any(|m| m.gpus.len() == 8));
    assert_eq!(
        openb_pods(&file).unwrap(),
        [(4_000, 15_258), (1_000, 2_048)]
    );
}

#[test]
fn an_impossible_share_of_a_gpu_is_refused() {
    let err = only_error(
        "openb_share",
        "pods.csv",
        "name,cpu_milli,memory_mib,gpu,gpu_milli\na,1,1,1,1001\n",
    );
    assert_eq!(err, "pods.csv:2: gpu_milli must be 1 to 1000, got 1001");
}

#[test]
fn tclab_applications_become_pods_and_limits_come_from_the_file_beside() {
    let folder = folder("tclab");
    let apps = folder.join("apps.csv");
    fs::write(
        &apps,
        "app,replicas,cpu_milli,memory_mib\nx,2,500,1024\ny,1,4000,2048\n",
    )
    .unwrap();
    let alone = packing(&apps, None).unwrap();
    assert!(alone[0].app_limits.is_empty());
    fs::write(
        folder.join("affinity.csv.gz"),
        gzip("app,other_app,max_other_on_node\nx,y,0\n"),
    )
    .unwrap();
    let instances = packing(&folder, None).unwrap();
    assert_eq!(
        instances.len(),
        1,
        "the limits are no instance of their own"
    );
    let instance = &instances[0];
    let names: Vec<&str> = instance.pods.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["x-0", "x-1", "y-0"]);
    assert_eq!(instance.app_limits, [("x".to_owned(), "y".to_owned(), 0)]);
    let machine = &instance.machines[0];
    assert_eq!(machine.amounts[..2], [64_000, 131_072]);
    assert_eq!(machine.price, MicroUsdPerHour(1_000_000));
}

const DLRM: &str = "name,app,role,cpu_milli,memory_mib,gpu,max_instance_per_node\n";

#[test]
fn dlrm_instances_have_whole_gpus_and_density_limits() {
    let text = format!("{DLRM}a,x,HN,8000,40960,1,-1\nb,x,CN,64000,327680,0,2\n");
    let file = write("dlrm", "instances.csv", &text);
    let pods = &packing(&file, None).unwrap()[0].pods;
    assert_eq!((pods[0].gpus, pods[0].gpu_milli), (1, 1000));
    assert_eq!(
        (pods[0].max_per_node, pods[1].max_per_node),
        (None, Some(2))
    );
    assert_eq!(pods[1].app, "x");
}

#[test]
fn a_density_of_zero_is_refused() {
    let text = format!("{DLRM}a,x,HN,8000,40960,1,0\n");
    let err = only_error("dlrm_zero", "instances.csv", &text);
    assert_eq!(
        err,
        "instances.csv:2: max_instance_per_node must be -1 or above 0, got 0"
    );
}

const MIX: &str = "name,cpu_milli,memory_mib,constraint,label,selector,topology_key\n";

#[test]
fn karpenter_mix_rules_keep_their_selector_apart_from_the_label() {
    let text = format!(
        "{MIX}a,100,256,none,l=a,,\n\
         b,100,256,topology_spread_skew1_hard,l=a,l=b,topology.kubernetes.io/zone\n\
         c,100,256,pod_affinity_self,l=c,l=c,kubernetes.io/hostname\n\
         d,100,256,pod_anti_affinity_self,l=d,l=d,kubernetes.io/hostname\n"
    );
    let file = write("mix", "pods_4.csv", &text);
    let types = write("mix_types", "types.csv", TYPES);
    let types = read_types(&types).unwrap();
    let instance = &packing(&file, Some(&types)).unwrap()[0];
    assert_eq!(instance.name, "karpenter_mix_4");
    assert_eq!(instance.zones.len(), 3);
    assert_eq!(instance.machines.len(), 2);
    let rules: Vec<&PodRule> = instance.pods.iter().map(|p| &p.rule).collect();
    let selector = |s: &str| s.to_owned();
    assert_eq!(
        rules,
        [
            &PodRule::None,
            &PodRule::Spread {
                over: Topology::Zone,
                selector: selector("l=b"),
                skew: 1
            },
            &PodRule::Affinity {
                over: Topology::Node,
                selector: selector("l=c")
            },
            &PodRule::AntiAffinity {
                over: Topology::Node,
                selector: selector("l=d")
            },
        ]
    );
}

#[test]
fn an_unknown_rule_is_refused_and_not_dropped() {
    let text = format!("{MIX}a,100,256,stay_close,l=a,l=a,kubernetes.io/hostname\n");
    assert_eq!(
        only_error("mix_rule", "pods.csv", &text),
        "pods.csv:2: unknown constraint \"stay_close\""
    );
    let text = format!("{MIX}a,100,256,none,l=a,l=a,rack\n");
    assert_eq!(
        only_error("mix_key", "pods.csv", &text),
        "pods.csv:2: unknown topology_key \"rack\""
    );
}

#[test]
fn vbp_lines_are_instances_of_their_own() {
    let file = write(
        "vbp",
        "two.jsonl",
        "{\"name\":\"one\",\"dims\":1,\"capacity\":[10],\"items\":[4,6],\"best_known\":1}\n\
         {\"name\":\"two\",\"dims\":2,\"capacity\":[10,5],\"items\":[[1,2]]}\n",
    );
    let instances = packing(&file, None).unwrap();
    assert_eq!(instances.len(), 2);
    assert_eq!(instances[0].best_known, Some(1.0));
    assert_eq!(instances[0].pods[1].amounts, [6]);
    assert_eq!(instances[1].dims, ["r0", "r1"]);
}

#[test]
fn an_item_of_the_wrong_length_is_refused() {
    let err = only_error(
        "vbp_item",
        "bad.jsonl",
        "{\"name\":\"x\",\"dims\":2,\"capacity\":[10,5],\"items\":[[1,2],[3]]}\n",
    );
    assert_eq!(err, "bad.jsonl:1: item 1 has 1 amounts");
}

#[test]
fn a_field_that_is_no_number_is_named() {
    let err = only_error(
        "number",
        "pods.csv",
        "name,cpu_milli,memory_mib,gpu,gpu_milli\na,lots,1,0,0\n",
    );
    assert_eq!(err, "pods.csv:2: cpu_milli must be a number, got \"lots\"");
}

#[test]
fn a_folder_gives_what_it_knows_in_the_order_of_names() {
    let folder = folder("folder");
    let openb = "name,cpu_milli,memory_mib,gpu,gpu_milli\na,1000,1024,0,0\n";
    fs::write(folder.join("pods_b.csv.gz"), gzip(openb)).unwrap();
    fs::write(folder.join("pods_a.csv"), openb).unwrap();
    fs::write(
        folder.join("nodes.csv"),
        "name,cpu_milli,memory_mib\nn,1,1\n",
    )
    .unwrap();
    fs::write(folder.join("README.md"), "name,app,replicas\n").unwrap();
    let instances = packing(&folder, None).unwrap();
    let names: Vec<&str> = instances.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["openb_a", "openb_b"]);
}

#[test]
fn a_folder_without_a_known_file_is_an_error() {
    let folder = folder("unknown");
    fs::write(folder.join("x.csv"), "a,b\n1,2\n").unwrap();
    let err = packing(&folder, None).unwrap_err();
    assert!(matches!(err, LoadError::Unknown(_)), "{err}");
}

#[test]
fn both_forms_of_type_files_are_read() {
    let types = read_types(&write("types_ec2", "t.csv", TYPES)).unwrap();
    assert_eq!(types[1].price, MicroUsdPerHour(190_000));
    assert_eq!((types[1].cpu_milli, types[1].pods), (4_000, 20));
    let other = "type,cpu_milli,memory_mib,pods,alloc_cpu_milli,alloc_memory_mib,price\n\
                 t,1000,2048,10,900,2038,0.3\n";
    let types = read_types(&write("types_400", "t.csv", other)).unwrap();
    assert_eq!((types[0].cpu_milli, types[0].memory_mib), (900, 2_038));
}

#[test]
fn a_type_for_nothing_is_refused() {
    let text = TYPES.replace("0.19", "0");
    let err = read_types(&write("types_free", "t.csv", &text)).unwrap_err();
    assert!(
        err.to_string()
            .ends_with("t.csv:3: the price must be above zero, got 0"),
        "{err}"
    );
}
