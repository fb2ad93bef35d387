//! Functions of regular expressions, in Java's conventions for groups and replacements.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::ArrayRef;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::ScalarUDF;
use regex::Regex;

use super::scalar::Kind::{Int, Text};
use super::scalar::{Args, Texts, bool_type, booleans, function, slices, text_type, texts};

/// The functions of this file.
pub(super) fn functions() -> Vec<(&'static str, Arc<ScalarUDF>)> {
    vec![
        function("regexp", &[Text, Text], 2, bool_type, matches),
        function("regexp_extract", &[Text, Text, Int], 2, text_type, extract),
        function("regexp_replace", &[Text, Text, Text], 3, text_type, replace),
    ]
}

/// Compiled expressions kept from batch to batch; a job has few, so when there are many they come
/// from rows, and all are dropped.
fn compiled(pattern: &str) -> Result<Regex> {
    const MOST: usize = 256;
    static CACHE: OnceLock<Mutex<HashMap<String, Regex>>> = OnceLock::new();
    let cache = CACHE.get_or_init(Mutex::default);
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = cache.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(pattern).map_err(|error| {
        exec_datafusion_err!("'{pattern}' is not a regular expression supported here: {error}")
    })?;
    if cache.len() >= MOST {
        cache.clear();
    }
    cache.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

/// The expression of each row, compiled once when it is the same for all.
enum Patterns {
    Constant(Option<Regex>),
    Rows(Vec<Option<Regex>>),
}

impl Patterns {
    fn new(texts: &Texts, rows: usize) -> Result<Self> {
        let of_row = |row: usize| texts.get(row).map(compiled).transpose();
        if texts.is_constant() {
            return of_row(0).map(Self::Constant);
        }
        (0..rows).map(of_row).collect::<Result<_>>().map(Self::Rows)
    }

    fn get(&self, row: usize) -> Option<&Regex> {
        match self {
            Self::Constant(regex) => regex.as_ref(),
            Self::Rows(all) => all[row].as_ref(),
        }
    }
}

fn matches(args: &Args) -> Result<ArrayRef> {
    let input = args.text(0)?;
    let patterns = Patterns::new(&args.text(1)?, args.rows)?;
    booleans(args.rows, |row| {
        Ok(input.get(row).zip(patterns.get(row)).map(|(text, regex)| regex.is_match(text)))
    })
}

/// The n-th group of the first match (0: all of it); NULL when nothing matches.
fn extract(args: &Args) -> Result<ArrayRef> {
    let input = args.text(0)?;
    let patterns = Patterns::new(&args.text(1)?, args.rows)?;
    let group = if args.len() > 2 { Some(args.int(2)?) } else { None };
    Ok(slices(args.rows, |row| {
        let (text, regex) = (input.get(row)?, patterns.get(row)?);
        let group = match &group {
            Some(group) => usize::try_from(group.get(row)?).ok()?,
            None => 0,
        };
        if group == 0 {
            return regex.find(text).map(|found| found.as_str());
        }
        regex.captures(text)?.get(group).map(|found| found.as_str())
    }))
}

fn replace(args: &Args) -> Result<ArrayRef> {
    let (input, replacement) = (args.text(0)?, args.text(2)?);
    let patterns = Patterns::new(&args.text(1)?, args.rows)?;
    let constant = if replacement.is_constant() { replacement.get(0).map(of_java) } else { None };
    texts(args.rows, |row, out| {
        let Some(replacement) = replacement.get(row) else { return Ok(None) };
        let Some((text, regex)) = input.get(row).zip(patterns.get(row)) else { return Ok(None) };
        let own = if constant.is_none() { Some(of_java(replacement)) } else { None };
        let replacement = own.as_ref().or(constant.as_ref()).map_or("", String::as_str);
        out.push_str(&regex.replace_all(text, replacement));
        Ok(Some(()))
    })
}

/// A replacement as Java writes it (`$1`, `\$`), as the `regex` crate does (`${1}`, `$$`).
fn of_java(replacement: &str) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => {}
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                out.push_str("${");
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    out.push(digit);
                }
                out.push('}');
            }
            '$' if chars.peek() == Some(&'{') => out.push('$'),
            '$' => out.push_str("$$"),
            other => out.push(other),
        }
    }
    out
}
