//! Plans of right queries.

use super::plan_of;

#[test]
fn plans_keep_the_shape_of_the_query() {
    let queries = [
        "INSERT INTO out SELECT auction, 0.908 * price, `dateTime` FROM bid WHERE MOD(auction, 123) = 0",
        "INSERT INTO out SELECT bidder, COUNT(*) AS n, AVG(price), \
         COUNT(DISTINCT auction) FILTER (WHERE price > 10), window_start FROM \
         TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) \
         WHERE price > 5 AND window_start > TIMESTAMP '2020-01-01 00:00:00' \
         GROUP BY bidder, window_start, window_end",
        "INSERT INTO out SELECT * FROM (SELECT *, \
         ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid) WHERE rn <= 10",
        "INSERT INTO out SELECT e.id, t.x FROM event AS e CROSS JOIN UNNEST(e.tags) AS t (x)",
        "INSERT INTO out SELECT id, x FROM event, UNNEST(tags) AS t (x)",
        "INSERT INTO out SELECT id, a, b FROM event, UNNEST(parts) AS t (a, b)",
        "INSERT INTO out SELECT P.id, P.name, A.reserve FROM person P \
         JOIN auction A ON P.id = A.seller AND A.`dateTime` \
         BETWEEN P.`dateTime` - INTERVAL '1' HOUR AND P.`dateTime`",
        "INSERT INTO out SELECT id FROM person WHERE id IN (SELECT seller FROM auction)",
        "INSERT INTO out SELECT bidder, starttime, n FROM (SELECT bidder, COUNT(*) AS n, \
         window_start AS starttime, window_end AS endtime FROM \
         TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) \
         GROUP BY bidder, window_start, window_end)",
    ];
    let plans: Vec<String> =
        queries.iter().map(|sql| format!("{sql}\n{}\n", plan_of(sql))).collect();
    insta::assert_snapshot!(plans.join("\n"));
}
