//! What the rules of the clusters cost, and what their pods would need anew.

use cloudoptim_core::engines::bin_packing::solver::Effort;
use cloudoptim_core::engines::bin_packing::{Pricing, Purchase, constraint_prices, green_field};
use cloudoptim_core::engines::{EngineError, Inputs};
use std::fmt::Write as _;

/// Dearest rules that are printed of each cluster.
const SHOWN: usize = 5;

/// The dearest rules of each cluster, `most` of them tried.
pub(crate) fn dearest(inputs: &Inputs<'_>, most: u32) -> Result<String, EngineError> {
    let pricing = Pricing::default().with_most(most);
    let config = &inputs.policy.bin_packing;
    let mut out = String::new();
    for cluster in &inputs.snapshot.clusters {
        let answer = constraint_prices(config, inputs, &cluster.uid, &pricing)?;
        let _ = writeln!(out, "\nRules of {}, dearest first:", cluster.uid);
        for rule in answer.prices.iter().take(SHOWN) {
            let _ = writeln!(out, "  {rule}");
        }
        let rest = answer.prices.len().saturating_sub(SHOWN);
        let together = answer.together_per_month;
        let together = together.map_or("not known".to_owned(), |usd| usd.to_string());
        let _ = writeln!(
            out,
            "  and {rest} more; all that were tried together: {together}"
        );
        let (anew, effort) = (Purchase::default(), Effort::default());
        let answer = green_field(config, inputs, &cluster.uid, &anew, &effort)?;
        let _ = writeln!(out, "Bought anew on demand: {answer}");
    }
    Ok(out)
}
