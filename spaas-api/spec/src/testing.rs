//! What the tests of this crate share.

use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;

use crate::{Manifests, Mistake, SqlCheck, SqlFault, load_text, load_texts};

/// Takes any SQL.
pub(crate) struct AnySql;

impl SqlCheck for AnySql {
    fn check_route(
        &self,
        stream: &millrace_events::StreamSchema,
        _filter: Option<&str>,
        _select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        Ok(stream.arrow())
    }
}

/// A folder of manifests that the tests with a real SQL compiler use too.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/manifests").join(name)
}

/// What is wrong with a text that a person wrote.
pub(crate) fn mistakes_of(text: &str) -> Vec<Mistake> {
    load_text(Path::new("m.yaml"), text, &AnySql).err().unwrap_or_default()
}

/// Reads a set of texts that is right.
pub(crate) fn loaded(texts: &[&str]) -> Manifests {
    let named =
        texts.iter().enumerate().map(|(n, text)| (format!("{n}").into(), (*text).to_owned()));
    load_texts(&named.collect::<Vec<_>>(), &AnySql).expect("good manifests")
}
