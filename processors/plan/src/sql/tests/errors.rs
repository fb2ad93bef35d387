//! What wrong queries are told: where the mistake is, what it is, and what to write instead.

use crate::sql::bind;

use super::catalog;

/// Compares every message for these statements with what is kept.
fn assert_messages(name: &str, cases: &[&str]) {
    let told: Vec<String> = cases
        .iter()
        .map(|sql| match bind(sql, &catalog()) {
            Ok(_) => panic!("{sql} is accepted"),
            Err(errors) => {
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                format!("{sql}\n--\n{}\n", all.join("\n"))
            }
        })
        .collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, told.join("\n")));
}

#[test]
fn names_that_are_not_known() {
    assert_messages(
        "names_that_are_not_known",
        &[
            "INSERT INTO out SELECT * FROM bids",
            "INSERT INTO out SELECT * FROM nothing_like_it",
            "INSERT INTO out SELECT pric FROM bid",
            "INSERT INTO out SELECT\n  auction,\n  b.prise\nFROM bid AS b",
            "INSERT INTO out SELECT x.price FROM bid AS b",
            "INSERT INTO out SELECT datetime FROM bid",
            "INSERT INTO out SELECT id FROM person JOIN auction ON person.id = auction.seller",
            "INSERT INTO out SELECT UPPR(url) FROM bid",
            "INSERT INTO out SELECT frobnicate(url) FROM bid",
            "INSERT INTO oot SELECT url FROM bid",
            "INSERT INTO bid SELECT url FROM bid",
            "INSERT INTO out SELECT detail.c FROM event",
            "INSERT INTO out SELECT CAST(url AS TEXTE) FROM bid",
            "INSERT INTO out SELECT price FROM bid WHERE `chanel` = 'a'",
        ],
    );
}

#[test]
fn types_that_do_not_fit() {
    assert_messages(
        "types_that_do_not_fit",
        &[
            "INSERT INTO out SELECT price + url FROM bid",
            "INSERT INTO out SELECT auction FROM bid WHERE dateTime > price",
            "INSERT INTO out SELECT UPPER(price) FROM bid",
            "INSERT INTO out SELECT SPLIT_INDEX(url, '/') FROM bid",
            "INSERT INTO out SELECT HOUR(url) FROM bid",
            "INSERT INTO out SELECT SUM(url) FROM bid",
            "INSERT INTO out SELECT price FROM bid WHERE price",
            "INSERT INTO out SELECT url, COUNT(*) FROM bid",
            "INSERT INTO out SELECT url FROM bid GROUP BY channel",
            "INSERT INTO out SELECT url FROM bid WHERE COUNT(*) > 1",
            "INSERT INTO typed SELECT auction, url FROM bid",
            "INSERT INTO typed SELECT auction, url, channel FROM bid",
            "INSERT INTO typed (id, nam, price) SELECT auction, url, price FROM bid",
            "INSERT INTO typed (id, name) SELECT auction, url, price FROM bid",
            "INSERT INTO out SELECT url, channel AS url FROM bid",
            "INSERT INTO out SELECT url FROM bid UNION ALL SELECT url, channel FROM bid",
        ],
    );
}

#[test]
fn windows_that_are_wrong() {
    let over = |window: &str| {
        format!(
            "INSERT INTO out SELECT COUNT(*) FROM TABLE({window}) GROUP BY window_start, window_end"
        )
    };
    let windows = [
        "TUMBLE(TABLE bid, DESCRIPTOR(price), INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE timeless, DESCRIPTOR(t), INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE bid, DESCRIPTOR(dateTim), INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE bids, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
        "TUMBLE(bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE bid, dateTime, INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE bid, DESCRIPTOR(dateTime))",
        "TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MONTH)",
        "TUMBLE(TABLE bid, DESCRIPTOR(dateTime), 60)",
        "TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '0' SECOND)",
        "TUMBLE(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
        "TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(dateTime), LENGTH => INTERVAL '1' MINUTE)",
        "HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND, INTERVAL '25' SECOND)",
        "CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '7' MINUTE, INTERVAL '1' HOUR)",
        "SESSION(TABLE bid PARTITION BY biddr, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
        "TUMBEL(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE (SELECT dateTime + INTERVAL '1' HOUR AS later FROM bid), DESCRIPTOR(later), INTERVAL '1' MINUTE)",
    ];
    let mut queries: Vec<String> = windows.into_iter().map(over).collect();
    queries.push(
        "INSERT INTO out SELECT COUNT(*) FROM bid GROUP BY TUMBLE(dateTime, INTERVAL '1' MINUTE)"
            .to_owned(),
    );
    queries.push(
        "INSERT INTO out SELECT * FROM \
         TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)"
            .to_owned(),
    );
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    assert_messages("windows_that_are_wrong", &queries);
}

