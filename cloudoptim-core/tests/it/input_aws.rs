//! Documents of the AWS CLI: what they say of leftovers, licences and keys.

use crate::input::load;
use cloudoptim_core::model::CapacityType;
use serde_json::{Value, json};

/// What `aws ec2 describe-instances` says of addresses, interfaces, licences
/// and capacity blocks.
#[test]
fn instances_say_what_stays_behind_and_what_they_are_billed_as() {
    let association = |ip: &str, owner: &str| json!({"PublicIp": ip, "IpOwnerId": owner});
    let interface = |id: &str, goes: bool, address: Value| {
        json!({"NetworkInterfaceId": id, "Attachment": {"DeleteOnTermination": goes},
            "Association": address})
    };
    let instances = json!({"Reservations": [{"OwnerId": "111122223333", "Instances": [
        {"InstanceId": "i-1", "PlatformDetails": "Linux/UNIX", "NetworkInterfaces": [
            interface("eni-1", true, association("52.0.0.1", "111122223333")),
            interface("eni-2", false, association("3.0.0.9", "amazon")),
        ], "Tags": [{"Key": "aws:ec2launchtemplate:id", "Value": "lt-1"}]},
        {"InstanceId": "i-2", "PlatformDetails": "Red Hat Enterprise Linux",
            "CapacityBlockId": "cb-1"},
        {"InstanceId": "i-3", "PlatformDetails": "Windows with SQL Server Standard",
            "Platform": "windows"},
        {"InstanceId": "i-4", "Platform": "windows"},
    ]}]})
    .to_string();
    let groups = json!({"AutoScalingGroups": [{"AutoScalingGroupName": "web",
        "TargetGroupARNs": ["arn:tg/web"]}]})
    .to_string();
    let loaded = load(&[
        ("i.json", instances.as_bytes()),
        ("g.json", groups.as_bytes()),
    ]);
    let clouds = &loaded.snapshot.clouds;
    let all: Vec<_> = clouds.iter().flat_map(|c| c.instances.items()).collect();
    assert_eq!(all[0].elastic_ips, ["52.0.0.1"]);
    assert_eq!(all[0].lasting_interfaces, ["eni-2"]);
    assert_eq!(all[0].launch_template(), Some("lt-1"));
    assert!(all[0].has_public_ip);
    let licences: Vec<_> = all.iter().map(|i| i.licence()).collect();
    let red_hat = Some("red hat enterprise linux");
    assert_eq!(licences, [None, red_hat, Some("windows"), Some("windows")]);
    assert_eq!(all[1].capacity_type, CapacityType::Reserved);
    let groups: Vec<_> = clouds
        .iter()
        .flat_map(|c| c.auto_scaling_groups.items())
        .collect();
    assert_eq!(groups[0].target_groups, ["arn:tg/web"]);
}

/// What a document does not say of encryption is not known, and not "no".
#[test]
fn volumes_whose_encryption_is_not_stated_are_not_plain() {
    let volumes = json!({"Volumes": [
        {"VolumeId": "vol-1", "Encrypted": true},
        {"VolumeId": "vol-2", "Encrypted": false},
        {"VolumeId": "vol-3"},
    ]})
    .to_string();
    let loaded = load(&[("v.json", volumes.as_bytes())]);
    let volumes = loaded.snapshot.clouds[0].volumes.items();
    let encrypted: Vec<_> = volumes.iter().map(|v| v.encrypted).collect();
    assert_eq!(encrypted, [Some(true), Some(false), None]);
}

/// The state of a key comes from a document of its own, and counts when all
/// that speak of the key agree.
#[test]
fn volumes_learn_the_state_of_their_key() {
    let volumes = json!({"Volumes": [
        {"VolumeId": "vol-1", "Encrypted": true, "KmsKeyId": "arn:aws:kms:x:key/k1"},
        {"VolumeId": "vol-2", "Encrypted": true, "KmsKeyId": "arn:aws:kms:x:key/k2"},
        {"VolumeId": "vol-3", "Encrypted": true, "KmsKeyId": "arn:aws:kms:x:key/k3"},
    ]})
    .to_string();
    let key = |id: &str, state: &str| {
        let arn = format!("arn:aws:kms:x:key/{id}");
        json!({"KeyMetadata": {"KeyId": id, "Arn": arn, "KeyState": state}}).to_string()
    };
    let (enabled, once, then) = (
        key("k1", "Enabled"),
        key("k2", "Enabled"),
        key("k2", "Disabled"),
    );
    let loaded = load(&[
        ("v.json", volumes.as_bytes()),
        ("k1.json", enabled.as_bytes()),
        ("k2.json", once.as_bytes()),
        ("k2-too.json", then.as_bytes()),
    ]);
    let volumes = loaded.snapshot.clouds[0].volumes.items();
    let states: Vec<_> = volumes.iter().map(|v| v.kms_key_state.as_deref()).collect();
    assert_eq!(states, [Some("Enabled"), None, None]);
}
