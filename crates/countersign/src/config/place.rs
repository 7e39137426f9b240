//! Where a value was given.

use std::fmt;

use serde::Serialize;

/// The place that gave a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "layer", rename_all = "snake_case")]
pub enum Place {
    /// Built in.
    Default,
    /// A position in the configuration file; line and column count from 1.
    File {
        /// The file.
        path: String,
        /// Line.
        line: usize,
        /// Column, in characters.
        column: usize,
    },
    /// The configuration file as a whole.
    WholeFile {
        /// The file.
        path: String,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// `--set key=value` on the command line.
    Flag {
        /// The key.
        key: String,
    },
}

/// The layers; a later one overrides an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Built-in values.
    Default,
    /// The configuration file.
    File,
    /// The environment.
    Environment,
    /// The command line.
    Flags,
}

impl Place {
    /// The layer that the place belongs to.
    pub const fn layer(&self) -> Layer {
        match self {
            Self::Default => Layer::Default,
            Self::File { .. } | Self::WholeFile { .. } => Layer::File,
            Self::Environment { .. } => Layer::Environment,
            Self::Flag { .. } => Layer::Flags,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::WholeFile { path } => f.write_str(path),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag { key } => write!(f, "--set {key}"),
        }
    }
}
