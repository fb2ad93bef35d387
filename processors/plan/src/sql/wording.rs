//! What DataFusion complains about without a place, in the words of this dialect and with a place.

use std::ops::Range;

/// A message, the bytes it is about if the text shows them, and a cure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wording {
    pub(super) message: String,
    pub(super) at: Option<Range<usize>>,
    pub(super) hint: Option<String>,
}

/// Reads DataFusion's `message` about the statement at `within` of `text`. `called` gives the names
/// by which queries call a function of DataFusion's.
pub(super) fn reword(
    message: &str,
    text: &str,
    within: &Range<usize>,
    called: impl Fn(&str) -> Vec<String>,
) -> Wording {
    let find = |word: &str| find_word(text, within, word);
    let plain = |message: String, at: Option<Range<usize>>, hint: &str| Wording {
        message,
        at,
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    };
    if let Some(call) =
        between(message, "No function matches the given name and argument types '", "'")
    {
        return call_wording(message, call, find, called);
    }
    if let Some(rest) = message.strip_prefix("Cannot coerce arithmetic expression ") {
        let operands = rest.trim_end_matches(" to valid types");
        let mut parts = operands.splitn(3, ' ');
        if let (Some(left), Some(op), Some(right)) = (parts.next(), parts.next(), parts.next()) {
            let message = format!("`{op}` cannot take {} and {}", flink(left), flink(right));
            return plain(message, None, "CAST one side to the type that is meant");
        }
    }
    if let Some((expr, _)) = message.split_once(" must appear in GROUP BY clause") {
        let expr = expr.trim_matches('\'');
        let message = format!("`{expr}` is neither in GROUP BY nor inside an aggregate");
        let hint = format!("add it to GROUP BY, or write, for example, MAX({expr})");
        return plain(message, None, &hint);
    }
    if message.starts_with("Cannot create filter with non-boolean predicate") {
        let has = message.rsplit(' ').next().map(flink).unwrap_or_default();
        let message = format!("WHERE wants a BOOLEAN, not {has}");
        return plain(message, find("WHERE"), "write a comparison");
    }
    if message.starts_with("Aggregate functions are not allowed in the WHERE clause") {
        let message = "an aggregate cannot be in WHERE".to_owned();
        return plain(message, find("WHERE"), "write the condition after HAVING");
    }
    if let Some(field) = between(message, "Field ", " not found in struct") {
        let message = format!("the row has no field `{field}`");
        return plain(message, find(field), "");
    }
    if let Some(name) = between(message, "there is no type `", "`") {
        return plain(message.to_owned(), find(name), "types have Flink's names, such as STRING");
    }
    if message.starts_with("Projections require unique expression names") {
        let message = "two columns of the result have the same name".to_owned();
        return plain(message, None, "give one of them another name with AS");
    }
    plain(message.to_owned(), None, "")
}

/// The error of a call whose arguments do not fit.
fn call_wording(
    message: &str,
    call: &str,
    find: impl Fn(&str) -> Option<Range<usize>>,
    called: impl Fn(&str) -> Vec<String>,
) -> Wording {
    let (name, types) = call.split_once('(').unwrap_or((call, ""));
    let types: Vec<String> =
        types.trim_end_matches(')').split(", ").filter(|t| !t.is_empty()).map(flink).collect();
    let place =
        called(name).into_iter().find_map(|name| find(&name).map(|at| (name.to_uppercase(), at)));
    let (name, at) = match place {
        Some((name, at)) => (name, Some(at)),
        None => (name.to_uppercase(), None),
    };
    let own = "coercion failed with: Error during planning: ";
    let why = between(message, own, ". No function").map(|why| format!(": {why}"));
    Wording {
        message: format!("{name} cannot take ({}){}", types.join(", "), why.unwrap_or_default()),
        at,
        hint: Some("CAST an argument to the type that is meant".to_owned())
            .filter(|_| !message.contains("it wants")),
    }
}

fn between<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// Where a word first stands alone, in any case.
fn find_word(text: &str, within: &Range<usize>, word: &str) -> Option<Range<usize>> {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    let part = text.get(within.clone())?;
    let (lower, word) = (part.to_ascii_lowercase(), word.to_ascii_lowercase());
    lower.match_indices(&word).map(|(at, _)| at..at + word.len()).find_map(|at| {
        let alone = !part[..at.start].ends_with(of_name) && !part[at.end..].starts_with(of_name);
        alone.then(|| within.start + at.start..within.start + at.end)
    })
}

/// Flink's name of a type that DataFusion has printed.
fn flink(printed: &str) -> String {
    match printed {
        "Utf8" | "LargeUtf8" | "Utf8View" => "STRING",
        "Int8" => "TINYINT",
        "Int16" => "SMALLINT",
        "Int32" => "INT",
        "Int64" => "BIGINT",
        "Float32" => "FLOAT",
        "Float64" => "DOUBLE",
        "Boolean" => "BOOLEAN",
        "Date32" => "DATE",
        "Binary" => "BYTES",
        other if other.starts_with("Timestamp(") => "TIMESTAMP",
        other if other.starts_with("Interval(") => "INTERVAL",
        other => return other.replace("Decimal128", "DECIMAL"),
    }
    .to_owned()
}
