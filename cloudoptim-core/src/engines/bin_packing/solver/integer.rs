//! Small integer programmes, solved by branch and bound through `good_lp`.
//!
//! By microlp, which is Rust; with feature `highs` by HiGHS, which is C++, and by
//! microlp where that fails. Which of several answers of the same cost is given
//! may differ between the two, and so may the best one found when the work is
//! done; either gives the same for the same programme. HiGHS keeps its threads for
//! as long as the thread that asked it lives: it fails here where the caller asked
//! it itself on this thread, for more than one.
//!
//! No solver's word is taken: an answer is read as whole numbers, which are then
//! judged by all rows, in integers. Work is bounded by nodes of the tree, never
//! by a clock, on one thread.

use good_lp::solvers::Solver as Backend;
use good_lp::{Expression, ProblemVariables, SolverModel, Variable, variable};

/// `Σ cost × n` is to be as small as can be, every `n` whole and from 0 to its
/// most.
#[derive(Debug, Clone, Default)]
pub(super) struct Programme {
    /// Cost of one of each, and the most of it.
    pub(super) columns: Vec<(u64, u32)>,
    pub(super) rows: Vec<Row>,
}

/// `Σ part × n` has to be at least or at most `bound`.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) parts: Vec<(usize, u64)>,
    pub(super) holds: Holds,
    pub(super) bound: u64,
}

/// Which way a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    AtLeast,
    AtMost,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// How many of each: every row holds. The best there is, or the best found
    /// when the work was done.
    Found(Vec<u32>),
    /// No numbers meet all rows.
    Nothing,
    /// The work was done before any were found.
    Open,
    /// Every solver failed, or what it said breaks a row.
    Failed,
}

/// What a solver says, before anyone has judged it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// How many of each.
    Values(Vec<f64>),
    /// No numbers meet all rows.
    Infeasible,
    /// The work was done before any were found.
    Open,
    /// Anything else.
    Failed,
}

/// Goes through at most so many nodes of the tree.
pub(super) type Solver = fn(&Programme, u64) -> Said;

/// The solvers there are. The next is asked only where the one before failed, or
/// said what breaks a row.
pub(super) const SOLVERS: &[Solver] = &[
    #[cfg(feature = "highs")]
    highs,
    microlp,
];

/// Branch and bound in Rust.
fn microlp(programme: &Programme, nodes: u64) -> Said {
    let model = programme.model(good_lp::microlp);
    let mut options = microlp::SolveOptions::default();
    options.node_limit = Some(nodes);
    let solution = match model.as_inner().solve_with(options) {
        Ok(outcome) => outcome.into_solution(),
        Err(microlp::Error::Infeasible) => return Said::Infeasible,
        Err(_) => return Said::Failed,
    };
    match solution {
        Ok(solution) => Said::Values(solution.iter().map(|(_, value)| value).collect()),
        Err(_) => Said::Open,
    }
}

/// HiGHS, on the thread that asks. Its log stays off, and it is given no time to
/// end by; cuts, heuristics and programmes in programmes are bounded by counts of
/// its own.
#[cfg(feature = "highs")]
fn highs(programme: &Programme, nodes: u64) -> Said {
    use good_lp::ResolutionError;
    use good_lp::solvers::highs::HighsParallelType;
    if programme.columns.is_empty() {
        return Said::Failed; // it does not say whether the rows hold
    }
    let model = programme
        .model(good_lp::highs)
        .set_parallel(HighsParallelType::Off)
        .set_threads(1)
        .set_option("random_seed", 0)
        .set_option("mip_max_nodes", i32::try_from(nodes).unwrap_or(i32::MAX))
        .set_option("mip_rel_gap", 0.0)
        // Half of what two covers of unlike cost differ by at least.
        .set_option("mip_abs_gap", programme.unit() / 2.0);
    match model.solve() {
        Ok(solution) => Said::Values(solution.into_inner().columns().to_vec()),
        Err(ResolutionError::Infeasible) => Said::Infeasible,
        // Its words for the end of the work without any numbers.
        Err(ResolutionError::Other("NoSolutionFound")) => Said::Open,
        Err(_) => Said::Failed,
    }
}

impl Programme {
    /// What the solvers that there are make of it, each going through at most
    /// `nodes` nodes of the tree.
    pub(super) fn solve(&self, solvers: &[Solver], nodes: u64) -> Answer {
        for solver in solvers {
            match solver(self, nodes) {
                Said::Values(values) => {
                    if let Some(counts) = self.checked(&values) {
                        return Answer::Found(counts);
                    }
                }
                Said::Infeasible => return Answer::Nothing,
                Said::Open => return Answer::Open,
                Said::Failed => {}
            }
        }
        Answer::Failed
    }

