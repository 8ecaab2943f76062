//! The command line, as someone at a terminal or a script meets it.

use crate::{folder, gzip};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const OPENB: &str = "name,cpu_milli,memory_mib,gpu,gpu_milli\n\
                     a,1000,1024,0,0\nb,500,2048,0,0\nc,1500,512,0,0\n";
const TYPES: &str = "type,alloc_cpu_milli,alloc_memory_mib,alloc_pods,od_usd_per_h\n\
                     small,2000,4096,10,0.1\n";

fn harness(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloudoptim-benches"))
        .args(args)
        .output()
        .unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A line without what depends on the machine.
fn timeless(mut line: Value) -> Value {
    let fields = line.as_object_mut().unwrap();
    for field in [
        "seconds",
        "cpu_seconds",
        "first_feasible_seconds",
        "peak_rss_mb",
        "load_average",
    ] {
        fields.remove(field);
    }
    line
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn bad_usage_ends_with_2_and_the_help() {
    for (args, why) in [
        (&[][..], "a command is needed"),
        (&["pack"], "unknown command \"pack\""),
        (&["packing"], "packing needs a path"),
        (&["packing", "--fast", "x"], "unknown option --fast"),
        (&["packing", "--seed"], "--seed needs a value"),
        (
            &["packing", "--seed", "one", "x"],
            "--seed must be a number, got \"one\"",
        ),
        (
            &["packing", "--pods", "0", "x"],
            "--pods must be at least 1, got 0",
        ),
        (
            &["packing", "--effort", "more", "x"],
            "--effort must be quick or full, got \"more\"",
        ),
        (
            &["packing", "--seeds", "3", "x"],
            "--seeds needs --pods or --generate",
        ),
        (
            &["packing", "--seeds", "0", "x"],
            "--seeds must be at least 1, got 0",
        ),
        (
            &["packing", "--generate", "noise"],
            "--generate must be rightsized, got \"noise\"",
        ),
        (
            &["packing", "--nodes", "n", "--types", "t", "x"],
            "--nodes and --types do not go together",
        ),
        (&["consolidate"], "consolidate needs a path"),
        (
            &["consolidate", "--launch", "all", "x"],
            "--launch must be types, copies or nothing, got \"all\"",
        ),
        (
            &["consolidate", "--move-price", "-1", "x"],
            "--move-price must not be below zero, got -1",
        ),
        (&["load"], "load needs a path"),
        (
            &["load", "--taken-at", "noon", "x"],
            "--taken-at must be a time",
        ),
        (&["catalog", "--pods", "3"], "unknown option --pods"),
        (&["interruptions"], "interruptions needs a path"),
        (
            &["interruptions", "--events", "0", "x"],
            "--events must be at least 1, got 0",
        ),
        (&["dump", "x"], "dump needs --out FILE"),
        (
            &["dump", "--out", "y"],
            "dump needs the path of an openb file",
        ),
        (
            &["dump", "--out", "y", "--nodes", "64001", "x"],
            "--nodes must be at most 64000",
        ),
    ] {
        let output = harness(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let errors = errors(&output);
        assert!(
            errors.contains(&format!("error: {why}")),
            "{args:?}: {errors}"
        );
        assert!(errors.contains("usage: cloudoptim-benches"), "{args:?}");
    }
}

#[test]
fn help_names_every_command_and_ends_with_0() {
    for word in ["help", "--help", "-h"] {
        let output = harness(&[word]);
        assert_eq!(output.status.code(), Some(0));
        let help = String::from_utf8(output.stdout).unwrap();
        for command in [
            "packing",
            "consolidate",
            "load",
            "catalog",
            "dump",
            "interruptions",
        ] {
            assert!(help.contains(&format!("\n  {command}")), "{command}");
        }
    }
}

#[test]
fn a_path_that_cannot_be_read_ends_with_1_and_is_named() {
    let gone = folder("gone").join("no-such-file");
    let gone = text(&gone);
    let out = folder("gone-out").join("dump.json");
    for args in [
        &["packing", gone][..],
        &["load", gone],
        &["catalog", gone],
        &["interruptions", gone],
        &["dump", "--out", text(&out), gone],
        &["packing", "--types", gone, gone],
    ] {
        let output = harness(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let errors = errors(&output);
        assert!(errors.contains(gone), "{args:?}: {errors}");
    }
    assert!(!out.exists());
}

#[test]
fn a_bad_path_does_not_keep_the_others_from_running() {
    let folder = folder("one_bad");
    fs::write(folder.join("pods_x.csv"), OPENB).unwrap();
    let good = folder.join("pods_x.csv");
    let bad = folder.join("missing.csv");
    let output = harness(&["packing", "--effort", "quick", text(&bad), text(&good)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output)[0]["instance"], "openb_x");
}

#[test]
fn a_packing_line_has_every_field() {
    let folder = folder("fields");
    let (pods, types) = (folder.join("pods_x.csv.gz"), folder.join("types.csv"));
    fs::write(&pods, gzip(OPENB)).unwrap();
    fs::write(&types, TYPES).unwrap();
    let output = harness(&["packing", "--types", text(&types), text(&pods)]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let lines = lines(&output);
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["instance"], "openb_x");
    assert_eq!(line["pods"], 3);
    assert_eq!(line["types"], 1);
    // 3,000 m of demand on nodes of 2,000 m at $0.10.
    assert_eq!(line["nodes"], 2);
    assert_eq!(line["cost"], 0.2);
    assert_eq!(line["unplaced"], 0);
    assert_eq!(line["violations"], 0);
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    let bound = line["lower_bound"].as_f64().unwrap();
    assert!(bound > 0.0 && bound <= 0.2);
    let certified = line["certified_bound"].as_f64().unwrap();
    assert_eq!(certified, bound);
    let gap = line["gap"].as_f64().unwrap();
    assert!((gap - (0.2 / certified - 1.0)).abs() < 1e-9);
    assert!(line["certified"].as_str().unwrap().contains('1'));
    for field in ["first_feasible_seconds", "seconds"] {
        assert!(line[field].as_f64().unwrap() >= 0.0, "{field}");
    }
    let fields = line.as_object().unwrap();
    assert!(fields.contains_key("peak_rss_mb"));
}

/// Files of three pods, each of which fills a node, and of a cheap type and a dear one.
fn three_that_fill_a_node(folder: &Path) -> (PathBuf, PathBuf) {
    let (pods, types) = (folder.join("pods_x.csv"), folder.join("types.csv"));
    let header = OPENB.lines().next().unwrap();
    let three = ["a", "b", "c"].map(|name| format!("{name},1500,1024,0,0\n"));
    fs::write(&pods, format!("{header}\n{}", three.concat())).unwrap();
    let dear = "dear,2000,4096,10,0.15";
    fs::write(&types, format!("{TYPES}{dear}\n")).unwrap();
    (pods, types)
}

#[test]
fn a_limit_of_a_packing_has_a_price_that_the_harness_confirms() {
    let folder = folder("limit");
    let (pods, types) = three_that_fill_a_node(&folder);
    let run = |more: &[&str]| {
        let args = ["packing", "--types", text(&types), text(&pods)];
        let output = harness(&[&args[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        lines(&output).remove(0)
    };
    let free = run(&[]);
    assert_eq!(free["cost"], 0.3);
    assert!(free.get("limits").is_none());
    // One of the cheap ones only: the others cost 5 cents more.
    let limit = "nodes:small=1";
    let limited = run(&["--limit", limit]);
    assert_eq!(limited["cost"], 0.4);
    assert_eq!(limited["violations"], 0);
    assert_eq!(limited["certified_bound"], limited["lower_bound"]);
    assert!(limited["certified_bound"].as_f64() > free["certified_bound"].as_f64());
    let of = &limited["limits"][0];
    assert_eq!((&of["limit"], &of["used"]), (&limit.into(), &1.into()));
    let each = of["usd_per_hour_per_unit"].as_f64().unwrap();
    assert!((each - 0.05).abs() < 1e-6, "{each}");
}

#[test]
fn on_nodes_that_are_there_who_is_left_out_is_named() {
    let folder = folder("stock");
    let (pods, nodes) = (folder.join("pods_x.csv"), folder.join("nodes.csv"));
    let header = "name,cpu_milli,memory_mib,gpu,gpu_milli,gpu_spec";
    // The two whole ones fill the GPUs, and the share then has no place.
    let rows = "a,1000,1024,1,1000,T4\nb,1000,1024,1,1000,\nc,500,512,1,500,\nd,500,512,0,0,\n";
    fs::write(&pods, format!("{header}\n{rows}")).unwrap();
    let list = "name,cpu_milli,memory_mib,gpu,gpu_model,pods\nn1,4000,8192,2,T4,110\n";
    fs::write(&nodes, list).unwrap();
    let out = folder.join("who.csv");
    let args = [
        "packing",
        "--nodes",
        text(&nodes),
        "--assignment",
        text(&out),
    ];
    let output = harness(&[&args[..], &[text(&pods)]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let line = &lines(&output)[0];
    assert_eq!(line["gpus_placed"], 2.0);
    assert_eq!(line["gpus_bound"], 2.0);
    assert_eq!(line["gpus_asked"], 2.5);
    assert_eq!(line["violations"], 0);
    assert_eq!(
        line["left_out"],
        json!([{
            "reason": {"code": "gpus", "asked": 1, "milli": 500, "most_free": 0},
            "gpu_milli": 500,
            "pods": ["c"]
        }])
    );
    let who = fs::read_to_string(&out).unwrap();
    assert!(who.ends_with("openb_x,c,,,\n"), "{who}");
    assert_eq!(who.lines().count(), 5);
}

#[test]
fn what_pods_prefer_is_weighed_against_what_it_costs() {
    let folder = folder("prefer");
    let (pods, types) = three_that_fill_a_node(&folder);
    let run = |wish: &str| {
        let options = ["--types", text(&types), "--baselines", "--prefer", wish];
        let args = [&["packing"], &options[..], &[text(&pods)]].concat();
        let output = harness(&args);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        lines(&output)
    };
    let amounts = |line: &serde_json::Value| {
        let of = |field: &str| (line[field].as_f64().unwrap() * 100.0).round() as i64;
        (of("cost"), of("preferences"))
    };
    // Five cents more for a node: not for three cents, but for six.
    for (wish, ours) in [
        ("dear=0.03", (30, 9)),
        ("dear=0.06", (45, 0)),
        ("dear=0", (30, 0)),
    ] {
        let all = run(wish);
        assert_eq!(amounts(&all[0]), ours, "{wish}");
        assert_eq!(
            (&all[0]["gap"], &all[0]["violations"]),
            (&0.0.into(), &0.into())
        );
        let of = |name: &str| all.iter().find(|l| l["baseline"] == name).unwrap();
        assert_eq!(amounts(of("preferences as rules")), (45, 0));
        let each = all[0]["preferences"].as_f64().unwrap() > 0.0;
        let ignored = amounts(of("preferences ignored"));
        assert_eq!(ignored.0, 30);
        assert_eq!(ignored.1 == ours.1, each || wish == "dear=0");
    }
    let refused = harness(&["packing", "--prefer", "dear", text(&pods)]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(errors(&refused).contains("a wish must be PREFIX=USD[:PERCENT], got \"dear\""));
}

#[test]
fn an_assignment_names_every_pod_once() {
    let folder = folder("assignment");
    let (pods, out) = (folder.join("pods_x.csv"), folder.join("who.csv"));
    fs::write(&pods, OPENB).unwrap();
    let args = ["packing", "--assignment", text(&out), text(&pods)];
    assert_eq!(harness(&args).status.code(), Some(0));
    let who = fs::read_to_string(&out).unwrap();
    let mut rows: Vec<&str> = who.lines().collect();
    assert_eq!(rows.remove(0), "instance,pod,node,type,zone");
    let mut pods: Vec<&str> = rows.iter().map(|r| r.split(',').nth(1).unwrap()).collect();
    pods.sort_unstable();
    assert_eq!(pods, ["a", "b", "c"]);
}

#[test]
fn a_seed_draws_the_same_pods_and_gives_the_same_answer() {
    let folder = folder("seed");
    let pods = folder.join("pods_x.csv");
    fs::write(&pods, OPENB).unwrap();
    let run = |seed: &str, out: &str| {
        let out = folder.join(out);
        let args = ["packing", "--pods", "40", "--seed", seed, "--assignment"];
        let output = harness(&[&args[..], &[text(&out), text(&pods)]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let line = timeless(lines(&output).remove(0));
        (line, fs::read_to_string(out).unwrap())
    };
    let (first, second) = (run("7", "1"), run("7", "2"));
    assert_eq!(first, second);
    assert_eq!(first.0["instance"], "openb_x-40-seed7");
    assert_eq!(first.0["pods"], 40);
    assert_ne!(first.1, run("8", "3").1);
}

#[test]
fn baselines_follow_our_line_which_stays_the_same() {
    let folder = folder("baselines");
    let (pods, types) = (folder.join("pods_x.csv"), folder.join("types.csv"));
    fs::write(&pods, OPENB).unwrap();
    fs::write(&types, TYPES).unwrap();
    let run = |more: &[&str]| {
        let args = ["packing", "--types", text(&types), text(&pods)];
        let output = harness(&[&args[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        lines(&output)
    };
    let (alone, mut all) = (run(&[]), run(&["--baselines"]));
    assert_eq!(alone.len(), 1);
    assert_eq!(timeless(alone[0].clone()), timeless(all.remove(0)));
    let names: Vec<&str> = all
        .iter()
        .map(|l| l["baseline"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["karpenter-provisioning", "first-fit-decreasing"]);
    for line in &all {
        assert_eq!((&line["nodes"], &line["cost"]), (&2.into(), &0.2.into()));
        assert_eq!(
            (&line["violations"], &line["unplaced"]),
            (&0.into(), &0.into())
        );
        assert!(line["pods_per_second"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn seeds_end_in_a_line_of_medians() {
    let folder = folder("seeds");
    let types = folder.join("types.csv");
    fs::write(
        &types,
        "type,alloc_cpu_milli,alloc_memory_mib,alloc_pods,od_usd_per_h\nm,16000,65536,110,0.8\n",
    )
    .unwrap();
    let args = [
        "packing",
        "--generate",
        "rightsized",
        "--classes",
        "8",
        "--pods",
        "60",
    ];
    let args = [
        &args[..],
        &["--seeds", "3", "--effort", "quick", "--types", text(&types)],
    ];
    let output = harness(&args.concat());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let mut lines = lines(&output);
    let medians = lines.pop().unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["instance"], "rightsized-8-60-seed3");
    assert_eq!(medians["instance"], "rightsized-8-60");
    assert_eq!(
        (&medians["seeds"], &medians["violations"]),
        (&3.into(), &0.into())
    );
    let sorted = |field: &str| {
        let mut all: Vec<f64> = lines.iter().map(|l| l[field].as_f64().unwrap()).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    assert_eq!(medians["median_cost"], sorted("cost")[1]);
    assert_eq!(medians["median_gap"], sorted("gap")[1]);
    assert_eq!(medians["worst_gap"], sorted("gap")[2]);
}

#[test]
fn plain_drops_the_rules() {
    let folder = folder("plain");
    let (pods, types) = (folder.join("pods_2.csv"), folder.join("types.csv"));
    let shun = "pod_anti_affinity_self,l=a,l=a,kubernetes.io/hostname";
    fs::write(
        &pods,
        format!(
            "name,cpu_milli,memory_mib,constraint,label,selector,topology_key\n\
             a,100,128,{shun}\nb,100,128,{shun}\n"
        ),
    )
    .unwrap();
    fs::write(&types, TYPES).unwrap();
    let nodes = |extra: &[&str]| {
        let args = ["packing", "--types", text(&types), text(&pods)];
        let output = harness(&[&args[..], extra].concat());
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        lines(&output)[0]["nodes"].as_u64().unwrap()
    };
    assert_eq!((nodes(&[]), nodes(&["--plain"])), (2, 1));
}

const DOCUMENTS: &str = r#"{"apiVersion":"v1","kind":"List","items":[
  {"apiVersion":"v1","kind":"Node","metadata":{"name":"n","uid":"1",
   "creationTimestamp":"2026-11-22T02:30:00Z"},"status":{"allocatable":{"cpu":"2"}}},
  {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","uid":"2",
   "creationTimestamp":"2026-11-22T02:30:00Z"},"spec":{"containers":[{"name":"c"}]}},
  {"apiVersion":"v1","kind":"Pod","metadata":{"name":"q","namespace":"default","uid":"3"},
   "spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"lots"}}}]}},
  {"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"}}]}"#;

#[test]
fn a_load_line_counts_what_was_read_skipped_and_broken() {
    let folder = folder("load");
    fs::create_dir(folder.join("deep")).unwrap();
    fs::write(folder.join("deep/all.json.gz"), gzip(DOCUMENTS)).unwrap();
    fs::write(folder.join("README.md"), "not a document").unwrap();
    let output = harness(&["load", text(&folder)]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let line = &lines(&output)[0];
    assert_eq!(line["instance"], "load");
    assert_eq!(line["files"], 1);
    assert_eq!(line["bytes"], DOCUMENTS.len());
    assert_eq!(line["kinds"], serde_json::json!({"Node": 1, "Pod": 1}));
    assert_eq!(
        line["skipped"],
        serde_json::json!({"Widget.example.com": 1})
    );
    assert_eq!(line["broken"], 1);
    assert_eq!(line["refused_files"], 0);
    assert!(line["seconds"].as_f64().unwrap() > 0.0);
    assert!(line.as_object().unwrap().contains_key("peak_rss_mb"));
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    let errors = errors(&output);
    assert!(
        errors.contains("broken: deep/all.json.gz: Pod default/q: "),
        "{errors}"
    );
}

#[test]
fn documents_come_from_standard_input_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloudoptim-benches"))
        .args(["load", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(DOCUMENTS.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(lines(&output)[0]["kinds"]["Pod"], 1);
}

#[test]
fn what_is_no_document_ends_with_1_and_is_named() {
    let folder = folder("prose");
    let file = folder.join("notes.json");
    fs::write(&file, "kept by hand").unwrap();
    let output = harness(&["load", text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("notes.json"),
        "{}",
        errors(&output)
    );
    let output = harness(&["load", text(&crate::folder("prose_empty"))]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("prose_empty: no .json or .csv file in it"));
}

#[test]
fn a_time_that_no_document_names_can_be_stated() {
    let file = folder("untimed").join("pods.json");
    let untimed = DOCUMENTS.replace("\"creationTimestamp\":\"2026-11-22T02:30:00Z\"", "\"x\":1");
    fs::write(&file, untimed).unwrap();
    let output = harness(&["load", text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("no document names a time"));
    let stated = ["load", "--taken-at", "2026-11-22T02:30:00Z", text(&file)];
    assert_eq!(harness(&stated).status.code(), Some(0));
}

#[test]
fn a_dump_is_what_was_asked_for_and_loads() {
    let folder = folder("dump");
    let pods = folder.join("pods_x.csv");
    fs::write(&pods, OPENB).unwrap();
    let run = |name: &str, seed: &str, more: &[&str]| {
        let out = folder.join(name);
        let args = ["dump", "--pods", "25", "--nodes", "3", "--seed", seed];
        let args = [&args[..], more, &["--out", text(&out), text(&pods)]].concat();
        let output = harness(&args);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        (lines(&output).remove(0), out)
    };
    let (line, printed) = run("a.json", "1", &[]);
    assert_eq!(line["placed"], 25);
    assert_eq!(line["pending"], 0);
    assert!(line["pod_bytes_min"].as_u64().unwrap() >= 6_144);
    let loaded = harness(&["load", text(&printed)]);
    assert_eq!(loaded.status.code(), Some(0), "{}", errors(&loaded));
    let loaded = lines(&loaded).remove(0);
    assert_eq!(loaded["kinds"]["Pod"], 25);
    assert_eq!(loaded["kinds"]["Node"], 3);
    assert_eq!(loaded["broken"], 0);

    // The same bytes again, others from another seed, the same objects when
    // packed, without white space or with more fields.
    assert_eq!(
        fs::read(&printed).unwrap(),
        fs::read(run("b.json", "1", &[]).1).unwrap()
    );
    assert_ne!(
        fs::read(&printed).unwrap(),
        fs::read(run("c.json", "2", &[]).1).unwrap()
    );
    for (name, more) in [
        ("d.json.gz", &[][..]),
        ("e.json", &["--compact"]),
        ("f.json", &["--managed-fields"]),
    ] {
        let other = harness(&["load", text(&run(name, "1", more).1)]);
        assert_eq!(lines(&other)[0]["kinds"], loaded["kinds"], "{name}");
    }
}

#[test]
fn a_dump_is_consolidated_and_its_plan_says_what_is_missing() {
    let folder = folder("dump_plan");
    let (pods, out) = (folder.join("pods_x.csv"), folder.join("out.json"));
    fs::write(&pods, OPENB).unwrap();
    let dump = ["dump", "--pods", "25", "--nodes", "3", "--node-type"];
    let args = ["m6i.xlarge", "--out", text(&out), text(&pods)];
    let output = harness(&[&dump[..], &args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let output = harness(&["consolidate", "--plan", text(&out)]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let line = lines(&output).remove(0);
    assert_eq!(line["missing"], serde_json::Value::Null);
    assert_eq!((&line["violations"], &line["kept"]), (&0.into(), &0.into()));
    assert!(line["cost"].as_f64().unwrap() < line["cost_before"].as_f64().unwrap());
    // Nobody says how large the group of the nodes is: nothing goes in a plan.
    let plan = &line["plan"];
    assert_eq!(plan["removed"], 0);
    assert_eq!(plan["saves_usd_per_month"], 0.0);
    let missing = plan["missing"].as_object().unwrap();
    assert!(
        missing.keys().any(|m| m.contains("node groups")),
        "{missing:?}"
    );
}

#[test]
fn a_dump_needs_a_type_of_the_catalogue_and_an_openb_file() {
    let folder = folder("dump_bad");
    let (pods, out) = (folder.join("pods_x.csv"), folder.join("out.json"));
    fs::write(&pods, OPENB).unwrap();
    let output = harness(&[
        "dump",
        "--node-type",
        "m6i.none",
        "--out",
        text(&out),
        text(&pods),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("--node-type: m6i.none is not in the catalogue"));
    fs::write(&pods, TYPES).unwrap();
    let output = harness(&["dump", "--out", text(&out), text(&pods)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("pods_x.csv: is not a list of openb pods"));
}

#[test]
fn the_catalogue_is_measured_and_compared() {
    let folder = folder("catalog");
    let header = "region,instance_type,usd_per_hour,basis,source";
    let (good, bad) = (folder.join("good.csv"), folder.join("bad.csv"));
    fs::write(&good, format!("{header}\nus-east-1,m6i.large,0.096,L,K\n")).unwrap();
    fs::write(&bad, format!("{header}\nus-east-1,m6i.large,0.1,L,K\n")).unwrap();

    let output = harness(&["catalog", text(&good)]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let measured = lines(&output);
    assert_eq!(measured.len(), 2);
    let line = &measured[0];
    assert_eq!(line["rows"]["types"], 1415);
    assert_eq!(line["rows"]["on_demand"], 22_834);
    for field in [
        "load_seconds",
        "lookup_ns",
        "embedded_bytes",
        "zone_offerings",
    ] {
        assert!(line[field].as_f64().unwrap() > 0.0, "{field}");
    }
    assert!(line.as_object().unwrap().contains_key("load_peak_mb"));
    assert_eq!(measured[1]["violations"], 0);

    let output = harness(&["catalog", text(&bad)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output)[1]["violations"], 1);
    assert!(errors(&output).contains("violation: bad.csv: us-east-1 m6i.large: usd_per_hour"));
}

#[test]
fn messages_are_compared_and_decided() {
    let folder = folder("interruptions");
    let event = |id: &str| {
        json!({
            "version": "0", "id": "e-1", "detail-type": "EC2 Spot Instance Interruption Warning",
            "source": "aws.ec2", "account": "111122223333", "time": "2026-03-03T11:25:35Z",
            "region": "us-east-1", "resources": [format!("arn:aws:ec2:us-east-1a:instance/{id}")],
            "detail": {"instance-id": id, "instance-action": "terminate"},
        })
    };
    let case = |name: &str, kind: &str| {
        let id = "i-0123456789abcdef0";
        let expect = json!({"kind": kind, "instance_ids": [id], "note": "not looked at"});
        json!({"case": name, "body": event(id).to_string(), "expect": expect}).to_string()
    };
    let good = folder.join("good.jsonl");
    fs::write(&good, case("warning", "spot_interruption")).unwrap();
    let output = harness(&[
        "interruptions",
        "--events",
        "500",
        "--soak",
        "1000",
        text(&good),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let line = &lines(&output)[0];
    assert_eq!((&line["messages"], &line["agree"]), (&json!(1), &json!(1)));
    assert_eq!(line["disagree"], json!([]));
    for field in ["events_per_second", "p99_us"] {
        assert!(line[field].as_f64().unwrap() > 0.0, "{field}");
    }
    assert_eq!(line["soak"]["events"], 1000);
    assert_eq!(line["soak"]["remembered_events"], 1000);

    let bad = folder.join("bad.jsonl");
    let both = case("warning", "spot_interruption") + "\n" + &case("other", "rebalance");
    fs::write(&bad, both).unwrap();
    let output = harness(&["interruptions", "--events", "10", text(&bad)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output)[0]["disagree"], json!(["other"]));
    assert!(errors(&output).contains("other: kind should be \"rebalance\""));

    fs::write(&bad, "{}").unwrap();
    let output = harness(&["interruptions", text(&bad)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("bad.jsonl:1: is no case"));
}
