//! What some pods would rather have, as `--prefer` states it.

use crate::instance::{Assignment, Instance};
use crate::load::TypeRow;
use crate::scene::Scene;
use cloudoptim_core::engines::bin_packing::solver::{Dislike, Fleet, Mask, Problem};
use cloudoptim_core::model::MicroUsdPerHour;
use std::str::FromStr;

/// Some classes of pods that would rather be on machines whose names begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// How the names begin.
    pub prefix: String,
    /// What each pod elsewhere costs beside.
    pub cost: MicroUsdPerHour,
    /// How many of a hundred classes, in the order of what they ask for.
    pub percent: usize,
}

impl FromStr for Wish {
    type Err = String;

    /// Reads `PREFIX=USD` or `PREFIX=USD:PERCENT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a wish must be PREFIX=USD[:PERCENT], got {text:?}");
        let (prefix, rest) = text.split_once('=').ok_or_else(wrong)?;
        let (usd, percent) = match rest.split_once(':') {
            Some((usd, percent)) => (usd, percent.parse().map_err(|_| wrong())?),
            None => (rest, 100),
        };
        let usd: f64 = usd.parse().map_err(|_| wrong())?;
        if !(0.0..=100.0).contains(&usd) || percent > 100 {
            return Err(wrong());
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            cost: MicroUsdPerHour((usd * 1e6).round() as i64),
            percent,
        })
    }
}

impl Wish {
    /// Whether the class of that number has it: spread evenly over all of them.
    fn is_of(&self, class: usize) -> bool {
        class * 37 % 100 < self.percent
    }

    /// Puts it into the problem.
    pub(crate) fn put_into(&self, instance: &Instance, problem: &mut Problem) {
        let names = instance.machines.iter().enumerate();
        let others = names.filter(|(_, m)| !m.name.starts_with(&self.prefix));
        let types = Mask::only(others.map(|(at, _)| at));
        for (number, class) in problem.classes.iter_mut().enumerate() {
            if self.is_of(number) {
                class.dislikes.push(Dislike {
                    types: types.clone(),
                    zones: Mask::All,
                    nodes: Mask::NONE,
                    cost: self.cost,
                });
            }
        }
    }

    /// Puts it into the numbers of a scene, in which these types may be bought.
    pub(crate) fn put_into_fleet(&self, scene: &Scene, buy: &[TypeRow], fleet: &mut Fleet) {
        let (nodes, types) = self.elsewhere(scene, buy);
        for (number, class) in fleet.problem.classes.iter_mut().enumerate() {
            if self.is_of(number) {
                class.dislikes.push(Dislike {
                    types: types.clone(),
                    zones: Mask::All,
                    nodes: nodes.clone(),
                    cost: self.cost,
                });
            }
        }
    }

    /// The fleet in which those that have it come to nothing else.
    pub(crate) fn as_rule_of_fleet(&self, scene: &Scene, buy: &[TypeRow], fleet: &mut Fleet) {
        let (nodes, types) = self.elsewhere(scene, buy);
        let all = scene.nodes.len();
        for (number, class) in fleet.problem.classes.iter_mut().enumerate() {
            if self.is_of(number) {
                class.nodes = Mask::only((0..all).filter(|n| !nodes.contains(*n)));
                class.types = Mask::only((0..buy.len()).filter(|t| !types.contains(*t)));
            }
        }
    }

    /// Nodes and types that are not what is asked for.
    fn elsewhere(&self, scene: &Scene, buy: &[TypeRow]) -> (Mask, Mask) {
        let other = |of: &TypeRow| !of.name.starts_with(&self.prefix);
        let nodes = scene.nodes.iter().enumerate();
        let nodes = nodes.filter(|(_, (t, _))| other(&scene.types[*t]));
        let types = buy.iter().enumerate().filter(|(_, of)| other(of));
        (
            Mask::only(nodes.map(|(at, _)| at)),
            Mask::only(types.map(|(at, _)| at)),
        )
    }

    /// The problem with the wish as a rule, where a pod fits on what it asks for.
    pub(crate) fn as_rule(&self, instance: &Instance, problem: &mut Problem) {
        let wanted: Vec<usize> = (0..instance.machines.len())
            .filter(|m| instance.machines[*m].name.starts_with(&self.prefix))
            .collect();
        for (number, class) in problem.classes.iter_mut().enumerate() {
            let fits = wanted.iter().any(|m| {
                let has = &instance.machines[*m].amounts;
                class.demand.iter().zip(has).all(|(d, has)| d <= has)
            });
            if self.is_of(number) && fits {
                class.types = Mask::only(wanted.iter().copied());
            }
        }
    }

    /// What pods cost beside where they stand, pod by pod. `groups` are the pods of
    /// each class.
    pub(crate) fn broken(
        &self,
        instance: &Instance,
        assignment: &Assignment,
        groups: &[Vec<usize>],
    ) -> i64 {
        let mut has = vec![false; instance.pods.len()];
        for (number, pods) in groups.iter().enumerate() {
            for pod in pods.iter().filter(|_| self.is_of(number)) {
                has[*pod] = true;
            }
        }
        let mut sum = 0;
        for node in &assignment.nodes {
            let name = &instance.machines[node.machine].name;
            if !name.starts_with(&self.prefix) {
                let pods = node.pods.iter().filter(|(pod, _)| has[*pod]);
                sum += self.cost.0 * pods.count() as i64;
            }
        }
        sum
    }
}
