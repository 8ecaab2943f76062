//! Whether an event and the resource that it names agree.

/// Whether `arn` is the instance `id` in this account and region.
///
/// Events name instances in two ways: in full, and with a zone in place of the
/// region and no account (`arn:aws:ec2:us-east-1a:instance/i-…`).
pub(super) fn is_instance(arn: &str, account: &str, region: &str, id: &str) -> bool {
    let Some(rest) = aws(arn, "ec2") else {
        return false;
    };
    let Some((place, rest)) = rest.split_once(':') else {
        return false;
    };
    let (owner, resource) = rest.split_once(':').unwrap_or(("", rest));
    let zone = place.strip_prefix(region);
    let owned = owner.is_empty() || owner == account;
    zone.is_some_and(is_zone_suffix) && owned && resource.strip_prefix("instance/") == Some(id)
}

/// Whether `arn` is the scaling group of that name in this account and region.
pub(super) fn is_group(arn: &str, account: &str, region: &str, name: &str) -> bool {
    let Some(rest) = aws(arn, "autoscaling") else {
        return false;
    };
    let mut parts = rest.splitn(5, ':');
    let mut is = |want: &str| parts.next() == Some(want);
    if !(is(region) && is(account) && is("autoScalingGroup")) {
        return false;
    }
    let tail = parts.nth(1); // after the group's uuid
    tail.and_then(|t| t.strip_prefix("autoScalingGroupName/")) == Some(name)
}

/// The id at the end of an ARN, or the text itself.
pub(super) fn tail(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// What follows the service in an ARN of any partition.
fn aws<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    let known = partition == "aws" || partition.starts_with("aws-");
    let rest = rest.strip_prefix(service)?.strip_prefix(':')?;
    known.then_some(rest)
}

/// Nothing, the letter of a zone, or that of a local zone (`-lax-1a`).
fn is_zone_suffix(suffix: &str) -> bool {
    let bytes = suffix.as_bytes();
    match bytes {
        [] => true,
        [letter] => letter.is_ascii_lowercase(),
        [b'-', middle @ .., letter] => {
            let is_part = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
            letter.is_ascii_lowercase() && middle.iter().all(is_part)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_name_an_instance_and_nothing_else_does() {
        let is = |arn: &str| is_instance(arn, "111122223333", "us-east-1", "i-1");
        assert!(is("arn:aws:ec2:us-east-1:111122223333:instance/i-1"));
        assert!(is("arn:aws:ec2:us-east-1a:instance/i-1"));
        assert!(is("arn:aws-cn:ec2:us-east-1-lax-1a:instance/i-1"));
        for other in [
            "",
            "i-1",
            "arn:aws:ec2:us-east-1a:instance/i-10",
            "arn:aws:ec2:us-east-1a:instance/x/i-1",
            "arn:aws:ec2:us-east-1:444455556666:instance/i-1",
            "arn:aws:ec2:us-east-2a:instance/i-1",
            "arn:aws:ec2:us-east-11:instance/i-1",
            "arn:aws:ec2:us-east-1ab:instance/i-1",
            "arn:aws:rds:us-east-1a:instance/i-1",
            "arn:not:ec2:us-east-1a:instance/i-1",
            "arn:aws:ec2:us-east-1a:volume/i-1",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn a_scaling_group_is_named_in_full() {
        let is = |arn: &str| is_group(arn, "1", "r", "g:1/x");
        assert!(is(
            "arn:aws:autoscaling:r:1:autoScalingGroup:uuid:autoScalingGroupName/g:1/x"
        ));
        assert!(!is(
            "arn:aws:autoscaling:r:2:autoScalingGroup:uuid:autoScalingGroupName/g:1/x"
        ));
        assert!(!is("arn:aws:autoscaling:r:1:autoScalingGroup"));
    }
}
