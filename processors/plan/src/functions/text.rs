//! Functions of texts where Flink and DataFusion disagree.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::ScalarUDF;

use super::scalar::Kind::{Int, Text};
use super::scalar::{Args, function, int_type, numbers, slices, text_type, texts};

/// The functions of this file.
pub(super) fn functions() -> Vec<(&'static str, Arc<ScalarUDF>)> {
    vec![
        function("substring", &[Text, Int, Int], 2, text_type, substring),
        function("substr", &[Text, Int, Int], 2, text_type, substring),
        function("left", &[Text, Int], 2, text_type, left),
        function("right", &[Text, Int], 2, text_type, right),
        function("split_index", &[Text, Text, Int], 3, text_type, split_index),
        function("locate", &[Text, Text, Int], 2, int_type, locate),
        function("chr", &[Int], 1, text_type, chr),
    ]
}

/// From the n-th character (from 1; counted from the end if negative), `length` characters long.
fn substring(args: &Args) -> Result<ArrayRef> {
    let (input, from) = (args.text(0)?, args.int(1)?);
    let length = if args.len() > 2 { Some(args.int(2)?) } else { None };
    Ok(slices(args.rows, |row| {
        let (text, from) = (input.get(row)?, from.get(row)?);
        let length = match &length {
            Some(length) => usize::try_from(length.get(row)?).ok()?,
            None => usize::MAX,
        };
        let start = match from {
            1.. => usize::try_from(from - 1).ok()?,
            0 => 0,
            _ => {
                let count = i64::try_from(text.chars().count()).ok()?;
                match usize::try_from(count + from) {
                    Ok(start) => start,
                    Err(_) => return Some(""),
                }
            }
        };
        Some(characters(text, start, length))
    }))
}

/// `length` characters from the one numbered `start` (from 0).
fn characters(text: &str, start: usize, length: usize) -> &str {
    if text.is_ascii() {
        let start = start.min(text.len());
        return &text[start..start.saturating_add(length).min(text.len())];
    }
    let at = |n: usize, text: &str| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let rest = &text[at(start, text)..];
    &rest[..at(length, rest)]
}

fn left(args: &Args) -> Result<ArrayRef> {
    let (input, count) = (args.text(0)?, args.int(1)?);
    Ok(slices(args.rows, |row| {
        let count = usize::try_from(count.get(row)?).unwrap_or(0);
        Some(characters(input.get(row)?, 0, count))
    }))
}

fn right(args: &Args) -> Result<ArrayRef> {
    let (input, count) = (args.text(0)?, args.int(1)?);
    Ok(slices(args.rows, |row| {
        let (text, count) = (input.get(row)?, usize::try_from(count.get(row)?).unwrap_or(0));
        let start = text.chars().count().saturating_sub(count);
        Some(characters(text, start, count))
    }))
}

/// The n-th part (from 0) between separators; NULL if there are not so many.
fn split_index(args: &Args) -> Result<ArrayRef> {
    let (input, separator, index) = (args.text(0)?, args.text(1)?, args.int(2)?);
    Ok(slices(args.rows, |row| {
        let (text, separator) = (input.get(row)?, separator.get(row)?);
        let index = usize::try_from(index.get(row)?).ok()?;
        match separator.as_bytes() {
            [] => (index == 0).then_some(text),
            // One byte is the usual separator, and the parts of a text of bytes are found fastest.
            [byte] => {
                let mut parts = text.as_bytes().split(|b| b == byte);
                let part = parts.nth(index)?;
                std::str::from_utf8(part).ok()
            }
            _ => text.split(separator).nth(index),
        }
    }))
}

/// Where the first text is in the second, in characters from 1, not before the third; 0 if nowhere.
fn locate(args: &Args) -> Result<ArrayRef> {
    let (part, whole) = (args.text(0)?, args.text(1)?);
    let from = if args.len() > 2 { Some(args.int(2)?) } else { None };
    numbers::<Int32Type>(args.rows, |row| {
        let (Some(part), Some(whole)) = (part.get(row), whole.get(row)) else { return Ok(None) };
        let from = match &from {
            None => 1,
            Some(from) => match from.get(row) {
                None => return Ok(None),
                Some(from) => usize::try_from(from).unwrap_or(0),
            },
        };
        if from == 0 {
            return Ok(Some(0));
        }
        let rest = characters(whole, from - 1, usize::MAX);
        let position = rest.find(part).map_or(0, |at| rest[..at].chars().count() + from);
        let position = i32::try_from(position);
        position.map(Some).map_err(|_| exec_datafusion_err!("the text is too long for LOCATE"))
    })
}

/// The character of a code; codes repeat after 256.
fn chr(args: &Args) -> Result<ArrayRef> {
    let codes = args.int(0)?;
    texts(args.rows, |row, out| {
        Ok(codes.get(row).map(|code| {
            if code >= 0 {
                out.push(char::from(u8::try_from(code % 256).expect("less than 256")));
            }
        }))
    })
}
