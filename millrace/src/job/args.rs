//! Arguments of the form `NAME=VALUE`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;

use millrace_processors::connector::FileFormat;

/// `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedArg {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for NamedArg {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, value) = text.split_once('=').context("write NAME=VALUE")?;
        anyhow::ensure!(!name.is_empty() && !value.is_empty(), "write NAME=VALUE");
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// `NAME=PATH[,FORMAT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileArg {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) format: Option<FileFormat>,
}

impl FromStr for FileArg {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let NamedArg { name, value } = text.parse().context("write NAME=PATH[,FORMAT]")?;
        // A comma may be part of the path.
        let (path, format) = match value.rsplit_once(',').map(|(path, f)| (path, f.parse())) {
            Some((path, Ok(format))) => (path, Some(format)),
            _ => (value.as_str(), None),
        };
        Ok(Self { name, path: path.into(), format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_argument_has_a_name_a_path_and_perhaps_a_format() {
        let parsed = |text: &str| {
            let arg: FileArg = text.parse().unwrap();
            (arg.name, arg.path.display().to_string(), arg.format)
        };
        let file = |path: &str, format| ("s".to_owned(), path.to_owned(), format);
        assert_eq!(parsed("s=a.csv"), file("a.csv", None));
        assert_eq!(parsed("s=a.log,json"), file("a.log", Some(FileFormat::JsonLines)));
        assert_eq!(parsed("s=a,b"), file("a,b", None));
        assert_eq!(parsed("s=a=b.csv"), file("a=b.csv", None));
        for wrong in ["a.csv", "=a.csv", "s="] {
            assert!(wrong.parse::<FileArg>().is_err(), "{wrong}");
        }
    }
}
