//! Plans: what to do, in order, what was left out, and why.

use crate::convert::serialized;
use crate::errors::{CloudOptimError, ConfigError};
use crate::snapshot::{Parts, parse};
use chrono::{DateTime, Utc};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision;
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan as core;
use cloudoptim_core::policy::Policy;
use cloudoptim_core::report::{self, Report};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// The embedded catalogue, read once.
static CATALOG: LazyLock<Result<Catalog, String>> =
    LazyLock::new(|| Catalog::embedded().map_err(|err| crate::errors::chain(&err)));

/// The embedded catalogue.
pub(crate) fn catalog() -> PyResult<&'static Catalog> {
    CATALOG
        .as_ref()
        .map_err(|err| CloudOptimError::new_err(format!("the embedded catalogue: {err}")))
}

/// What a plan was made from, besides the catalogue.
#[derive(PartialEq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) from: Arc<Parts>,
    pub(crate) policy: Policy,
    pub(crate) ledgers: Ledgers,
    pub(crate) overlay: Overlay,
}

impl Made {
    pub(crate) fn inputs<'a>(&'a self, catalog: &'a Catalog) -> Inputs<'a> {
        Inputs {
            snapshot: &self.from.snapshot,
            overlay: &self.overlay,
            catalog,
            policy: &self.policy,
            ledgers: &self.ledgers,
            deadline: None,
        }
    }
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Whole {
    plan: core::Plan,
    made: Option<Made>,
}

/// What to do, in order and until when; what was left out; and why.
///
/// Data: it can be read, compared, stored and run later or never. Immutable,
/// comparable, hashable by its fingerprint and picklable.
#[pyclass(frozen, eq, module = "cloudoptim")]
#[derive(PartialEq)]
pub(crate) struct Plan(Arc<Whole>);

impl Plan {
    pub(crate) fn new(plan: core::Plan, made: Made) -> Self {
        let made = Some(made);
        Self(Arc::new(Whole { plan, made }))
    }

    /// Calls `render` on a report of this plan, with all that is known of it.
    fn render<T: Send>(
        &self,
        py: Python<'_>,
        title: &str,
        render: impl Fn(&Report<'_>) -> T + Send + Sync,
    ) -> PyResult<T> {
        let catalog = catalog()?;
        let whole = &*self.0;
        Ok(py.detach(|| {
            let report = Report::new(&whole.plan).with_title(title);
            let Some(made) = &whole.made else {
                return render(&report);
            };
            let inputs = made.inputs(catalog);
            let report = report.with_inputs(&inputs);
            match &made.from.load {
                Some(load) => render(&report.with_load(load)),
                None => render(&report),
            }
        }))
    }
}

#[pymethods]
impl Plan {
    /// Reads a plan as `to_json` writes it.
    ///
    /// Raises `ConfigError`, naming the field, for what is not one, and when its
    /// steps are not those that its fingerprint names.
    #[staticmethod]
    #[pyo3(signature = (text: "str", /) -> "Plan")]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        let plan: core::Plan = py.detach(|| parse(text)).map_err(ConfigError::new_err)?;
        let computed = plan.computed_fingerprint();
        if plan.fingerprint != computed {
            return Err(ConfigError::new_err(format!(
                "fingerprint: is {}, that of the plan is {computed}",
                plan.fingerprint
            )));
        }
        Ok(Self(Arc::new(Whole { plan, made: None })))
    }

    /// Digest that names the plan: of what it was made from and of its steps.
    #[getter]
    fn fingerprint(&self) -> &str {
        &self.0.plan.fingerprint.0
    }

    /// Moment of the snapshot that it was made from, in UTC.
    #[getter]
    fn made_at(&self) -> DateTime<Utc> {
        self.0.plan.made_at
    }

    /// From here on no step of it may be done, in UTC.
    #[getter]
    fn expires_at(&self) -> DateTime<Utc> {
        self.0.plan.expires_at
    }

    /// What the steps save, net of what they cost, each dollar once. A month is
    /// 730 hours.
    #[getter]
    fn saves_usd_per_month(&self) -> f64 {
        self.0.plan.totals.saves_per_month.usd()
    }

