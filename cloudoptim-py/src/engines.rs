//! The eight engines' settings, and the joint run.

use crate::clock::Watch;
use crate::errors::{ConfigError, chain};
use crate::plan::{Made, Plan, catalog, from_dict};
use crate::settings::{SettingsClass, install, settings};
use crate::snapshot::Snapshot;
use chrono::TimeDelta;
use cloudoptim_core::engines::{self, EngineId, Inputs};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::Deadline;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::sync::Arc;

/// Makes one class of settings per engine, and the two functions that must know
/// them all.
macro_rules! engines {
    ($($(#[$meta:meta])* $name:ident($id:ident) = $field:ident;)*) => {
        $(settings! { $(#[$meta])* $name = engines::$field::Config })*

        /// Gives the classes their attributes and signatures.
        pub(crate) fn install_all(py: Python<'_>) -> PyResult<()> {
            $(install::<$name>(py)?;)*
            Ok(())
        }

        /// Puts an engine's settings into the policy, and says which engine's.
        fn set(policy: &mut Policy, engine: &Bound<'_, PyAny>) -> PyResult<EngineId> {
            $(if let Ok(settings) = engine.cast::<$name>() {
                policy.$field = settings.get().config().clone();
                return Ok(EngineId::$id);
            })*
            let known = EngineId::ALL.map(EngineId::as_str);
            if let Ok(name) = engine.cast::<PyString>() {
                let name = name.to_str()?;
                let id = EngineId::ALL.into_iter().find(|id| id.as_str() == name);
                return id.ok_or_else(|| ConfigError::new_err(format!(
                    "engines: unknown engine {name:?}: there are {}",
                    known.join(", ")
                )));
            }
            Err(ConfigError::new_err(format!(
                "engines: {} is neither an engine's settings nor its name",
                engine.repr()?
            )))
        }
    };
}

engines! {
    /// Settings of the engine that moves workloads to spot capacity.
    Spot(Spot) = spot;
    /// Settings of the engine that empties nodes and removes them.
    BinPacking(BinPacking) = bin_packing;
    /// Settings of the engine that sizes the requests of containers.
    Rightsizing(Rightsizing) = rightsizing;
    /// Settings of the engine that puts workloads to sleep outside office hours.
    OfficeHours(OfficeHours) = office_hours;
    /// Settings of the engine that finds instances which no cluster knows.
    GhostProbe(GhostProbe) = ghost_probe;
    /// Settings of the engine that finds volumes which nobody uses.
    ZombieVolumes(ZombieVolumes) = zombie_volumes;
    /// Settings of the engine that keeps traffic within its zone.
    Network(Network) = network;
    /// Settings of the engine that answers out-of-memory kills.
    Oom(Oom) = oom;
}

/// Asks the engines and makes one plan of their answers.
///
/// Pure, but for a `deadline`: the same arguments give the same plan, and nothing is
/// changed.
///
/// `engines` names those that run, as settings such as `Oom(...)` or by name;
/// by default all eight with their default settings. `policy`, `ledgers` and
/// `overlay` are dicts of their JSON: what is wanted and forbidden, what earlier
/// runs saw, and changes laid over the snapshot, that is, a what-if.
///
/// With a `deadline` the packing ends its search so long after the call, with the
/// best that it has; nodes that were not tried say `out_of_time`. What it has by then
/// depends on the machine. Without one the same arguments give the same bytes.
///
/// >>> import cloudoptim as co
/// >>> snapshot = co.Snapshot.from_json('{"version": 1, "taken_at": "2026-11-22T02:30:00Z"}')
/// >>> co.optimize(snapshot, engines=[co.Oom(), "ghost_probe"])
/// Plan(steps=0, declined=0, saves_usd_per_month=0.00)
///
/// Raises `ConfigError` for settings and input that cannot be meant.
#[pyfunction]
#[pyo3(signature = (
    snapshot: "Snapshot",
    /,
    *,
    engines: "collections.abc.Iterable[Spot | BinPacking | Rightsizing | OfficeHours | GhostProbe | ZombieVolumes | Network | Oom | str] | None" = None,
    policy: "dict[str, typing.Any] | None" = None,
    ledgers: "dict[str, typing.Any] | None" = None,
    overlay: "dict[str, typing.Any] | None" = None,
    deadline: "datetime.timedelta | None" = None
) -> "Plan")]
pub(crate) fn optimize(
    snapshot: &Bound<'_, Snapshot>,
    engines: Option<&Bound<'_, PyAny>>,
    policy: Option<&Bound<'_, PyDict>>,
    ledgers: Option<&Bound<'_, PyDict>>,
    overlay: Option<&Bound<'_, PyDict>>,
    deadline: Option<TimeDelta>,
) -> PyResult<Plan> {
    let deadline = deadline.map(|span| Deadline::after(Arc::new(Watch::start()), span));
    let mut policy: Policy = from_dict("policy", policy)?;
    if let Some(engines) = engines {
        if engines.is_instance_of::<PyString>() {
            return Err(ConfigError::new_err(
                "engines: must be several, got one str",
            ));
        }
        policy.engines.clear();
        for engine in engines.try_iter()? {
            let id = set(&mut policy, &engine?)?;
            if !policy.engines.insert(id) {
                return Err(ConfigError::new_err(format!(
                    "engines: {id} is given twice"
                )));
            }
        }
    }
    policy
        .plan
        .validate()
        .map_err(|err| ConfigError::new_err(format!("policy.plan: {}", chain(&err))))?;
    let made = Made {
        from: snapshot.get().0.clone(),
        policy,
        ledgers: from_dict("ledgers", ledgers)?,
        overlay: from_dict("overlay", overlay)?,
    };
    let catalog = catalog()?;
    let inputs = Inputs {
        deadline: deadline.as_ref(),
        ..made.inputs(catalog)
    };
    let plan = snapshot
        .py()
        .detach(|| cloudoptim_core::optimize::optimize(&inputs))
        .map_err(|err| ConfigError::new_err(chain(&err)))?;
    Ok(Plan::new(plan, made))
}
