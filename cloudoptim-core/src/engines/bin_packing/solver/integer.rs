//! Small integer programmes, solved by branch and bound through `good_lp`.
//!
//! No solver's word is taken: an answer is read as whole numbers, which are then
//! judged by all rows, in integers. Work is bounded by nodes of the tree, never
//! by a clock.

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
pub(super) const SOLVERS: &[Solver] = &[microlp];

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
