//! Traffic from its CSV form.

use crate::model::TrafficEdge;

/// First line of the CSV form.
pub(super) const HEADER: &str = "from_namespace,from_workload,from_zone_id,to_namespace,\
to_workload,to_zone_id,bytes_per_day";

/// Reads the CSV form: seven columns, no quotes, as names and ids need none.
/// The second part is what is wrong, with the line.
pub(super) fn edges(text: &str) -> (Vec<TrafficEdge>, Vec<(usize, String)>) {
    let (mut edges, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate().skip(1) {
        if line.trim().is_empty() {
            continue;
        }
        match edge(line) {
            Ok(edge) => edges.push(edge),
            Err(message) => problems.push((index + 1, message)),
        }
    }
    (edges, problems)
}

fn edge(line: &str) -> Result<TrafficEdge, String> {
    let columns: Vec<&str> = line.trim_end_matches('\r').split(',').collect();
    let [
        from_namespace,
        from_workload,
        from_zone,
        to_namespace,
        to_workload,
        to_zone,
        amount,
    ] = columns.as_slice()
    else {
        return Err(format!("must have 7 columns, has {}", columns.len()));
    };
    Ok(TrafficEdge {
        from_namespace: (*from_namespace).to_owned(),
        from_workload: (*from_workload).to_owned(),
        from_zone: (*from_zone).into(),
        to_namespace: (*to_namespace).to_owned(),
        to_workload: (*to_workload).to_owned(),
        to_zone: (*to_zone).into(),
        bytes_per_day: amount
            .parse()
            .map_err(|_| format!("bytes_per_day must be a whole number, got {amount:?}"))?,
        opened_by_sender: None,
    })
}