    /// What the nodes cost now. Nodes without a known price are not in it.
    #[getter]
    fn nodes_usd_per_hour(&self) -> f64 {
        self.0.plan.totals.nodes_per_hour.usd()
    }

    /// What the nodes cost after the steps.
    #[getter]
    fn nodes_usd_per_hour_after(&self) -> f64 {
        self.0.plan.totals.nodes_per_hour_after.usd()
    }

    /// Below this no set of allowed nodes can run the pods; `None` when no bound
    /// could be proven.
    #[getter]
    fn lower_bound_usd_per_hour(&self) -> Option<f64> {
        self.0.plan.totals.lower_bound_per_hour.map(|b| b.usd())
    }

    /// `nodes_usd_per_hour_after` over the lower bound, less one.
    #[getter]
    fn gap(&self) -> Option<f64> {
        self.0.plan.totals.gap()
    }

    /// What to do, in order.
    #[getter]
    fn steps(&self) -> Vec<Step> {
        self.0.plan.steps.iter().cloned().map(Step).collect()
    }

    /// What is not in the steps, decisions to leave something as it is among
    /// them, and why.
    #[getter]
    fn declined(&self) -> Vec<Declined> {
        self.0.plan.declined.iter().cloned().map(Declined).collect()
    }

    /// The plan as the dict of its JSON.
    #[pyo3(signature = () -> "dict[str, typing.Any]")]
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        serialized(py, &self.0.plan)
    }

    /// One flat dict per decision, for a data frame: those of the steps first.
    #[pyo3(signature = () -> "list[dict[str, typing.Any]]")]
    fn to_dicts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.0.plan.rows().iter().map(|row| flat(py, row)).collect()
    }

    /// The plan as JSON, the same for the same plan.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        let mut text = py
            .detach(|| serde_json::to_string_pretty(&self.0.plan))
            .map_err(|err| CloudOptimError::new_err(err.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// The plan as one self-contained HTML page.
    #[pyo3(signature = (*, title: "str" = ""))]
    fn to_html(&self, py: Python<'_>, title: &str) -> PyResult<String> {
        self.render(py, title, report::html)
    }

    /// The plan as a table for a terminal of `width` columns, at least 60.
    #[pyo3(signature = (*, width: "int" = 100, title: "str" = ""))]
    fn to_text(&self, py: Python<'_>, width: usize, title: &str) -> PyResult<String> {
        self.render(py, title, |report| report::text(report, width))
    }

    /// The plan in sentences: the steps, then what is at stake and what is
    /// missing before it could be saved.
    fn explain(&self, py: Python<'_>) -> String {
        py.detach(|| self.0.plan.explain())
    }

    fn _repr_html_(&self) -> String {
        table(&self.0.plan)
    }

    fn __len__(&self) -> usize {
        self.0.plan.steps.len()
    }

    // A plan without steps is still a plan.
    fn __bool__(&self) -> bool {
        true
    }

    fn __hash__(&self) -> u64 {
        hash(&self.0.plan.fingerprint)
    }

    fn __repr__(&self) -> String {
        format!(
            "Plan(steps={}, declined={}, saves_usd_per_month={:.2})",
            self.0.plan.steps.len(),
            self.0.plan.declined.len(),
            self.saves_usd_per_month()
        )
    }

    #[pyo3(signature = () -> "tuple[typing.Any, ...]")]
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let whole = slf.get().0.clone();
        let text = slf.py().detach(|| serde_json::to_string(&*whole));
        let text = text.map_err(|err| CloudOptimError::new_err(err.to_string()))?;
        Ok((slf.get_type().getattr("_restore")?, (text,)))
    }

    #[staticmethod]
    #[pyo3(signature = (state: "str", /) -> "Plan")]
    fn _restore(py: Python<'_>, state: &str) -> PyResult<Self> {
        let whole = py.detach(|| parse(state)).map_err(ConfigError::new_err)?;
        Ok(Self(Arc::new(whole)))
    }
}

