//! Functions of Flink's that a job cannot call, and why.

/// Why Flink's function of this name (in upper case) cannot be called, and what to do instead.
pub(crate) fn refused(name: &str) -> Option<(String, &'static str)> {
    let (message, hint) = match name {
        "RAND" | "RAND_INTEGER" | "UUID" => (
            format!("{name} is not supported: after a crash it would give other values"),
            "derive the value from columns, for example with MD5",
        ),
        "PROCTIME" | "CURRENT_WATERMARK" => (
            format!("{name} is not supported: processing time gives other results on every run"),
            "use the event time of the stream",
        ),
        "NOW"
        | "CURRENT_TIMESTAMP"
        | "CURRENT_ROW_TIMESTAMP"
        | "LOCALTIMESTAMP"
        | "CURRENT_DATE"
        | "CURRENT_TIME"
        | "LOCALTIME" => (
            format!("{name} is not supported: the time of processing differs on every run"),
            "use the event time of the stream, or a literal such as TIMESTAMP '2026-01-01 00:00:00'",
        ),
        "TUMBLE_START" | "HOP_START" | "SESSION_START" => (
            format!("{name} belongs to the old group windows, which are not supported"),
            "write FROM TABLE(TUMBLE(…)) and select window_start",
        ),
        "TUMBLE_END" | "HOP_END" | "SESSION_END" => (
            format!("{name} belongs to the old group windows, which are not supported"),
            "write FROM TABLE(TUMBLE(…)) and select window_end",
        ),
        "TUMBLE_ROWTIME" | "HOP_ROWTIME" | "SESSION_ROWTIME" | "TUMBLE_PROCTIME"
        | "HOP_PROCTIME" | "SESSION_PROCTIME" => (
            format!("{name} belongs to the old group windows, which are not supported"),
            "write FROM TABLE(TUMBLE(…)) and select window_time",
        ),
        "RANK" | "DENSE_RANK" | "PERCENT_RANK" | "CUME_DIST" | "NTILE" | "LAG" | "LEAD"
        | "NTH_VALUE" => (
            format!("OVER windows other than ROW_NUMBER are not supported yet ({name})"),
            "number rows with ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)",
        ),
        "GROUPING" | "GROUPING_ID" | "GROUP_ID" => {
            (format!("{name} is not supported yet"), "write one query per grouping")
        }
        "JSON_OBJECTAGG" | "JSON_ARRAYAGG" | "JSON_OBJECT" | "JSON_ARRAY" | "TYPEOF"
        | "HASHCODE" | "STR_TO_MAP" | "PARSE_URL" | "CONVERT_TZ" => {
            (format!("Flink's function {name} is not supported yet"), "register it in the program")
        }
        _ => return None,
    };
    Some((message, hint))
}
