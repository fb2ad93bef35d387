//! `count_char`, the function that q14 registers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// `count_char(text, letter)`: how often the first byte of `letter` is in `text`; 0 for no text.
pub fn count_char() -> ScalarUDF {
    let arguments = vec![DataType::Utf8, DataType::Utf8];
    let count = Arc::new(|arguments: &[ColumnarValue]| evaluate(arguments));
    create_udf("count_char", arguments, DataType::Int64, Volatility::Immutable, count)
}

fn evaluate(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let [texts, letter] = arguments else {
        return exec_err!("count_char takes a text and a letter");
    };
    let ColumnarValue::Scalar(ScalarValue::Utf8(letter)) = letter else {
        return exec_err!("count_char takes a literal as its second argument");
    };
    let Some(letter) = letter.as_ref().and_then(|letter| letter.bytes().next()) else {
        return exec_err!("count_char takes a letter that is not empty");
    };
    match texts {
        ColumnarValue::Array(texts) => Ok(ColumnarValue::Array(count(texts, letter))),
        ColumnarValue::Scalar(text) => {
            let counted = count(&text.to_array()?, letter);
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&counted, 0)?))
        }
    }
}

fn count(texts: &ArrayRef, letter: u8) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    let count = |row: usize| {
        if texts.is_null(row) {
            return 0;
        }
        let found = texts.value(row).bytes().filter(|byte| *byte == letter).count();
        i64::try_from(found).expect("a text is shorter than 2^63")
    };
    Arc::new(Int64Array::from_iter_values((0..texts.len()).map(count)))
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn count_char_counts_and_takes_no_text_for_none() -> Result<()> {
        let texts = ColumnarValue::Array(Arc::new(StringArray::from(vec![
            Some("cacao"),
            None,
            Some(""),
            Some("xyz"),
        ])));
        let letter = ColumnarValue::Scalar(ScalarValue::from("c"));
        let counted = evaluate(&[texts, letter.clone()])?.into_array(4)?;
        assert_eq!(counted.as_ref(), &Int64Array::from(vec![2, 0, 0, 0]) as &dyn Array);
        let scalar = ColumnarValue::Scalar(ScalarValue::from("cc"));
        let counted = evaluate(&[scalar, letter])?.into_array(1)?;
        assert_eq!(counted.as_ref(), &Int64Array::from(vec![2]) as &dyn Array);
        Ok(())
    }

    #[test]
    fn count_char_refuses_what_is_not_a_letter() {
        let text = ColumnarValue::Scalar(ScalarValue::from("cacao"));
        let empty = ColumnarValue::Scalar(ScalarValue::from(""));
        assert!(evaluate(&[text.clone(), empty]).is_err());
        assert!(evaluate(&[text]).is_err());
    }
}
