//! The repository keeps its own rules.

use anyhow::Result;

use millrace_tests::tidy::{
    Fault, Tree, manifest_faults, repository, rooms_know_only_what_they_may, rust_faults,
    text_faults,
};

fn none(faults: &[Fault]) {
    let list = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} faults:\n{list}", faults.len());
}

#[test]
fn every_rust_file_keeps_the_house_style() -> Result<()> {
    let tree = Tree::of(repository())?;
    let mut faults = Vec::new();
    for path in tree.ending(".rs") {
        let source = tree.text(path)?.unwrap_or_default();
        faults.extend(rust_faults(path, &source));
    }
    none(&faults);
    Ok(())
}

#[test]
fn no_text_speaks_of_one_machine_or_of_work_left_undone() -> Result<()> {
    let tree = Tree::of(repository())?;
    let mut faults = Vec::new();
    for path in tree.ending("").filter(|path| !path.ends_with("Cargo.lock")) {
        let Some(text) = tree.text(path)? else { continue };
        faults.extend(text_faults(path, &text));
    }
    none(&faults);
    Ok(())
}

#[test]
fn dependencies_point_one_way() -> Result<()> {
    let tree = Tree::of(repository())?;
    let mut faults = Vec::new();
    for path in tree.ending("/Cargo.toml") {
        let manifest = tree.text(path)?.unwrap_or_default();
        // A workspace of its own takes no part in the design.
        if manifest.lines().any(|line| line == "[workspace]") {
            continue;
        }
        faults.extend(manifest_faults(path, &manifest));
        faults.extend(rooms_know_only_what_they_may(path, &manifest));
    }
    none(&faults);
    Ok(())
}

#[test]
fn every_room_says_what_it_is_for() -> Result<()> {
    let tree = Tree::of(repository())?;
    let faults: Vec<_> = tree
        .rooms()
        .into_iter()
        .filter(|room| !tree.has(&format!("{room}/README.md")))
        .map(|room| Fault::new(room, 0, "the room has no README.md"))
        .collect();
    none(&faults);
    Ok(())
}
