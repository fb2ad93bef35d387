-- The sinks of all queries, for Flink: they take rows and drop them. Millrace has them from `sink`.

CREATE TABLE nexmark_q0 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` BIGINT,
  `dateTime` TIMESTAMP(3),
  `extra` STRING
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q1 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` DECIMAL(23, 3),
  `dateTime` TIMESTAMP(3),
  `extra` STRING
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q2 (
  `auction` BIGINT,
  `price` BIGINT
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q5 (
  `auction` BIGINT,
  `num` BIGINT
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q7 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` BIGINT,
  `dateTime` TIMESTAMP(3),
  `extra` STRING
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q8 (
  `id` BIGINT,
  `name` STRING,
  `starttime` TIMESTAMP(3)
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q11 (
  `bidder` BIGINT,
  `bid_count` BIGINT,
  `starttime` TIMESTAMP(3),
  `endtime` TIMESTAMP(3)
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q14 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` DECIMAL(23, 3),
  `bidTimeType` STRING,
  `dateTime` TIMESTAMP(3),
  `extra` STRING,
  `c_counts` BIGINT
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q15 (
  `day` STRING,
  `total_bids` BIGINT,
  `rank1_bids` BIGINT,
  `rank2_bids` BIGINT,
  `rank3_bids` BIGINT,
  `total_bidders` BIGINT,
  `rank1_bidders` BIGINT,
  `rank2_bidders` BIGINT,
  `rank3_bidders` BIGINT,
  `total_auctions` BIGINT,
  `rank1_auctions` BIGINT,
  `rank2_auctions` BIGINT,
  `rank3_auctions` BIGINT,
  PRIMARY KEY (`day`) NOT ENFORCED
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q16 (
  `channel` STRING,
  `day` STRING,
  `minute` STRING,
  `total_bids` BIGINT,
  `rank1_bids` BIGINT,
  `rank2_bids` BIGINT,
  `rank3_bids` BIGINT,
  `total_bidders` BIGINT,
  `rank1_bidders` BIGINT,
  `rank2_bidders` BIGINT,
  `rank3_bidders` BIGINT,
  `total_auctions` BIGINT,
  `rank1_auctions` BIGINT,
  `rank2_auctions` BIGINT,
  `rank3_auctions` BIGINT,
  PRIMARY KEY (`channel`, `day`) NOT ENFORCED
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q17 (
  `auction` BIGINT,
  `day` STRING,
  `total_bids` BIGINT,
  `rank1_bids` BIGINT,
  `rank2_bids` BIGINT,
  `rank3_bids` BIGINT,
  `min_price` BIGINT,
  `max_price` BIGINT,
  `avg_price` BIGINT,
  `sum_price` BIGINT,
  PRIMARY KEY (`auction`, `day`) NOT ENFORCED
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q18 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` BIGINT,
  `channel` STRING,
  `url` STRING,
  `dateTime` TIMESTAMP(3),
  `extra` STRING,
  PRIMARY KEY (`bidder`, `auction`) NOT ENFORCED
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q19 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` BIGINT,
  `channel` STRING,
  `url` STRING,
  `dateTime` TIMESTAMP(3),
  `extra` STRING,
  `rank_number` BIGINT,
  PRIMARY KEY (`auction`, `rank_number`) NOT ENFORCED
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q21 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` BIGINT,
  `channel` STRING,
  `channel_id` STRING
) WITH ('connector' = 'blackhole');

CREATE TABLE nexmark_q22 (
  `auction` BIGINT,
  `bidder` BIGINT,
  `price` BIGINT,
  `channel` STRING,
  `dir1` STRING,
  `dir2` STRING,
  `dir3` STRING
) WITH ('connector' = 'blackhole');