/// What every class around one value of the core has: its JSON as a dict, text,
/// a hash, and the way through `pickle`.
macro_rules! value_class {
    ($(#[$meta:meta])* $name:ident($inner:ty) { $($members:tt)* }) => {
        $(#[$meta])*
        #[pyclass(frozen, eq, module = "cloudoptim")]
        #[derive(PartialEq)]
        pub(crate) struct $name($inner);

        #[pymethods]
        impl $name {
            $($members)*

            /// The dict of its JSON.
            #[pyo3(signature = () -> "dict[str, typing.Any]")]
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                serialized(py, &self.0)
            }

            fn __hash__(&self) -> PyResult<u64> {
                Ok(hash(&json(&self.0)?))
            }

            #[pyo3(signature = () -> "tuple[typing.Any, ...]")]
            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<(Bound<'py, PyAny>, (String,))> {
                let restore = slf.get_type().getattr("_restore")?;
                Ok((restore, (json(&slf.get().0)?,)))
            }

            #[classmethod]
            #[pyo3(signature = (state: "str", /) -> "typing.Any")]
            fn _restore(_cls: &Bound<'_, PyType>, state: &str) -> PyResult<Self> {
                parse(state).map(Self).map_err(ConfigError::new_err)
            }
        }
    };
}

value_class! {
    /// One thing to do.
    Step(core::Step) {
        /// Digest that names the step.
        #[getter]
        fn id(&self) -> &str {
            &self.0.id.0
        }

        /// Steps of one decision have one group, counted from 1.
        #[getter]
        fn group(&self) -> u32 {
            self.0.group
        }

        /// The engine that asks for it.
        #[getter]
        fn engine(&self) -> &'static str {
            self.0.engine.as_str()
        }

        /// What it is about, in words.
        #[getter]
        fn subject(&self) -> String {
            self.0.subject.to_string()
        }

        /// What to do, in words.
        #[getter]
        fn action(&self) -> String {
            self.0.action.to_string()
        }

        /// Ids of the steps that must have been done.
        #[getter]
        fn depends_on(&self) -> Vec<&str> {
            self.0.depends_on.iter().map(|id| id.0.as_str()).collect()
        }

        /// Ids of the steps that must be over: done, or left out because their
        /// pods fitted nowhere else when it was looked at again.
        #[getter]
        fn after(&self) -> Vec<&str> {
            self.0.after.iter().map(|id| id.0.as_str()).collect()
        }

        /// What the decision saves, on the last step of its group; else `None`.
        #[getter]
        fn saves_usd_per_month(&self) -> Option<f64> {
            self.0.saves_per_month.map(|saves| saves.usd())
        }

        /// How long it takes, as estimated.
        #[getter]
        fn estimated_seconds(&self) -> u64 {
            self.0.estimated_seconds
        }

        /// Why.
        #[getter]
        fn reasons(&self) -> Vec<Reason> {
            self.0.reasons.iter().cloned().map(Reason).collect()
        }

        fn __str__(&self) -> String {
            sentence(&self.0.action.to_string(), &self.0.reasons)
        }

        fn __repr__(&self) -> String {
            let saves = self.saves_usd_per_month();
            let saves = saves.map_or_else(|| "None".to_owned(), |usd| format!("{usd:.2}"));
            format!("Step({:?}, saves_usd_per_month={saves})", self.action())
        }
    }
}

value_class! {
    /// A decision that is not in the steps, and why.
    Declined(core::Declined) {
        /// The engine that decided.
        #[getter]
        fn engine(&self) -> &'static str {
            self.0.decision.engine.as_str()
        }

        /// What it is about, in words.
        #[getter]
        fn subject(&self) -> String {
            self.0.decision.subject.to_string()
        }

        /// What would have been done, in words; empty for a decision to leave
        /// the subject as it is.
        #[getter]
        fn actions(&self) -> Vec<String> {
            self.0.decision.actions.iter().map(ToString::to_string).collect()
        }

        /// Why it is not in the steps, in words.
        #[getter]
        fn because(&self) -> String {
            self.0.because.to_string()
        }

        /// What it would have saved.
        #[getter]
        fn saves_usd_per_month(&self) -> Option<f64> {
            self.0.decision.saves_per_month.map(|saves| saves.usd())
        }

        /// What could be saved once the missing evidence is there: in no sum.
        #[getter]
        fn at_stake_usd_per_month(&self) -> Option<f64> {
            self.0.decision.at_stake_per_month.map(|stake| stake.usd())
        }

        /// What is missing before an act, in words.
        #[getter]
        fn missing_evidence(&self) -> Vec<String> {
            let missing = &self.0.decision.missing_evidence;
            missing.iter().map(ToString::to_string).collect()
        }

        /// Why the engine decided so.
        #[getter]
        fn reasons(&self) -> Vec<Reason> {
            self.0.decision.reasons.iter().cloned().map(Reason).collect()
        }

        fn __str__(&self) -> String {
            let text = format!("{}: {}", self.subject(), self.0.because);
            sentence(&text, &self.0.decision.reasons)
        }

        fn __repr__(&self) -> String {
            format!("Declined({:?}, because={:?})", self.subject(), self.because())
        }
    }
}