    /// What a unit of cost is in the model.
    fn unit(&self) -> f64 {
        let dearest = self.columns.iter().map(|(cost, _)| *cost).max();
        1.0 / dearest.unwrap_or(1).max(1) as f64
    }

    /// The programme in the words of a solver.
    fn model<B: Backend>(&self, backend: B) -> B::Model {
        // Like amounts in all rows, whatever the currency.
        let scale = self.unit();
        let mut vars = ProblemVariables::new();
        let list: Vec<Variable> = self
            .columns
            .iter()
            .map(|(_, most)| {
                let most = f64::from((*most).min(1 << 30));
                vars.add(variable().integer().min(0.0).max(most))
            })
            .collect();
        let sum = |parts: &mut dyn Iterator<Item = (usize, f64)>| -> Expression {
            let terms = parts.filter_map(|(i, part)| Some(part * *list.get(i)?));
            terms.sum()
        };
        let costs = self.columns.iter().map(|(cost, _)| *cost as f64 * scale);
        let mut model = vars.minimise(sum(&mut costs.enumerate())).using(backend);
        for row in &self.rows {
            // Rows of money are scaled as costs are.
            let most = row.parts.iter().map(|(_, part)| *part).max().unwrap_or(1);
            let scale = if most > 1 << 20 {
                1.0 / most as f64
            } else {
                1.0
            };
            let parts = row.parts.iter().map(|(i, part)| (*i, *part as f64 * scale));
            let (all, bound) = (sum(&mut { parts }), row.bound as f64 * scale);
            model = model.with(match row.holds {
                Holds::AtLeast => all.geq(bound),
                Holds::AtMost => all.leq(bound),
            });
        }
        model
    }

