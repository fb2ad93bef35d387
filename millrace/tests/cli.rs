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
fn generators_refuse_what_they_cannot_make() {
    for (generator, option, value, said) in [
        ("fleet", "--rate", "0", "above zero"),
        ("fleet", "--rate", "nan", "above zero"),
        ("fleet", "--rate", "1e12", "at most 2000"),
        ("playback", "--rate", "1e12", "at most 10000"),
        ("playback", "--members", "0", "somebody must watch"),
        ("playback", "--start", "yesterday", "not a time"),
        ("playback", "--speed", "-1", "--speed"),
        ("playback", "--stream", "oca_reports", "there are playback, history_deletions"),
        ("fleet", "--stream", "playback", "there are oca_reports, oca_routes"),
    ] {
        let output =
            millrace(&["generate", generator, &format!("{option}={value}"), "--for", "1s"]);
        assert_eq!(output.status.code(), Some(1), "{generator} {option} {value}");
        assert!(output.stdout.is_empty(), "{generator} {option} {value}");
        let told = text(&output.stderr);
        assert!(told.contains(said), "{generator} {option} {value}: {told}");
    }
}

#[test]
fn off_policy_evaluation_refuses_what_it_cannot_estimate() {
    for (options, code, said) in [
        (&["--policy", "best"][..], 2, "`uniform`, `thompson`, `fixed:ID` or `column`"),
        (&["--level", "1"], 2, "neither 0 nor 1"),
        (&["--clip", "0"], 2, "above 0"),
        (&["--epsilon", "nan"], 2, "between 0 and 1"),
        (&["--resamples", "4000000000"], 2, "1000000"),
        (&["--policy", "fixed:999"], 1, "no title has the action 999"),
        (&["--policy", "column"], 1, "reads rows of --sql"),
        (&["--open-bandit", "/nowhere"], 1, "random/all/all.csv.gz"),
        (&["--sql", "SELECT 1"], 1, "needs --parameters FILE"),
    ] {
        let output = millrace(&[&["ope"], options].concat());
        assert_eq!(output.status.code(), Some(code), "{options:?}");
        assert!(output.stdout.is_empty(), "{options:?}");
        let told = text(&output.stderr);
        assert!(told.contains(said), "{options:?}: {told}");
    }
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
