//! Documents that are kept as they are: they say the same, and no more.

use chrono::DateTime;
use cloudoptim_core::input::{InputOptions, Loader, redacted};
use cloudoptim_core::model::Snapshot;

fn shop() -> Vec<(String, Vec<u8>)> {
    let root = format!("{}/../examples/data/shop", env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(format!("{root}/k8s")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        files.push((name, std::fs::read(&path).unwrap()));
    }
    files.sort();
    files
}

fn odd() -> Vec<(String, Vec<u8>)> {
    let of_kubernetes = |name: &&&str| !name.contains("describe") && !name.contains("offhours");
    let names = super::ALL.iter().filter(of_kubernetes);
    names
        .map(|name| ((*name).to_owned(), super::stored(name)))
        .collect()
}

fn snapshot<'a>(
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(Snapshot, u64), String> {
    let mut options = InputOptions::default();
    options.taken_at = DateTime::from_timestamp(1_790_000_000, 0);
    let mut loader = Loader::new(options);
    for (name, bytes) in files {
        loader.add(name, bytes);
    }
    let loaded = loader.finish().map_err(|error| error.to_string())?;
    Ok((loaded.snapshot, loaded.report.broken_count))
}

/// Each file alone, for the fixtures are of several clusters.
fn says_the_same(files: &[(String, Vec<u8>)]) -> usize {
    let mut compared = 0;
    for (name, bytes) in files {
        let Some(kept) = redacted(bytes) else {
            continue;
        };
        let mut whole = snapshot(std::iter::once((name.as_str(), bytes.as_slice())));
        let mut less = snapshot(std::iter::once((name.as_str(), kept.as_bytes())));
        // Series without a use are counted by labels that are not kept.
        for (found, _) in [&mut whole, &mut less].into_iter().flatten() {
            for cluster in &mut found.clusters {
                if let Some(usage) = cluster.usage.value_mut() {
                    usage.left_out.clear();
                }
            }
        }
        match (whole, less) {
            (Ok(whole), Ok(less)) => assert!(whole == less, "{name}"),
            (whole, less) => assert_eq!(whole.is_err(), less.is_err(), "{name}"),
        }
        compared += 1;
    }
    compared
}

#[test]
fn a_redacted_document_is_read_as_the_whole_one() {
    let shop = shop();
    assert_eq!(says_the_same(&shop), shop.len());
    assert!(says_the_same(&odd()) >= 8);
}

#[test]
fn redacting_twice_changes_nothing_more() {
    for (name, bytes) in shop() {
        let once = redacted(&bytes).unwrap();
        let twice = redacted(once.as_bytes()).unwrap();
        assert_eq!(once, twice, "{name}");
    }
}

#[test]
fn what_is_of_no_known_form_is_not_kept() {
    for body in [
        "ok",
        "[]",
        "{}",
        r#"{"kind":"Status"}"#,
        r#"{"a":"hunter2"}"#,
    ] {
        assert_eq!(redacted(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn of_an_answer_about_usage_only_known_labels_stay() {
    let kept = redacted(
        br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":
            {"__name__":"x","pod":"p","namespace":"n","secret_label":"hunter2"},"value":[1,"2"]}]},
            "warnings":["hunter2"]}"#,
    )
    .unwrap();
    assert!(kept.contains("\"pod\":\"p\"") && kept.contains("warnings"));
    assert!(!kept.contains("hunter2"), "{kept}");
    let kept = redacted(
        br#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[
            {"metadata":{"name":"p","namespace":"n","labels":{"a":"hunter2"}},"window":"30s",
             "timestamp":"2026-01-01T00:00:00Z","containers":[{"name":"c","usage":{"cpu":"1m"}}]}]}"#,
    )
    .unwrap();
    assert!(
        kept.contains("\"cpu\":\"1m\"") && !kept.contains("hunter2"),
        "{kept}"
    );
}
