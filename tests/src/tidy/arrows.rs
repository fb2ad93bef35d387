//! The arrows between rooms: who may depend on whom.

use super::rules::Fault;

/// What each crate may know of ours, as the design draws it. A crate that is not here may not
/// exist.
const MAY_KNOW: [(&str, &[&str]); 24] = [
    ("millrace-events", &[]),
    ("millrace-bus", &["millrace-events"]),
    ("millrace-sinks", &["millrace-events", "millrace-bus"]),
    ("millrace-router", &["millrace-events", "millrace-bus", "millrace-sinks"]),
    ("millrace-plan", &["millrace-events"]),
    ("millrace-state", &["millrace-events"]),
    ("millrace-nexmark", &[]),
    // Nexmark for its tests.
    (
        "millrace-processors",
        &["millrace-events", "millrace-plan", "millrace-state", "millrace-nexmark"],
    ),
    (
        "millrace-connect",
        &[
            "millrace-events",
            "millrace-bus",
            "millrace-sinks",
            "millrace-plan",
            "millrace-processors",
        ],
    ),
    ("millrace-spec", &["millrace-events"]),
    ("millrace-http", &[]),
    ("millrace-spaas", &["millrace-events", "millrace-spec", "millrace-http"]),
    ("millrace-control", &["millrace-events", "millrace-spec", "millrace-http"]),
    ("millrace-client", &["millrace-events", "millrace-spec"]),
    ("millrace-bandit", &[]),
    // The engine, and what reads manifests, for its tests: they run the shipped jobs.
    (
        "millrace-functions",
        &[
            "millrace-events",
            "millrace-plan",
            "millrace-processors",
            "millrace-spec",
            "millrace-bandit",
        ],
    ),
    ("millrace-generate", &["millrace-events"]),
    ("millrace-feeds", &["millrace-events", "millrace-bus", "millrace-http"]),
    (
        "millrace-recommendation",
        &["millrace-events", "millrace-bus", "millrace-feeds", "millrace-http", "millrace-bandit"],
    ),
    ("millrace-steering", &["millrace-events", "millrace-bus", "millrace-feeds", "millrace-http"]),
    ("millrace", ROOMS),
    ("millrace-tests", ROOMS),
    ("millrace-bench", ROOMS),
    ("millrace-bench-nexmark", ROOMS),
];

/// What the binary wires together; tests and benches may look into each.
const ROOMS: &[&str] = &[
    "millrace-events",
    "millrace-bus",
    "millrace-sinks",
    "millrace-router",
    "millrace-plan",
    "millrace-state",
    "millrace-processors",
    "millrace-connect",
    "millrace-nexmark",
    "millrace-spaas",
    "millrace-spec",
    "millrace-http",
    "millrace-control",
    "millrace-client",
    "millrace-bandit",
    "millrace-functions",
    "millrace-generate",
    "millrace-feeds",
    "millrace-recommendation",
    "millrace-steering",
];

/// The crate's name and those of ours that its `Cargo.toml` depends on, tests included.
pub fn arrows(manifest: &str) -> (String, Vec<String>) {
    let mut name = String::new();
    let mut known = Vec::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if let Some(one) = section.split_once("dependencies.").map(|(_, one)| one) {
                known.extend(ours(one));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim().split('.').next().unwrap_or_default();
        if section == "package" && key == "name" {
            value.trim().trim_matches('"').clone_into(&mut name);
        } else if section.ends_with("dependencies") {
            known.extend(ours(key));
        }
    }
    (name, known)
}

fn ours(name: &str) -> Option<String> {
    let name = name.trim_matches('"');
    (name == "millrace" || name.starts_with("millrace-")).then(|| name.to_owned())
}

/// Faults of the arrows drawn by the `Cargo.toml` at `path`.
pub fn rooms_know_only_what_they_may(path: &str, manifest: &str) -> Vec<Fault> {
    let (name, known) = arrows(manifest);
    let Some((_, may)) = MAY_KNOW.iter().find(|(room, _)| *room == name) else {
        let what = format!("`{name}` is no room of the design: say in tidy what it may know");
        return vec![Fault::new(path, 0, what)];
    };
    known
        .iter()
        .filter(|other| !may.contains(&other.as_str()))
        .map(|other| Fault::new(path, 0, format!("`{name}` must not know `{other}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_against_the_design_is_found_wherever_it_is_written() {
        for dependency in [
            "[dependencies]\nmillrace-spaas.workspace = true",
            "[dev-dependencies]\nmillrace-spaas = { workspace = true }",
            "[target.'cfg(unix)'.dependencies]\nmillrace-spaas.workspace = true",
            "[dependencies.millrace-spaas]\nworkspace = true",
        ] {
            let manifest = format!("[package]\nname = \"millrace-router\"\n\n{dependency}\n");
            let faults = rooms_know_only_what_they_may("router/Cargo.toml", &manifest);
            assert_eq!(faults.len(), 1, "{manifest}");
            assert!(faults[0].what.contains("must not know `millrace-spaas`"));
        }
    }

    #[test]
    fn the_data_path_and_the_processors_do_not_know_each_other() {
        for (room, other) in [
            ("millrace-router", "millrace-processors"),
            ("millrace-router", "millrace-connect"),
            ("millrace-processors", "millrace-router"),
            ("millrace-processors", "millrace-bus"),
        ] {
            let manifest = format!("[package]\nname = \"{room}\"\n[dependencies]\n{other} = 1\n");
            assert_eq!(rooms_know_only_what_they_may("a", &manifest).len(), 1, "{manifest}");
        }
    }

    #[test]
    fn arrows_of_the_design_pass_and_strangers_do_not() {
        let manifest =
            |name| format!("[package]\nname = \"{name}\"\n[dependencies]\nmillrace-events = 1\n");
        assert_eq!(rooms_know_only_what_they_may("a", &manifest("millrace-bus")), []);
        assert_eq!(rooms_know_only_what_they_may("a", &manifest("millrace-common")).len(), 1);
    }
}