#[test]
fn syntax_of_flink_that_is_not_supported_yet() {
    assert_messages(
        "syntax_of_flink_that_is_not_supported_yet",
        &[
            "CREATE TABLE t (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
             WITH ('connector' = 'kafka')",
            "CREATE TABLE t (a INT)",
            "CREATE TEMPORARY FUNCTION f AS 'com.example.F'",
            "SET 'parallelism.default' = '4'",
            "SELECT * FROM bid",
            "DROP VIEW v",
            "INSERT OVERWRITE out SELECT url FROM bid",
            "INSERT INTO db.out SELECT url FROM bid",
            "INSERT INTO out SELECT url FROM bid ORDER BY price",
            "INSERT INTO out SELECT url FROM bid LIMIT 10",
            "INSERT INTO out SELECT url FROM bid UNION SELECT url FROM bid",
            "INSERT INTO out SELECT url FROM bid EXCEPT SELECT url FROM bid",
            "INSERT INTO out SELECT url, COUNT(*) FROM bid GROUP BY ROLLUP (url)",
            "INSERT INTO out SELECT b.url FROM bid AS b JOIN person \
             FOR SYSTEM_TIME AS OF b.dateTime AS p ON b.bidder = p.id",
            "INSERT INTO out SELECT x FROM bid, LATERAL TABLE(split(url)) AS t (x)",
            "INSERT INTO out SELECT * FROM bid MATCH_RECOGNIZE (PARTITION BY bidder ORDER BY dateTime \
             MEASURES A.price AS p PATTERN (A B) DEFINE B AS B.price > A.price)",
            "INSERT INTO out SELECT SUM(price) OVER (PARTITION BY bidder ORDER BY dateTime) FROM bid",
            "INSERT INTO out SELECT RANK() OVER (PARTITION BY bidder ORDER BY dateTime) FROM bid",
            "INSERT INTO out SELECT url, PROCTIME() FROM bid",
            "INSERT INTO out SELECT url, CURRENT_TIMESTAMP FROM bid",
            "INSERT INTO out SELECT RAND() FROM bid",
            "INSERT INTO out SELECT url FROM bid WHERE url SIMILAR TO 'a%'",
            "INSERT INTO out SELECT price::STRING FROM bid",
            "INSERT INTO out SELECT url FROM bid WHERE price > (SELECT MAX(price) FROM bid)",
            "INSERT INTO out VALUES (1, 2)",
            "INSERT INTO out SELECT 1",
            "INSERT INTO out SELECT LISTAGG(url) WITHIN GROUP (ORDER BY price) FROM bid",
            "INSERT INTO out WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r",
        ],
    );
}

#[test]
fn texts_that_cannot_be_read() {
    assert_messages(
        "texts_that_cannot_be_read",
        &[
            "INSERT INTO out SELECT FROM bid WHERE",
            "INSERT INTO out SELECT url FROM",
            "INSERT INTO out SELECT a.url FROM (SELECT url, FROM bid) AS a",
            "INSERT INTO out SELECT url bid price",
            "INSERT INTO out SELECT \"url\" FROM bid",
            "INSERT INTO out SELECT 'url FROM bid",
            "INSERT INTO out SELECT url FROM bid WHERE price > 3)",
            "INSERT INTO out",
            "",
        ],
    );
}

#[test]
fn every_statement_is_checked() {
    assert_messages(
        "every_statement_is_checked",
        &["\
-- A view nobody could write, and what depends on it.
CREATE TEMPORARY VIEW v AS SELECT prize FROM bid;
INSERT INTO out SELECT * FROM v;
CREATE TEMPORARY VIEW bid AS SELECT 1;
INSERT INTO nowhere SELECT url, chanel FROM bid;
INSERT INTO other SELECT NOW(), RAND() FROM bid;
"],
    );
}