    /// The values as whole numbers, if they are and every row holds.
    fn checked(&self, values: &[f64]) -> Option<Vec<u32>> {
        if values.len() != self.columns.len() {
            return None;
        }
        let counts: Vec<u32> = values
            .iter()
            .zip(&self.columns)
            .map(|(value, (_, most))| {
                let whole = value.round();
                let near = (value - whole).abs() < 1e-3 && whole >= 0.0;
                (near && whole <= f64::from(*most)).then_some(whole as u32)
            })
            .collect::<Option<_>>()?;
        let holds = self.rows.iter().all(|row| {
            let parts = row.parts.iter();
            let sum: u128 = parts
                .map(|(i, part)| {
                    u128::from(*part) * u128::from(counts.get(*i).copied().unwrap_or(0))
                })
                .sum();
            match row.holds {
                Holds::AtLeast => sum >= u128::from(row.bound),
                Holds::AtMost => sum <= u128::from(row.bound),
            }
        });
        holds.then_some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knapsacks of 10 with 6, 5 and 4: two of five, or six and four.
    fn cover(money: u64) -> Programme {
        let row = |parts: Vec<(usize, u64)>, bound| Row {
            parts,
            holds: Holds::AtLeast,
            bound,
        };
        Programme {
            columns: vec![(10, 9), (10, 9), (7, 9)],
            rows: vec![
                row(vec![(0, 1)], 3),
                row(vec![(1, 2), (2, 1)], 5),
                row(vec![(0, 1), (2, 1)], 4),
                Row {
                    parts: vec![(0, 10), (1, 10), (2, 7)],
                    holds: Holds::AtMost,
                    bound: money,
                },
            ],
        }
    }

    #[test]
    fn the_cheapest_whole_numbers_are_found() {
        // 3 of the first, 2 of the second, 1 of the third: 57.
        let found = Answer::Found(vec![3, 2, 1]);
        for solver in SOLVERS {
            assert_eq!(cover(100).solve(&[*solver], 100), found);
            assert_eq!(cover(57).solve(&[*solver], 100), found);
        }
    }

    #[test]
    fn that_there_are_none_is_an_answer() {
        for solver in SOLVERS {
            assert_eq!(cover(56).solve(&[*solver], 100), Answer::Nothing);
        }
    }

    #[test]
    fn the_next_solver_is_asked_where_one_fails_or_breaks_a_row() {
        let fails: Solver = |_, _| Said::Failed;
        let breaks: Solver = |_, _| Said::Values(vec![3.0, 2.0, 0.0]);
        let found = Answer::Found(vec![3, 2, 1]);
        assert_eq!(cover(100).solve(&[fails, breaks, microlp], 100), found);
        assert_eq!(cover(100).solve(&[fails, breaks], 100), Answer::Failed);
        assert_eq!(cover(100).solve(&[], 100), Answer::Failed);
    }

    #[test]
    fn work_that_is_done_and_rows_that_cannot_hold_end_the_asking() {
        let never: Solver = |_, _| unreachable!("nobody is left to ask");
        let open: Solver = |_, _| Said::Open;
        assert_eq!(cover(100).solve(&[open, never], 100), Answer::Open);
        let none: Solver = |_, _| Said::Infeasible;
        assert_eq!(cover(100).solve(&[none, never], 100), Answer::Nothing);
    }

    /// Fillings that cover items for no more than some money.
    #[cfg(feature = "highs")]
    fn drawn(seed: u64) -> Programme {
        let mut draws = super::super::proportional::Draws::new(seed);
        let (items, fillings) = (3 + draws.below(8), 6 + draws.below(20));
        let columns: Vec<(u64, u32)> = (0..fillings)
            .map(|_| (1_000 + draws.below(900_000), 30))
            .collect();
        let row = |parts: Vec<(usize, u64)>, holds, bound| Row {
            parts,
            holds,
            bound,
        };
        let mut rows: Vec<Row> = (0..items)
            .map(|item| {
                let parts = (0..fillings as usize).filter_map(|i| {
                    let holds = draws.below(4);
                    (holds > 0 || i as u64 == item % fillings).then_some((i, holds.max(1)))
                });
                row(parts.collect(), Holds::AtLeast, 0)
            })
            .collect();
        for row in &mut rows {
            row.bound = 1 + draws.below(25);
        }
        let money = columns.iter().enumerate().map(|(i, (cost, _))| (i, *cost));
        rows.push(row(
            money.collect(),
            Holds::AtMost,
            1_000_000 * (1 + draws.below(4)),
        ));
        Programme { columns, rows }
    }

    #[cfg(feature = "highs")]
    #[test]
    fn both_solvers_find_the_same_cost_and_highs_the_same_numbers_on_any_thread() {
        let cost = |programme: &Programme, answer: &Answer| match answer {
            Answer::Found(counts) => {
                let each = counts.iter().zip(&programme.columns);
                Some(each.map(|(n, (cost, _))| u64::from(*n) * cost).sum())
            }
            Answer::Nothing => Some(0u64),
            Answer::Open | Answer::Failed => None,
        };
        let mut found = 0;
        for seed in 0..60 {
            let programme = drawn(seed);
            let rust = programme.solve(&[microlp], 1_000_000);
            let highs_first = programme.solve(&[highs], 1_000_000);
            let (a, b) = (cost(&programme, &rust), cost(&programme, &highs_first));
            assert!(a.is_some() && a == b, "{seed}: {rust:?} {highs_first:?}");
            found += u32::from(matches!(rust, Answer::Found(_)));
            let again = std::thread::scope(|s| {
                let other = s.spawn(|| programme.solve(&[highs], 1_000_000));
                other.join().unwrap()
            });
            assert_eq!(again, highs_first, "{seed}");
        }
        assert!((20..60).contains(&found), "{found}");
    }

    #[cfg(feature = "highs")]
    #[test]
    fn highs_ends_with_its_work_and_says_the_same_each_time() {
        for seed in 0..30 {
            let programme = drawn(seed);
            for nodes in [1, 7] {
                let said = programme.solve(&[highs], nodes);
                assert_ne!(said, Answer::Failed, "{seed}");
                assert_eq!(programme.solve(&[highs], nodes), said, "{seed}");
            }
        }
    }

    #[cfg(feature = "highs")]
    #[test]
    fn microlp_answers_where_highs_fails() {
        let on_a_thread_of_its_own = std::thread::spawn(|| {
            // Somebody had HiGHS run on two threads here, so it refuses to on one.
            let other = cover(100).model(good_lp::highs).set_threads(2);
            assert!(other.solve().is_ok());
            assert_eq!(highs(&cover(100), 100), Said::Failed);
            let found = Answer::Found(vec![3, 2, 1]);
            assert_eq!(cover(100).solve(SOLVERS, 100), found);
        });
        on_a_thread_of_its_own.join().unwrap();
    }

    #[test]
    fn an_answer_that_breaks_a_row_is_not_taken() {
        let programme = cover(100);
        assert_eq!(programme.checked(&[3.0, 2.0, 1.0]), Some(vec![3, 2, 1]));
        assert_eq!(programme.checked(&[3.0, 2.0, 0.0]), None);
        assert_eq!(programme.checked(&[3.0, 1.5, 2.0]), None);
        assert_eq!(programme.checked(&[-1.0, 9.0, 9.0]), None);
        assert_eq!(programme.checked(&[3.0, 2.0]), None);
    }
}
