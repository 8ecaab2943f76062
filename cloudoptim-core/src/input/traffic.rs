//! Traffic between workloads as CSV.

use super::log::Log;
use super::raw::clean;
use super::report::Broken;
use super::slot::Slot;
use crate::model::{TrafficEdge, ZoneId};

/// Columns that must be there, in any order.
const COLUMNS: [&str; 7] = [
    "from_namespace",
    "from_workload",
    "from_zone_id",
    "to_namespace",
    "to_workload",
    "to_zone_id",
    "bytes_per_day",
];

/// A column and what is wrong with it.
type Why = (&'static str, String);

fn fields(line: &str) -> Vec<&str> {
    line.split(',')
        .map(|f| f.trim().trim_matches('"'))
        .collect()
}

/// Whether the first line names the columns of traffic.
pub(super) fn is_traffic(text: &str) -> bool {
    let header = fields(text.lines().next().unwrap_or_default());
    COLUMNS.iter().all(|column| header.contains(column))
}

/// Reads every row; a broken one is reported and left out.
pub(super) fn read(file: &str, text: &str, slot: &mut Slot<TrafficEdge>, report: &mut Log) {
    slot.seen.listed = true;
    let mut lines = text.lines().enumerate();
    let header = fields(lines.next().map_or("", |(_, line)| line));
    let index = |name: &str| header.iter().position(|h| *h == name);
    let places = COLUMNS.map(index);
    let opened = index("opened_by_sender");
    let known = places.iter().chain([&opened]).flatten().count();
    let skipped = u64::try_from(header.len().saturating_sub(known)).unwrap_or(u64::MAX);
    // What ends in the middle of a line may be cut, and its last number another.
    let cut = (!text.ends_with('\n')).then(|| text.lines().count().saturating_sub(1));
    let fail = |slot: &mut Slot<TrafficEdge>, report: &mut Log, number: usize, why: Why| {
        let object = Broken {
            file: file.to_owned(),
            kind: "TrafficEdge".to_owned(),
            name: format!("line {}", number.saturating_add(1)),
            field: why.0.to_owned(),
            message: why.1,
            ..Broken::default()
        };
        slot.seen.broken = slot.seen.broken.saturating_add(1);
        slot.seen.first.get_or_insert_with(|| object.to_string());
        report.break_off(object);
    };
    let no_end = || ("", "no line end: the file may be cut".to_owned());
    if cut == Some(0) {
        fail(slot, report, 0, no_end());
    }
    for (number, line) in lines {
        if line.trim().is_empty() {
            continue;
        }
        let row = fields(line);
        let cell =
            |place: Option<usize>| place.and_then(|p| row.get(p)).copied().unwrap_or_default();
        let [
            from_namespace,
            from_workload,
            from_zone,
            to_namespace,
            to_workload,
            to_zone,
            bytes,
        ] = places.map(cell);
        let bytes_per_day = bytes.parse::<u64>();
        let problem = if cut == Some(number) {
            Some(no_end())
        } else if row.len() != header.len() {
            Some((
                "",
                format!("{} fields where the header has {}", row.len(), header.len()),
            ))
        } else if bytes_per_day.is_err() {
            Some(("bytes_per_day", "not a whole number of bytes".to_owned()))
        } else if from_zone.is_empty() || to_zone.is_empty() {
            Some(("zone", "missing or empty".to_owned()))
        } else {
            None
        };
        if let Some(why) = problem {
            fail(slot, report, number, why);
            continue;
        }
        let text = |s: &str| clean(s).into_owned();
        slot.items.push(TrafficEdge {
            from_namespace: text(from_namespace),
            from_workload: text(from_workload),
            from_zone: ZoneId::new(text(from_zone)),
            to_namespace: text(to_namespace),
            to_workload: text(to_workload),
            to_zone: ZoneId::new(text(to_zone)),
            bytes_per_day: bytes_per_day.unwrap_or_default(),
            opened_by_sender: match cell(opened) {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
        });
        report.count("TrafficEdge");
        report.skip_fields("TrafficEdge", skipped);
    }
}
