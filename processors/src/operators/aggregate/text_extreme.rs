//! `MIN` and `MAX` of texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};

use super::function::Variable;
use super::picked::Picked;
use crate::JobError;

/// The least or greatest text that is not NULL, by its bytes.
///
/// State: 1, then the text; nothing if there is none.
pub(crate) struct TextExtreme {
    pub(crate) greatest: bool,
}

impl TextExtreme {
    fn put(&self, state: &mut Vec<u8>, text: &[u8]) {
        let wins =
            state.is_empty() || if self.greatest { text > &state[1..] } else { text < &state[1..] };
        if wins {
            state.clear();
            state.push(1);
            state.extend_from_slice(text);
        }
    }
}

impl Variable for TextExtreme {
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        _retract: bool,
        states: &mut [Vec<u8>],
    ) -> Result<(), JobError> {
        let texts = args[0].as_string::<i32>();
        picked.each(texts.nulls(), |row, group| {
            self.put(&mut states[group], texts.value(row).as_bytes());
        });
        Ok(())
    }

    fn merge(&self, into: &mut Vec<u8>, from: &[u8]) -> Result<(), JobError> {
        if let Some((_, text)) = from.split_first() {
            self.put(into, text);
        }
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef, JobError> {
        let text = |state: &&[u8]| state.split_first().map(|(_, text)| text_of(text));
        Ok(Arc::new(states.iter().map(text).collect::<StringArray>()))
    }
}

/// Text that came out of a text column.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
