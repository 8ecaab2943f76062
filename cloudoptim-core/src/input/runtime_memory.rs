//! The settings of a runtime's memory, taken out of environment and arguments.
//!
//! Nothing else of either is kept: people put secrets into them.

use crate::model::RuntimeMemorySetting;

/// Variables that hold flags of a Java or Node runtime.
const FLAG_VARIABLES: [&str; 6] = [
    "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CATALINA_OPTS",
    "NODE_OPTIONS",
];

/// Variables that are a setting themselves.
const VALUE_VARIABLES: [&str; 5] = [
    "GOMEMLIMIT",
    "GOMAXPROCS",
    "DOTNET_GCHeapHardLimit",
    "DOTNET_GCHeapHardLimitPercent",
    "DOTNET_GCHeapAffinitizeMask",
];

/// Flags with `=` before the value.
const ASSIGNED: [&str; 8] = [
    "-XX:MaxRAMPercentage",
    "-XX:InitialRAMPercentage",
    "-XX:MaxRAM",
    "-XX:MaxHeapSize",
    "-XX:MaxMetaspaceSize",
    "-XX:MaxDirectMemorySize",
    "--max-old-space-size",
    "--max_old_space_size",
];

/// Flags with the value attached.
const ATTACHED: [&str; 2] = ["-Xmx", "-Xms"];

/// Settings in a container's environment (name, value) and its arguments.
pub(super) fn settings<'a>(
    environment: impl Iterator<Item = (&'a str, &'a str)>,
    arguments: impl Iterator<Item = &'a str>,
) -> Vec<RuntimeMemorySetting> {
    let mut found = Vec::new();
    for (name, value) in environment {
        if FLAG_VARIABLES.contains(&name) {
            flags(value, &mut found);
        } else if VALUE_VARIABLES.contains(&name) {
            push(name, value, &mut found);
        }
    }
    for argument in arguments {
        flags(argument, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn flags(text: &str, found: &mut Vec<RuntimeMemorySetting>) {
    for word in text.split_whitespace() {
        if let Some((name, value)) = word.split_once('=') {
            if let Some(known) = ASSIGNED.iter().find(|known| **known == name) {
                push(known, value, found);
            }
            continue;
        }
        for name in ATTACHED {
            if let Some(value) = word.strip_prefix(name) {
                push(name, value, found);
            }
        }
    }
}

/// Keeps a value only when it looks like a size, a share or a count.
fn push(name: &str, value: &str, found: &mut Vec<RuntimeMemorySetting>) {
    let size = !value.is_empty()
        && value.len() <= 24
        && value.starts_with(|c: char| c.is_ascii_digit())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    if size {
        found.push(RuntimeMemorySetting {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_of_known_settings_are_kept() {
        let environment = [
            (
                "JAVA_TOOL_OPTIONS",
                "-Xmx2g -Dpassword=hunter2 -XX:MaxRAMPercentage=75.0",
            ),
            ("GOMEMLIMIT", "900MiB"),
            ("DATABASE_URL", "postgres://u:hunter2@db"),
        ];
        let found = settings(
            environment.into_iter(),
            ["--max-old-space-size=512"].into_iter(),
        );
        let shown: Vec<String> = found
            .iter()
            .map(|s| format!("{}={}", s.name, s.value))
            .collect();
        assert_eq!(
            shown,
            [
                "--max-old-space-size=512",
                "-XX:MaxRAMPercentage=75.0",
                "-Xmx=2g",
                "GOMEMLIMIT=900MiB"
            ]
        );
    }
}
