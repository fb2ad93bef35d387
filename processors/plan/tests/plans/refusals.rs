//! What is refused, and what the user is told to write instead.

use insta::assert_snapshot;

use crate::catalog::{catalog, keyed, planned, refused};

#[test]
fn a_changelog_needs_a_key() {
    let sql = "INSERT INTO out\nSELECT bidder, COUNT(*) AS n FROM bid GROUP BY bidder";
    assert_snapshot!(refused(sql, &catalog()));
}

#[test]
fn the_key_of_the_sink_must_be_that_of_the_query() {
    let sql =
        "INSERT INTO keyed SELECT bidder, channel, COUNT(*) AS n FROM bid GROUP BY bidder, channel";
    assert_snapshot!("too_few", refused(sql, &keyed(&["bidder"])));
    let sql = "INSERT INTO keyed SELECT bidder, COUNT(*) AS n FROM bid GROUP BY bidder, channel";
    assert_snapshot!("dropped", refused(sql, &keyed(&["bidder"])));
    let sql = "INSERT INTO keyed SELECT COUNT(*) AS n FROM bid";
    assert_snapshot!("one_row", refused(sql, &keyed(&["n"])));
    let sql = "INSERT INTO keyed SELECT auction, price FROM (SELECT *, ROW_NUMBER() OVER \
               (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid) WHERE rn <= 3";
    assert_snapshot!("no_number", refused(sql, &keyed(&["auction"])));
}

#[test]
fn a_window_needs_an_event_time() {
    let query = |stream: &str, time: &str| {
        format!(
            "INSERT INTO out SELECT window_start, COUNT(*) FROM \
             TABLE(TUMBLE(TABLE {stream}, DESCRIPTOR({time}), INTERVAL '1' MINUTE)) \
             GROUP BY window_start, window_end"
        )
    };
    assert_snapshot!("timeless", refused(&query("timeless", "ts"), &catalog()));
    let computed = format!(
        "CREATE TEMPORARY VIEW later AS SELECT dateTime + INTERVAL '1' HOUR AS ts FROM bid; {}",
        query("later", "ts")
    );
    assert_snapshot!("computed", refused(&computed, &catalog()));
    let lost = format!(
        "CREATE TEMPORARY VIEW best AS SELECT dateTime AS ts FROM (SELECT *, ROW_NUMBER() OVER \
         (PARTITION BY auction ORDER BY price) AS rn FROM bid) WHERE rn <= 2; {}",
        query("best", "ts")
    );
    assert_snapshot!("lost", refused(&lost, &catalog()));
}

#[test]
fn half_a_window_is_no_group() {
    let sql = "INSERT INTO out SELECT window_start, COUNT(*) FROM \
               TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)) GROUP BY window_start";
    assert_snapshot!(refused(sql, &catalog()));
}

#[test]
fn sessions_are_refused_where_they_would_be_wrong() {
    let session =
        "TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))";
    let plain = format!("INSERT INTO out SELECT bidder, window_end FROM {session}");
    assert_snapshot!("session_rows", refused(&plain, &catalog()));
    let other = format!(
        "INSERT INTO out SELECT channel, COUNT(*) FROM {session} GROUP BY channel, window_start, window_end"
    );
    assert_snapshot!("session_keys", refused(&other, &catalog()));
    let filtered = format!(
        "INSERT INTO out SELECT bidder, COUNT(*) FROM {session} WHERE price > 3 \
         GROUP BY bidder, window_start, window_end"
    );
    assert_snapshot!("session_filter", refused(&filtered, &catalog()));
}

#[test]
fn aggregates_that_cannot_take_rows_back_are_named() {
    let sql = "INSERT INTO keyed SELECT n, MAX(bidder) AS m FROM \
               (SELECT bidder, COUNT(*) AS n FROM bid GROUP BY bidder) GROUP BY n";
    assert_snapshot!(refused(sql, &keyed(&["n"])));
}

#[test]
fn a_rank_needs_a_bound() {
    let ranked = |rest: &str| {
        format!(
            "INSERT INTO out SELECT * FROM (SELECT auction, ROW_NUMBER() OVER \
             (PARTITION BY auction ORDER BY price) AS rn FROM bid) {rest}"
        )
    };
    assert_snapshot!("no_bound", refused(&ranked(""), &catalog()));
    assert_snapshot!("lower_bound", refused(&ranked("WHERE rn > 3"), &catalog()));
    assert_snapshot!("no_number_at_all", refused(&ranked("WHERE rn < 1"), &catalog()));
}

#[test]
fn state_that_grows_is_warned_of_with_its_cure() {
    let sql =
        "INSERT INTO keyed SELECT bidder, channel, COUNT(*) AS n FROM bid GROUP BY bidder, channel";
    let plan = planned(sql, &keyed(&["bidder", "channel"]));
    let warnings: Vec<String> = plan.warnings.iter().map(ToString::to_string).collect();
    assert_snapshot!(warnings.join("\n"));
}

#[test]
fn two_statements_cannot_write_one_sink() {
    let sql = "INSERT INTO out SELECT auction FROM bid;\nINSERT INTO out SELECT bidder FROM bid";
    assert_snapshot!(refused(sql, &catalog()));
}
