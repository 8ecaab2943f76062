//! Runtime-memory settings: the only part of a container's environment and
//! arguments that a snapshot keeps.
//!
//! A value is kept only when it has the form that the runtime documents
//! (a number with a unit), so that nothing else can travel in its place.

use super::raw::{N, Text};
use crate::model::RuntimeMemorySetting;
use serde::Deserialize;

/// Variables whose text is a list of JVM flags.
const JVM_VARIABLES: &[&str] = &[
    "JAVA_OPTS",
    "JAVA_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JVM_OPTS",
    "CATALINA_OPTS",
    "ES_JAVA_OPTS",
    "OPENSEARCH_JAVA_OPTS",
    "KAFKA_HEAP_OPTS",
];

/// Variables that are themselves a setting.
const PLAIN_VARIABLES: &[&str] = &[
    "GOMEMLIMIT",
    "GOMAXPROCS",
    "DOTNET_GCHeapHardLimit",
    "DOTNET_GCHeapHardLimitPercent",
    "DOTNET_GCHeapHardLimitSOH",
    "DOTNET_GCHeapHardLimitLOH",
    "COMPlus_GCHeapHardLimit",
    "COMPlus_GCHeapHardLimitPercent",
];

/// JVM flags with `=`; `-Xmx` and its kind carry their value without.
const JVM_FLAGS: &[&str] = &[
    "-XX:MaxRAMPercentage",
    "-XX:InitialRAMPercentage",
    "-XX:MinRAMPercentage",
    "-XX:MaxRAM",
    "-XX:MaxRAMFraction",
    "-XX:MaxHeapSize",
    "-XX:MaxMetaspaceSize",
    "-XX:MaxDirectMemorySize",
    "-XX:ReservedCodeCacheSize",
    "-XX:ActiveProcessorCount",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawEnv {
    name: N<Loose>,
    value: N<Loose>,
    value_from: N<RawValueFrom>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawValueFrom {
    resource_field_ref: N<RawResourceField>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawResourceField {
    resource: Text,
}

/// A string, or anything else read as an empty one: a strange environment is
/// no reason to lose a pod, and its text must not reach an error.
#[derive(Debug, Default)]
pub(super) struct Loose(String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor;
        impl<'de> serde::de::Visitor<'de> for LooseVisitor {
            type Value = Loose;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_i64<E>(self, n: i64) -> Result<Loose, E> {
                Ok(Loose(n.to_string()))
            }

            fn visit_u64<E>(self, n: u64) -> Result<Loose, E> {
                Ok(Loose(n.to_string()))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Loose, A::Error> {
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(Loose::default())
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Loose, A::Error> {
                while map
                    .next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?
                    .is_some()
                {}
                Ok(Loose::default())
            }
        }
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// The settings of a container, in the order of environment, command and
/// arguments, each once.
pub(super) fn settings(
    env: &[RawEnv],
    command: &[Loose],
    args: &[Loose],
) -> Vec<RuntimeMemorySetting> {
    let mut out: Vec<RuntimeMemorySetting> = Vec::new();
    let mut push = |name: &str, value: &str| {
        let setting = RuntimeMemorySetting {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        if !out.contains(&setting) {
            out.push(setting);
        }
    };
    for RawEnv {
        name: N(Loose(name)),
        value: N(Loose(value)),
        value_from,
    } in env
    {
        let field = &value_from.0.resource_field_ref.0.resource.0;
        let from_limit = matches!(
            field.as_str(),
            "limits.memory" | "requests.memory" | "limits.cpu" | "requests.cpu"
        );
        if from_limit && PLAIN_VARIABLES.contains(&name.as_str()) {
            push(name, field);
        } else {
            variable(name, value, &mut push);
        }
    }
    for Loose(text) in command.iter().chain(args) {
        for token in text.split_whitespace().map(unquoted) {
            flag(token, &mut push);
            if let Some((name, value)) = token.split_once('=') {
                variable(name, unquoted(value), &mut push);
            }
        }
    }
    out
}

/// The words of a command or an argument that are settings.
pub(super) fn kept_words(text: &str) -> String {
    let words = text.split_whitespace().map(unquoted).filter(|word| {
        let word = Loose((*word).to_owned());
        !settings(&[], &[], std::slice::from_ref(&word)).is_empty()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The words of a variable's value that are settings.
pub(super) fn kept_value(name: &str, value: &str) -> String {
    let mut kept = Vec::new();
    variable(name, value, &mut |_, _| kept.push(()));
    if kept.is_empty() {
        return String::new();
    }
    if PLAIN_VARIABLES.contains(&name) {
        return value.to_owned();
    }
    let words = value.split_whitespace().map(unquoted).filter(|word| {
        let mut found = false;
        flag(word, &mut |_, _| found = true);
        found
    });
    words.collect::<Vec<_>>().join(" ")
}

fn unquoted(token: &str) -> &str {
    token.trim_matches(['"', '\''])
}

fn variable(name: &str, value: &str, push: &mut impl FnMut(&str, &str)) {
    if let Some(name) = PLAIN_VARIABLES.iter().find(|n| **n == name) {
        if is_amount(value) || value == "off" {
            push(name, value);
        }
    } else if name == "NODE_OPTIONS" || JVM_VARIABLES.contains(&name) {
        for token in value.split_whitespace().map(unquoted) {
            flag(token, push);
        }
    }
}

fn flag(token: &str, push: &mut impl FnMut(&str, &str)) {
    for name in ["-Xmx", "-Xms"] {
        if let Some(value) = token.strip_prefix(name) {
            if is_amount(value) {
                push(name, value);
            }
            return;
        }
    }
    let Some((name, value)) = token.split_once('=') else {
        return;
    };
    let known = JVM_FLAGS.iter().find(|n| **n == name).copied().or(
        // Node reads dashes and underscores alike.
        (name.replace('_', "-") == "--max-old-space-size").then_some("--max-old-space-size"),
    );
    if let Some(name) = known
        && is_amount(value)
    {
        push(name, value);
    }
}

/// A number of at most 20 digits (hexadecimal after `0x`, or with a point),
/// then at most one unit of the runtimes.
fn is_amount(value: &str) -> bool {
    if let Some(hex) = value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"))
    {
        return !hex.is_empty() && hex.len() <= 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    }
    let end = value
        .bytes()
        .position(|b| !b.is_ascii_digit() && b != b'.')
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    (1..=20).contains(&number.len())
        && number.bytes().any(|b| b.is_ascii_digit())
        && matches!(
            unit,
            "" | "k"
                | "K"
                | "m"
                | "M"
                | "g"
                | "G"
                | "t"
                | "T"
                | "B"
                | "KiB"
                | "MiB"
                | "GiB"
                | "TiB"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(env: &str, args: &str) -> Vec<String> {
        let env: Vec<RawEnv> = serde_json::from_str(env).unwrap();
        let args: Vec<Loose> = serde_json::from_str(args).unwrap();
        settings(&env, &[], &args)
            .into_iter()
            .map(|s| format!("{} {}", s.name, s.value))
            .collect()
    }

    #[test]
    fn only_memory_flags_are_taken_out_of_a_longer_text() {
        let env = r#"[
            {"name":"JAVA_TOOL_OPTIONS","value":"-Xmx2g -Ddb.password=hunter2 -XX:MaxRAMPercentage=75.0"},
            {"name":"GOMEMLIMIT","value":"900MiB"},
            {"name":"NODE_OPTIONS","value":"--max_old_space_size=512 --require ./s3cr3t.js"},
            {"name":"DB_PASSWORD","value":"hunter2"}]"#;
        assert_eq!(
            read(
                env,
                r#"["-c", "GOMAXPROCS=2 exec java '-Xms512m' -jar app.jar --token=abc"]"#
            ),
            [
                "-Xmx 2g",
                "-XX:MaxRAMPercentage 75.0",
                "GOMEMLIMIT 900MiB",
                "--max-old-space-size 512",
                "GOMAXPROCS 2",
                "-Xms 512m",
            ]
        );
    }

    #[test]
    fn a_value_that_is_no_amount_is_not_kept() {
        let env = r#"[
            {"name":"GOMEMLIMIT","value":"hunter2"},
            {"name":"JAVA_OPTS","value":"-XmxAKIA0123 -XX:MaxRAM=1g;curl"},
            {"name":"GOMEMLIMIT","value":7},
            {"name":"X","value":{"a":[1]}}]"#;
        assert_eq!(read(env, "[]"), ["GOMEMLIMIT 7"]);
    }

    #[test]
    fn a_limit_taken_from_the_container_is_kept_as_such() {
        let env = r#"[{"name":"GOMEMLIMIT","valueFrom":{"resourceFieldRef":{"resource":"limits.memory"}}},
                      {"name":"GOMEMLIMIT","valueFrom":{"secretKeyRef":{"name":"a","key":"b"}}}]"#;
        assert_eq!(read(env, "[]"), ["GOMEMLIMIT limits.memory"]);
    }
}
