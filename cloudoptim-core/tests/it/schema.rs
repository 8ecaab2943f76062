//! The published schemas are those of the code.
//!
//! `UPDATE_SCHEMA=1 cargo test -p cloudoptim-core --features schema schema`
//! writes the files anew.

use std::path::PathBuf;

#[test]
fn the_published_schemas_are_current() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema");
    for (name, schema) in cloudoptim_core::schema::schemas() {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = folder.join(format!("{name}.json"));
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            published == text,
            "schema/{name}.json is out of date: run with UPDATE_SCHEMA=1"
        );
    }
}
