//! “Did you mean”: the known name nearest to one that is not known.

/// The candidate most like `name`, if one is near enough to be a slip of the fingers.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LIKENESS: f64 = 0.75;
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// `did you mean …?` when something is near, else the list of what is known.
pub fn hint<'a>(
    name: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    const SHOWN: usize = 20;
    if let Some(known) = nearest(name, candidates.clone()) {
        return format!("did you mean `{known}`?");
    }
    let known: Vec<_> = candidates.into_iter().collect();
    let more = if known.len() > SHOWN { ", …" } else { "" };
    match known.len() {
        0 => format!("there are no {what}"),
        _ => format!("{what}: {}{more}", known[..known.len().min(SHOWN)].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_named_and_a_stranger_gets_the_list() {
        let known = ["event_time", "partitions", "columns"];
        assert_eq!(hint("partitons", "fields", known), "did you mean `partitions`?");
        assert_eq!(hint("zzz", "fields", known), "fields: event_time, partitions, columns");
        assert_eq!(hint("zzz", "tables", []), "there are no tables");
    }
}
