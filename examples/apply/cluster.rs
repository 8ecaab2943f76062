//! The cluster: one handle that reads and one that acts.

use crate::args::Args;
use chrono::{DateTime, Utc};
use cloudoptim_aws::clock::SystemClock;
use cloudoptim_aws::k8s::act::{ClusterActuator, Marks};
use cloudoptim_aws::k8s::{
    ActClient, ActMode, Acting, ClusterReader, Connection, Patience, ReadOptions, Reader, Reading,
    Retrying, Role,
};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::collect::collect;
use cloudoptim_core::decision::{Action, Decision, PodMove, Subject};
use cloudoptim_core::engines::bin_packing::{self, Elsewhere};
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs};
use cloudoptim_core::execute::{Environment, Report, execute};
use cloudoptim_core::guard::{ApprovedPlan, Limits, Placement};
use cloudoptim_core::health::ClusterHealth;
use cloudoptim_core::journal::Journal;
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{ClusterUid, NamespacedName, NodeName, Snapshot, Uid};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::{
    Actuators, Clock, ClusterActuators, ClusterSources, NoKillSwitch, ProviderError, Sources,
};
use std::error::Error;
use std::sync::Arc;

pub(crate) struct Cluster {
    uid: ClusterUid,
    reader: Arc<dyn Reader>,
    sources: Sources,
    clock: Arc<dyn Clock>,
    acting: Connection<Acting>,
}

fn connection<R: Role>(args: &Args) -> Result<Connection<R>, Box<dyn Error>> {
    Ok(match &args.kubeconfig {
        Some(path) => Connection::from_path(path, args.connect.clone())?,
        None => Connection::from_environment(args.connect.clone())?,
    })
}

impl Cluster {
    pub(crate) async fn open(args: &Args) -> Result<Self, Box<dyn Error>> {
        let reading: Connection<Reading> = connection(args)?;
        eprintln!("cluster at {}", reading.server());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let reader = Retrying::new(reading.client()?, clock.clone(), Patience::default());
        let reader: Arc<dyn Reader> = Arc::new(reader);
        let cluster = ClusterReader::open(reader.clone(), clock.clone(), ReadOptions::default());
        let cluster = Arc::new(cluster.await?);
        let uid = cluster.uid().clone();
        let mut sources = Sources::default();
        sources
            .clusters
            .insert(uid.clone(), ClusterSources::of(cluster));
        Ok(Self {
            uid,
            reader,
            sources,
            clock,
            acting: connection(args)?,
        })
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn reader(&self) -> &dyn Reader {
        &*self.reader
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        collect(&self.sources, self.now(), Knowledge::default()).await
    }

    pub(crate) async fn act_client(&self, plan: &str) -> Result<ActClient, ProviderError> {
        self.acting.client(plan, ActMode::Act).await
    }

    /// A plan that cordons and drains each node, if its pods fit elsewhere.
    pub(crate) async fn drain_plan(&self, nodes: &[String]) -> Result<Plan, Box<dyn Error>> {
        let snapshot = self.snapshot().await;
        let cluster = snapshot
            .cluster(&self.uid)
            .ok_or("the cluster was not read")?;
        let mut decisions = Vec::new();
        for name in nodes {
            let node = NodeName::new(name.as_str());
            let stays = |kind: &str| matches!(kind, "DaemonSet" | "Node");
            let leaves = cluster.pods.items().iter().filter(|pod| {
                let owner = pod.meta.controller();
                pod.node() == Some(&node)
                    && !pod.is_finished()
                    && !owner.is_some_and(|owner| stays(&owner.kind))
            });
            let moves: Vec<PodMove> = leaves
                .map(|pod| PodMove {
                    pod: NamespacedName::new(pod.meta.namespace.as_str(), pod.meta.name.as_str()),
                    uid: pod.meta.uid.clone(),
                    to: None,
                })
                .collect();
            let leave: Vec<Uid> = moves.iter().map(|m| m.uid.clone()).collect();
            Elsewhere::default().fits_elsewhere(cluster, &node, &leave)?;
            let others = cluster.nodes.items().len().saturating_sub(1);
            let fits = bin_packing::Reason::PodsFitElsewhere {
                pods: moves.len().try_into()?,
                onto: others.try_into()?,
            };
            let (cluster, subject) = (self.uid.clone(), node.clone());
            let subject = Subject::Node {
                cluster: cluster.clone(),
                node: subject,
            };
            let cordon = Action::CordonNode {
                cluster: cluster.clone(),
                node: node.clone(),
            };
            let drain = Action::DrainNode {
                cluster,
                node,
                moves,
            };
            let (actions, reasons) = (vec![cordon, drain], vec![fits.into()]);
            decisions.push(Decision::act(
                EngineId::BinPacking,
                subject,
                actions,
                None,
                reasons,
            ));
        }
        let inputs = Inputs {
            snapshot: &snapshot,
            overlay: &Overlay::default(),
            catalog: &Catalog::default(),
            policy: &Policy::default(),
            ledgers: &Ledgers::default(),
            deadline: None,
        };
        let input = PlanInput {
            outputs: vec![EngineOutput::new(EngineId::BinPacking, decisions)],
            as_given: true,
            ..PlanInput::default()
        };
        Ok(plan(&inputs, input))
    }

    /// Executes with the default limits. The marks are those of `marks`: of the
    /// plan, or of the one that it takes back.
    pub(crate) async fn execute(
        &self,
        approved: ApprovedPlan,
        marks: &Plan,
        journal: &dyn Journal,
    ) -> Result<Report, Box<dyn Error>> {
        let client = self.act_client(&approved.plan().fingerprint.0).await?;
        let actuator = ClusterActuator::new(
            self.reader.clone(),
            Arc::new(client),
            self.clock.clone(),
            Marks::of(marks),
        );
        let mut actuators = Actuators::default();
        let handles = ClusterActuators::of(Arc::new(actuator));
        actuators.clusters.insert(self.uid.clone(), handles);
        let limits = match approved.plan().fingerprint == marks.fingerprint {
            true => Limits::default(),
            false => Limits::default().for_undo(),
        };
        let environment = Environment {
            sources: &self.sources,
            actuators: &actuators,
            journal,
            clock: &*self.clock,
            kill_switch: &NoKillSwitch,
            placement: &Elsewhere::default(),
            limits: &limits,
            gate: Some(&ClusterHealth::default()),
            lease: None,
        };
        Ok(execute(approved, &environment).await?)
    }
}
