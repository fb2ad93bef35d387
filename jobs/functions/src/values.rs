//! `sorted_list(text)` and `only_value(text)`: the texts of a group.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use millrace_plan::AggregateFunction;

use crate::arguments::of_type;
use crate::coding::{Reader, put_bytes, put_i64};

/// What becomes of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Texts {
    /// `sorted_list(x)`: each once, in ascending order, with commas between; unlike `LISTAGG`, the
    /// same in whatever order the rows come.
    SortedList,
    /// `only_value(x)`: the one that the rows of a group share, which keeps a column through a
    /// `GROUP BY` of a changelog; should they differ, the greatest.
    OnlyValue,
}

/// State: the texts in ascending order, each with how many rows have it.
fn read(state: &[u8]) -> Result<BTreeMap<&str, i64>> {
    let (mut reader, mut texts) = (Reader(state), BTreeMap::new());
    while !reader.0.is_empty() {
        let text = reader.text()?;
        texts.insert(text, reader.i64()?);
    }
    Ok(texts)
}

fn write(texts: &BTreeMap<&str, i64>) -> Vec<u8> {
    let mut state = Vec::new();
    for (text, count) in texts.iter().filter(|(_, count)| **count != 0) {
        put_bytes(&mut state, text.as_bytes());
        put_i64(&mut state, *count);
    }
    state
}

fn change(state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32], sign: i64) -> Result<()> {
    let column = of_type(&args[0], &DataType::Utf8)?;
    let column = column.as_string::<i32>();
    let mut texts = read(state)?;
    for row in rows.iter().map(|row| *row as usize).filter(|row| column.is_valid(*row)) {
        *texts.entry(column.value(row)).or_default() += sign;
    }
    let changed = write(&texts);
    *state = changed;
    Ok(())
}

impl AggregateFunction for Texts {
    fn name(&self) -> &'static str {
        match self {
            Self::SortedList => "sorted_list",
            Self::OnlyValue => "only_value",
        }
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let [DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View] = args else {
            return plan_err!("{} takes one text", self.name());
        };
        Ok(DataType::Utf8)
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        change(state, args, rows, 1)
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        let mut texts = read(state)?;
        for (text, count) in read(other)? {
            *texts.entry(text).or_default() += count;
        }
        let merged = write(&texts);
        *state = merged;
        Ok(())
    }

    fn retracts(&self) -> bool {
        true
    }

    fn retract(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        change(state, args, rows, -1)
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let finish = |state: &&[u8]| -> Result<Option<String>> {
            let texts = read(state)?;
            let mut texts = texts.iter().filter(|(_, count)| **count > 0).map(|(text, _)| *text);
            Ok(match self {
                Self::SortedList => {
                    let list = texts.collect::<Vec<_>>().join(",");
                    (!list.is_empty()).then_some(list)
                }
                Self::OnlyValue => texts.next_back().map(ToOwned::to_owned),
            })
        };
        let texts = states.iter().map(finish).collect::<Result<StringArray>>()?;
        Ok(Arc::new(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(function: Texts, add: &[Option<&str>], take: &[Option<&str>]) -> Option<String> {
        let column = |texts: &[Option<&str>]| -> [ArrayRef; 1] {
            [Arc::new(StringArray::from(texts.to_vec()))]
        };
        let rows = |texts: &[Option<&str>]| (0..u32::try_from(texts.len()).unwrap()).collect();
        let all: (Vec<u32>, Vec<u32>) = (rows(add), rows(take));
        let mut state = Vec::new();
        function.retract(&mut state, &column(take), &all.1).unwrap();
        let mut other = Vec::new();
        function.update(&mut other, &column(add), &all.0).unwrap();
        function.merge(&mut state, &other).unwrap();
        let result = function.finish(&[&state]).unwrap();
        let result = result.as_string::<i32>();
        result.is_valid(0).then(|| result.value(0).to_owned())
    }

    #[test]
    fn a_sorted_list_has_each_text_once() {
        let add = [Some("tv"), Some("phone"), None, Some("tv"), Some("web")];
        let list = after(Texts::SortedList, &add, &[]);
        assert_eq!(list.as_deref(), Some("phone,tv,web"));
        let list = after(Texts::SortedList, &add, &[Some("tv"), Some("web")]);
        assert_eq!(list.as_deref(), Some("phone,tv"));
        assert_eq!(after(Texts::SortedList, &[None], &[]), None);
    }

    #[test]
    fn the_only_value_is_replaced() {
        let value = after(Texts::OnlyValue, &[Some("z"), Some("a")], &[Some("z")]);
        assert_eq!(value.as_deref(), Some("a"));
        assert_eq!(after(Texts::OnlyValue, &[Some("z")], &[Some("z")]), None);
    }
}
