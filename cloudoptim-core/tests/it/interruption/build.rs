//! Bodies of messages and fleets, where only what matters is said.

use crate::fixtures::{at, cluster, complete, node};
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::interruption::{Config, Fleet, Interruptions, Message, Scope};
use cloudoptim_core::knowledge::{Knowledge, Provenance};
use cloudoptim_core::model::{Cluster, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL, ZONE_LABEL};
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) fn start() -> DateTime<Utc> {
    at("2026-03-03T12:00Z")
}

pub(crate) fn after(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

/// Nodes `n1`, `n2`, … on instances `i-1`, `i-2`, …, one after the other in
/// the zones, all spot of pool `p`, of an age, read at `start`.
pub(crate) fn nodes(count: usize, zones: usize, age: TimeDelta, read: DateTime<Utc>) -> Cluster {
    let mut cluster = cluster();
    let nodes = (1..=count).map(|n| {
        let mut node = node(&format!("n{n}"), "4", "16Gi");
        node.provider_id = Some(format!("aws:///us-east-1a/i-{n}"));
        let zone = char::from(b'a' + u8::try_from((n - 1) % zones).unwrap());
        for (key, value) in [
            (ZONE_LABEL, format!("us-east-1{zone}").as_str()),
            (INSTANCE_TYPE_LABEL, "m6i.xlarge"),
            ("karpenter.sh/capacity-type", "spot"),
            (NODE_POOL_LABEL, "p"),
        ] {
            node.meta.labels.insert(key.to_owned(), value.to_owned());
        }
        node.meta.created_at = Some(start() - age);
        node
    });
    let provenance = Provenance::new("test", "c1").observed_at(read);
    cluster.nodes = Knowledge::complete(nodes.collect(), provenance);
    cluster
}

pub(crate) fn fleet(count: usize) -> Fleet {
    let mut fleet = Fleet::default();
    let cluster = nodes(count, 3, TimeDelta::days(1), after(3_600));
    fleet.add(&cluster, Some(&crate::fixtures::cloud()));
    fleet
}

pub(crate) fn interruptions(config: Config) -> Interruptions {
    let scope = Scope::new([ACCOUNT.into()], [REGION.into()]).unwrap();
    Interruptions::new(config, scope.with_canary("test.canary")).unwrap()
}

pub(crate) fn message(body: &str) -> Message<'_> {
    Message {
        body: body.as_bytes(),
        sent_at: None,
        receives: 1,
    }
}

fn text(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn envelope(kind: &str, source: &str, id: &str, time: DateTime<Utc>, detail: &Value) -> Value {
    let instance = detail["instance-id"].as_str().unwrap_or_default();
    json!({
        "version": "0", "id": id, "detail-type": kind, "source": source, "account": ACCOUNT,
        "time": text(time), "region": REGION,
        "resources": [format!("arn:aws:ec2:{REGION}a:instance/{instance}")],
        "detail": detail,
    })
}

pub(crate) fn spot(instance: &str, id: &str, time: DateTime<Utc>, action: &str) -> Value {
    let detail = json!({"instance-id": instance, "instance-action": action});
    let kind = "EC2 Spot Instance Interruption Warning";
    envelope(kind, "aws.ec2", id, time, &detail)
}

pub(crate) fn rebalance(instance: &str, id: &str, time: DateTime<Utc>) -> Value {
    let detail = json!({"instance-id": instance});
    let kind = "EC2 Instance Rebalance Recommendation";
    envelope(kind, "aws.ec2", id, time, &detail)
}

pub(crate) fn state(instance: &str, id: &str, time: DateTime<Utc>, state: &str) -> Value {
    let detail = json!({"instance-id": instance, "state": state});
    let kind = "EC2 Instance State-change Notification";
    envelope(kind, "aws.ec2", id, time, &detail)
}

pub(crate) fn capacity(
    instance: &str,
    id: &str,
    time: DateTime<Utc>,
    ends: Option<DateTime<Utc>>,
) -> Value {
    let mut detail = json!({"instance-id": instance, "instance-action": "terminate"});
    if let Some(ends) = ends {
        detail["instance-termination-time"] = json!(text(ends));
    }
    let kind = "EC2 Interruptible Capacity Reservation Instance Interruption Warning";
    envelope(kind, "aws.ec2", id, time, &detail)
}

pub(crate) fn health(
    instances: &[&str],
    id: &str,
    time: DateTime<Utc>,
    begins: Option<DateTime<Utc>>,
    status: &str,
) -> Value {
    let entities: Vec<Value> = instances
        .iter()
        .map(|i| json!({"entityValue": i}))
        .collect();
    let mut detail = json!({
        "eventArn": format!("arn:aws:health:us-east-1::event/EC2/REBOOT/{id}"),
        "service": "EC2", "eventTypeCategory": "scheduledChange",
        "statusCode": status, "affectedEntities": entities,
    });
    if let Some(begins) = begins {
        detail["startTime"] = json!(begins.to_rfc2822());
    }
    let mut event = envelope("AWS Health Event", "aws.health", id, time, &detail);
    event["resources"] = json!(instances);
    event
}

fn hook_fields(instance: &str, token: &str, transition: &str) -> Value {
    json!({
        "LifecycleActionToken": token, "AutoScalingGroupName": "g", "LifecycleHookName": "drain",
        "EC2InstanceId": instance, "LifecycleTransition": transition,
    })
}

pub(crate) const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";

pub(crate) fn hook(instance: &str, token: &str, time: DateTime<Utc>, transition: &str) -> Value {
    let detail = hook_fields(instance, token, transition);
    let kind = "EC2 Instance-terminate Lifecycle Action";
    let mut event = envelope(kind, "aws.autoscaling", "e", time, &detail);
    event["resources"] = json!([format!(
        "arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:u:autoScalingGroupName/g"
    )]);
    event
}

/// The same hook as it comes without EventBridge.
pub(crate) fn direct_hook(instance: &str, token: &str, time: DateTime<Utc>) -> Value {
    let mut body = hook_fields(instance, token, TERMINATING);
    body["AccountId"] = json!(ACCOUNT);
    body["Time"] = json!(text(time));
    body["Service"] = json!("AWS Auto Scaling");
    body
}

pub(crate) fn in_sns(body: &Value) -> Value {
    json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t",
        "Message": body.to_string(),
    })
}

pub(crate) fn empty<T>() -> Knowledge<Vec<T>> {
    complete(Vec::new())
}
