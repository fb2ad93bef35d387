//! The binary as a shell sees it: help, usage errors, exit codes.
//!
//! Being here it also has cargo build the binary, which the tests of the whole platform start.

use std::process::{Command, Output};

fn millrace(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_millrace")).args(args).output();
    output.expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command() {
    let help = millrace(&["--help"]);
    assert!(help.status.success());
    let commands =
        ["up", "router", "demo", "emit", "sql", "validate", "schema", "dead-letters", "audit"];
    for command in commands {
        assert!(text(&help.stdout).contains(&format!("  {command} ")), "{command}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_wrong() {
    for args in [&["upp"][..], &["up", "--memory", "lots"], &["emit"], &["dead-letters"]] {
        let output = millrace(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "talk goes to stderr: {args:?}");
    }
    assert!(text(&millrace(&["up", "--memory", "lots"]).stderr).contains("lots"));
}

#[test]
fn an_address_others_can_reach_is_refused_unless_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8");
    let output = millrace(&["up", "--listen", "0.0.0.0:0", "--data", data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("0.0.0.0:0 can be reached from other machines"));
}

#[test]
fn a_command_without_a_platform_says_where_it_looked() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("nothing");
    let output = millrace(&["emit", "impressions", "--data", data.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nothing seems to run on"), "{}", text(&output.stderr));
}
