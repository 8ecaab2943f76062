//! Documents of the AWS CLI: what they say of leftovers, licences and keys.

use crate::input::load;
use cloudoptim_core::input::{InputOptions, Loaded, Loader};
use cloudoptim_core::model::{CapacityType, CommitmentKind, MicroUsdPerHour};
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

/// Made up after the fields of the API references of Savings Plans and EC2.
fn bought() -> [(&'static str, String); 3] {
    let plan = |id: &str, of: &str, state: &str, products: &[&str]| {
        json!({"savingsPlanId": id, "savingsPlanType": of, "state": state,
            "savingsPlanArn": format!("arn:aws:savingsplans::111122223333:savingsplan/{id}"),
            "productTypes": products, "currency": "USD", "commitment": "0.75000001",
            "end": "2027-05-01T00:00:00.000Z", "paymentOption": "No Upfront",
            "termDurationInSeconds": 31_536_000, "tags": {}})
    };
    let mut family = plan("sp-2", "EC2Instance", "active", &["EC2"]);
    family["ec2InstanceFamily"] = json!("m6i");
    family["region"] = json!("us-east-1");
    let plans = json!({"savingsPlans": [
        plan("sp-1", "Compute", "active", &["EC2", "Fargate", "Lambda"]),
        family,
        plan("sp-3", "SageMaker", "active", &["SageMaker"]),
        plan("sp-4", "Compute", "retired", &["EC2"]),
        plan("sp-5", "Quantum", "active", &["EC2"]),
    ]});
    let reserved = |id: &str, scope: &str, zone: Option<&str>, state: &str| {
        json!({"ReservedInstancesId": id, "InstanceType": "c6i.large", "InstanceCount": 4,
            "Scope": scope, "AvailabilityZoneId": zone, "State": state,
            "End": "2027-02-03T04:05:06+00:00", "ProductDescription": "Linux/UNIX",
            "OfferingClass": "standard", "RecurringCharges": [{"Amount": 0.05, "Frequency": "Hourly"}]})
    };
    let reserved = json!({"ReservedInstances": [
        reserved("ri-1", "Region", None, "active"),
        reserved("ri-2", "Availability Zone", Some("use1-az1"), "active"),
        reserved("ri-3", "Region", None, "retired"),
    ]});
    let capacity = json!({"CapacityReservations": [
        {"CapacityReservationId": "cr-1", "OwnerId": "111122223333", "InstanceType": "m6i.large",
            "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az1",
            "TotalInstanceCount": 3, "AvailableInstanceCount": 1, "State": "active",
            "InstancePlatform": "Linux/UNIX", "InstanceMatchCriteria": "targeted",
            "EndDateType": "unlimited"},
        {"CapacityReservationId": "cr-2", "OwnerId": "111122223333", "State": "cancelled"},
    ]});
    [
        ("plans.json", plans.to_string()),
        ("reserved.json", reserved.to_string()),
        ("capacity.json", capacity.to_string()),
    ]
}

fn commitments(files: &[(&'static str, String)]) -> Loaded {
    let mut options = InputOptions::default();
    options.account = Some("111122223333".into());
    options.region = Some("us-east-1".into());
    options.complete = true;
    options.taken_at = Some("2026-11-22T02:30:00Z".parse().unwrap());
    let mut loader = Loader::new(options);
    for (name, text) in files {
        loader.add(name, text.as_bytes());
    }
    loader.finish().unwrap()
}

/// What is in force and for EC2 comes in; rates and use, which no document
/// tells, do not.
#[test]
fn commitments_are_read_as_they_were_bought() {
    let loaded = commitments(&bought());
    let cloud = &loaded.snapshot.clouds[0];
    assert!(cloud.commitments.is_complete(), "{}", cloud.commitments);
    let all = cloud.commitments.items();
    let ids: Vec<&str> = all.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["cr-1", "ri-1", "ri-2", "sp-1", "sp-2", "sp-5"]);
    let kinds: Vec<CommitmentKind> = all.iter().map(|c| c.kind).collect();
    assert_eq!(
        kinds,
        [
            CommitmentKind::CapacityReservation,
            CommitmentKind::ReservedInstance,
            CommitmentKind::ReservedInstance,
            CommitmentKind::ComputeSavingsPlan,
            CommitmentKind::InstanceSavingsPlan,
            // Of a type that nobody knows: it could be for any instance.
            CommitmentKind::ComputeSavingsPlan,
        ]
    );
    assert_eq!((all[0].count, all[1].count), (Some(3), Some(4)));
    assert_eq!(all[0].platform.as_deref(), Some("Linux/UNIX"));
    assert_eq!((all[0].targeted, all[1].targeted), (Some(true), None));
    let zones: Vec<Option<&str>> = all
        .iter()
        .map(|c| Some(c.zone_id.as_ref()?.as_str()))
        .collect();
    assert_eq!(zones[..3], [Some("use1-az1"), None, Some("use1-az1")]);
    // Rounded up.
    assert_eq!(all[3].per_hour, Some(MicroUsdPerHour(750_001)));
    assert_eq!(all[4].instance_type.as_deref(), Some("m6i"));
    let end = all[1].ends_at.map(|end| end.to_rfc3339());
    assert_eq!(end.as_deref(), Some("2027-02-03T04:05:06+00:00"));
    assert!(
        all.iter()
            .all(|c| c.rate_milli.is_none() && c.used_milli.is_none())
    );
    let skipped: Vec<&str> = loaded.report.skipped.keys().map(String::as_str).collect();
    assert_eq!(
        skipped,
        [
            "CapacityReservation cancelled",
            "ReservedInstances retired",
            "SavingsPlan of type SageMaker",
            "SavingsPlan retired",
        ]
    );
}

/// One list of three is not what the account has bought.
#[test]
fn commitments_of_some_lists_are_a_part() {
    let mut files = bought().to_vec();
    let capacity = files.pop().unwrap();
    let partial = commitments(&files);
    let known = &partial.snapshot.clouds[0].commitments;
    assert!(!known.is_complete());
    assert!(
        known.to_string().contains("describe-capacity-reservations"),
        "{known}"
    );
    assert_eq!(known.items().len(), 5);
    // None of them is there as long as nobody asks.
    let none = commitments(&[("v.json", json!({"Volumes": []}).to_string())]);
    assert!(none.snapshot.clouds[0].commitments.value().is_none());
    files.push(capacity);
    // A plan whose money means nothing is a hole.
    files[0].1 = files[0].1.replace("0.75000001", "a lot");
    let broken = commitments(&files);
    assert!(!broken.snapshot.clouds[0].commitments.is_complete());
    assert_eq!(broken.report.broken[0].field, "commitment");
}
