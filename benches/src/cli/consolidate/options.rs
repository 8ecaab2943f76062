//! What `consolidate` is asked.

use crate::cli::{Usage, number, value};
use crate::process::deadline_in;
use crate::wishes::Wish;
use cloudoptim_core::input::InputOptions;
use cloudoptim_core::model::MicroUsdPerHour;
use cloudoptim_core::providers::Deadline;
use std::path::PathBuf;

/// What may be launched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Launch {
    /// More of what is there, and the types of `--types` or, without that
    /// option, the catalogue's types of the families that are there.
    #[default]
    Types,
    /// More of what is there.
    Copies,
    /// Nothing: nodes only go.
    Nothing,
}

#[derive(Default)]
pub(super) struct Options {
    pub(super) paths: Vec<PathBuf>,
    pub(super) types: Option<PathBuf>,
    pub(super) launch: Option<Launch>,
    pub(super) scene: Option<String>,
    pub(super) nodes: Option<usize>,
    pub(super) keep: f64,
    pub(super) seed: u64,
    pub(super) move_price: Option<MicroUsdPerHour>,
    pub(super) input: InputOptions,
    pub(super) node_share: u32,
    pub(super) zone_share: u32,
    pub(super) plan: bool,
    pub(super) keep_others: bool,
    pub(super) keep_unknown_minima: bool,
    pub(super) anew: bool,
    pub(super) baselines: bool,
    pub(super) wish: Option<Wish>,
    deadline_ms: Option<u32>,
    pub(super) json: bool,
}

impl Options {
    pub(super) fn parse(args: Vec<String>) -> Result<Self, Usage> {
        let mut options = Self {
            nodes: None,
            keep: 0.7,
            seed: 1,
            node_share: 100,
            zone_share: 100,
            ..Self::default()
        };
        options.input.complete = true;
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--types" => options.types = Some(value(&arg, &mut args)?.into()),
                "--launch" => {
                    options.launch = Some(match value(&arg, &mut args)?.as_str() {
                        "types" => Launch::Types,
                        "copies" => Launch::Copies,
                        "nothing" => Launch::Nothing,
                        other => {
                            return Err(Usage(format!(
                                "--launch must be types, copies or nothing, got {other:?}"
                            )));
                        }
                    });
                }
                "--scene" => options.scene = Some(value(&arg, &mut args)?),
                "--nodes" => options.nodes = Some(number(&arg, &mut args)?),
                "--keep" => {
                    options.keep = number(&arg, &mut args)?;
                    if !(0.0..=1.0).contains(&options.keep) {
                        return Err(Usage(format!(
                            "--keep must be from 0 to 1, got {}",
                            options.keep
                        )));
                    }
                }
                "--seed" => options.seed = number(&arg, &mut args)?,
                "--move-price" => {
                    let usd: f64 = number(&arg, &mut args)?;
                    let price = MicroUsdPerHour::from_usd(usd).filter(|p| p.0 >= 0);
                    options.move_price = Some(price.ok_or_else(|| {
                        Usage(format!("--move-price must not be below zero, got {usd}"))
                    })?);
                }
                "--region" => options.input.region = Some(value(&arg, &mut args)?.into()),
                "--node-share" => options.node_share = percent(&arg, &mut args)?,
                "--zone-share" => options.zone_share = percent(&arg, &mut args)?,
                "--plan" => options.plan = true,
                "--keep-others" => options.keep_others = true,
                "--keep-unknown-minima" => options.keep_unknown_minima = true,
                "--anew" => options.anew = true,
                "--baselines" => options.baselines = true,
                "--prefer" => {
                    let wish = value(&arg, &mut args)?.parse();
                    options.wish = Some(wish.map_err(Usage)?);
                }
                "--deadline-ms" => options.deadline_ms = Some(number(&arg, &mut args)?),
                "--json" => options.json = true,
                _ if arg.starts_with("--") => {
                    return Err(Usage(format!("unknown option {arg}")));
                }
                _ => options.paths.push(arg.into()),
            }
        }
        if options.paths.is_empty() && options.scene.is_none() {
            return Err(Usage("consolidate needs a path".to_owned()));
        }
        if let Some(scene) = &options.scene
            && !["uniform", "mixed", "rightsized", "scaled-down"].contains(&scene.as_str())
        {
            return Err(Usage(format!(
                "--scene must be uniform, mixed, rightsized or scaled-down, got {scene:?}"
            )));
        }
        if options.wish.is_some() && options.scene.is_none() {
            return Err(Usage("--prefer needs --scene".to_owned()));
        }
        Ok(options)
    }

    /// When searches that begin now have to end.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.deadline_ms.map(deadline_in)
    }
}

fn percent(arg: &str, args: &mut impl Iterator<Item = String>) -> Result<u32, Usage> {
    let percent: u32 = number(arg, args)?;
    if !(1..=100).contains(&percent) {
        return Err(Usage(format!("{arg} must be from 1 to 100, got {percent}")));
    }
    Ok(percent)
}