value_class! {
    /// A reason: a stable code with its facts, and a sentence as its `str`.
    Reason(decision::Reason) {
        /// The engine whose reason it is.
        #[getter]
        fn engine(&self) -> String {
            self.0.code().0
        }

        /// The code, which does not change between releases.
        #[getter]
        fn code(&self) -> String {
            self.0.code().1
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("Reason({:?}, {:?})", self.code(), self.0.to_string())
        }
    }
}

fn sentence(what: &str, reasons: &[decision::Reason]) -> String {
    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    format!("{what}: {}", reasons.join("; "))
}

fn json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|err| CloudOptimError::new_err(err.to_string()))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A row with its amounts in dollars.
fn flat<'py>(py: Python<'py>, row: &core::Row) -> PyResult<Bound<'py, PyDict>> {
    let usd = |micro: Option<i64>| micro.map(|micro| micro as f64 / 1e6);
    let row_dict = PyDict::new(py);
    row_dict.set_item("status", row.status)?;
    row_dict.set_item("engine", &row.engine)?;
    row_dict.set_item("subject", &row.subject)?;
    row_dict.set_item("action", &row.action)?;
    row_dict.set_item("saves_usd_per_month", usd(row.saves_micro_usd_per_month))?;
    row_dict.set_item(
        "at_stake_usd_per_month",
        usd(row.at_stake_micro_usd_per_month),
    )?;
    row_dict.set_item("codes", &row.codes)?;
    row_dict.set_item("reasons", &row.reasons)?;
    row_dict.set_item("because", &row.because)?;
    Ok(row_dict)
}

/// Steps that a notebook's table shows before it says how many there are.
const SHOWN: usize = 20;

fn table(plan: &core::Plan) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let mut html = format!(
        "<p>{} steps save {}; {} decisions are not in them.</p>\
         <table><thead><tr><th>step</th><th>saves</th><th>why</th></tr></thead><tbody>",
        plan.steps.len(),
        plan.totals.saves_per_month,
        plan.declined.len(),
    );
    for step in plan.steps.iter().take(SHOWN) {
        let saves = step.saves_per_month.map(|s| s.to_string());
        let reasons: Vec<String> = step.reasons.iter().map(ToString::to_string).collect();
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&step.action.to_string()),
            saves.unwrap_or_default(),
            escape(&reasons.join("; "))
        );
    }
    html.push_str("</tbody></table>");
    if plan.steps.len() > SHOWN {
        let _ = write!(html, "<p>and {} more.</p>", plan.steps.len() - SHOWN);
    }
    html
}

/// Settings given as a `dict` of their JSON, laid over the defaults.
pub(crate) fn from_dict<T: Default + serde::de::DeserializeOwned>(
    name: &str,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<T> {
    let Some(given) = given else {
        return Ok(T::default());
    };
    let refused = |why: String| ConfigError::new_err(format!("{name}: {why}"));
    let value = crate::convert::from_python(given.as_any())
        .map_err(|err| ConfigError::new_err(err.within(name).to_string()))?;
    let value = match value {
        Value::Object(map) => Value::Object(map),
        _ => Value::Object(Map::new()),
    };
    serde_path_to_error::deserialize(value).map_err(|err| {
        let field = err.path().to_string();
        let why = err.into_inner().to_string();
        if field == "." {
            refused(why)
        } else {
            ConfigError::new_err(format!("{name}.{field}: {why}"))
        }
    })
}
