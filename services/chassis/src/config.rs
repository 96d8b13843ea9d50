//! The settings of a process: one table says each key, its default and what
//! it is for, and one typed struct takes the values.
//!
//! Later layers win: the table's defaults, a TOML file, the environment, the
//! flags. A key that the table does not know is refused wherever it stands:
//! a misspelt limit must not leave the default in force unnoticed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

/// A setting: its key (`section.name`), its default as a TOML value, and what
/// it is for, in a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key, with dots between sections and name.
    pub key: &'static str,
    /// The default, as it would stand in a TOML file.
    pub default: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// All settings of a process, by which values from all layers are read.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// What the names of environment variables begin with, such as `MAINSTAY`.
    pub prefix: &'static str,
    /// The settings. Those without a section come first, those of a section
    /// stand together, as they do in TOML.
    pub settings: &'static [Setting],
    /// Environment variables with the prefix that are no settings.
    pub reserved: &'static [&'static str],
}

/// The layers above the defaults.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// A TOML file, which must exist.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Keys and values given as flags.
    pub flags: Vec<(&'static str, String)>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A key is not in the table.
    #[error("{origin}: there is no setting `{key}`; did you mean `{nearest}`?")]
    Unknown {
        /// Where it stands.
        origin: String,
        /// The key, as written there.
        key: String,
        /// The known one that it is most like, in the same spelling.
        nearest: String,
    },
    /// A file cannot be read, or a value is of the wrong type.
    #[error("{0}")]
    Unusable(#[from] config::ConfigError),
}

impl Layers {
    /// The process's own environment, and nothing else yet. Variables that are
    /// not Unicode are left out: none of ours is.
    pub fn of_process() -> Self {
        let unicode = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            environment: std::env::vars_os().filter_map(unicode).collect(),
            ..Self::default()
        }
    }
}

impl Table {
    /// Reads the settings from all layers.
    pub fn load<T: DeserializeOwned>(&self, layers: Layers) -> Result<T, SettingsError> {
        let mut builder =
            Config::builder().add_source(File::from_str(&self.document(), FileFormat::Toml));
        if let Some(path) = &layers.file {
            builder = builder.add_source(self.file(path)?);
        }
        builder = builder.add_source(self.environment(layers.environment)?);
        for (key, value) in layers.flags {
            builder = builder.set_override(key, value)?;
        }
        Ok(builder.build()?.try_deserialize()?)
    }

    /// All settings with their defaults, as a TOML file that says the same.
    pub fn document(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for setting in self.settings {
            let (of, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
            if of != section {
                section = of;
                let _ = writeln!(text, "\n[{section}]");
            }
            let variable = self.variable(setting.key);
            let _ = writeln!(
                text,
                "# {} ({variable})\n{name} = {}",
                setting.about, setting.default
            );
        }
        text
    }

    /// The environment variable of a key.
    fn variable(&self, key: &str) -> String {
        format!("{}_{}", self.prefix, key.replace('.', "__").to_uppercase())
    }

    fn knows(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }

    fn nearest(&self, key: &str) -> &'static str {
        let likeness = |setting: &&Setting| strsim::damerau_levenshtein(setting.key, key);
        self.settings
            .iter()
            .min_by_key(likeness)
            .map_or("", |setting| setting.key)
    }

    fn file(&self, path: &Path) -> Result<File<config::FileSourceFile, FileFormat>, SettingsError> {
        let source = File::from(path).format(FileFormat::Toml).required(true);
        for key in leaves("", source.collect()?) {
            if !self.knows(&key) {
                let nearest = self.nearest(&key).to_owned();
                return Err(SettingsError::Unknown {
                    origin: path.display().to_string(),
                    key,
                    nearest,
                });
            }
        }
        Ok(source)
    }

    fn environment(&self, variables: Vec<(String, String)>) -> Result<Environment, SettingsError> {
        let mut ours = HashMap::new();
        for (name, value) in variables {
            let Some(rest) = name
                .strip_prefix(self.prefix)
                .and_then(|rest| rest.strip_prefix('_'))
            else {
                continue;
            };
            if self.reserved.contains(&name.as_str()) {
                continue;
            }
            let key = rest.to_lowercase().replace("__", ".");
            if !self.knows(&key) {
                let nearest = self.variable(self.nearest(&key));
                return Err(SettingsError::Unknown {
                    origin: "environment".to_owned(),
                    key: name,
                    nearest,
                });
            }
            ours.insert(name, value);
        }
        Ok(Environment::with_prefix(self.prefix)
            .prefix_separator("_")
            .separator("__")
            .source(Some(ours)))
    }
}

/// The keys of all values in nested tables; an empty table counts as a value,
/// so that an unknown empty section is seen.
fn leaves(section: &str, table: HashMap<String, Value>) -> Vec<String> {
    let nested = |(name, value): (String, Value)| {
        let key = if section.is_empty() {
            name
        } else {
            format!("{section}.{name}")
        };
        if let ValueKind::Table(inner) = value.kind
            && !inner.is_empty()
        {
            return leaves(&key, inner);
        }
        vec![key]
    };
    let mut keys: Vec<_> = table.into_iter().flat_map(nested).collect();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    struct Pot {
        listen: std::net::SocketAddr,
        limits: Limits,
    }

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    struct Limits {
        rate: u32,
        open: bool,
    }

    const TABLE: Table = Table {
        prefix: "POT",
        settings: &[
            Setting {
                key: "listen",
                default: "\"127.0.0.1:1\"",
                about: "Where to listen.",
            },
            Setting {
                key: "limits.rate",
                default: "5",
                about: "Calls a second.",
            },
            Setting {
                key: "limits.open",
                default: "false",
                about: "Whether anyone may.",
            },
        ],
        reserved: &["POT_SERVER"],
    };

    fn environment(pairs: &[(&str, &str)]) -> Layers {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Layers {
            environment: pairs.iter().map(owned).collect(),
            ..Layers::default()
        }
    }

    fn file(text: &str) -> (tempfile::NamedTempFile, Layers) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let layers = Layers {
            file: Some(file.path().to_owned()),
            ..Layers::default()
        };
        (file, layers)
    }

    #[test]
    fn without_layers_the_defaults_hold() {
        let pot: Pot = TABLE.load(Layers::default()).unwrap();
        let limits = Limits {
            rate: 5,
            open: false,
        };
        assert_eq!(
            pot,
            Pot {
                listen: "127.0.0.1:1".parse().unwrap(),
                limits
            }
        );
    }

    #[test]
    fn each_layer_wins_over_the_one_before() {
        let (_file, mut layers) =
            file("listen = \"127.0.0.1:2\"\n[limits]\nrate = 6\nopen = true\n");
        layers.environment =
            environment(&[("POT_LISTEN", "127.0.0.1:3"), ("POT_LIMITS__RATE", "7")]).environment;
        layers.flags = vec![("listen", "127.0.0.1:4".to_owned())];
        let pot: Pot = TABLE.load(layers).unwrap();
        let limits = Limits {
            rate: 7,
            open: true,
        };
        assert_eq!(
            pot,
            Pot {
                listen: "127.0.0.1:4".parse().unwrap(),
                limits
            }
        );
    }

    #[test]
    fn an_unknown_key_in_a_file_is_refused_with_the_nearest() {
        let (file, layers) = file("[limits]\nrat = 6\n");
        let refusal = TABLE.load::<Pot>(layers).unwrap_err().to_string();
        let path = file.path().display();
        assert_eq!(
            refusal,
            format!("{path}: there is no setting `limits.rat`; did you mean `limits.rate`?")
        );
    }

    #[test]
    fn an_unknown_section_is_refused_even_when_empty() {
        let (_file, layers) = file("[limit]\n");
        assert!(
            matches!(TABLE.load::<Pot>(layers), Err(SettingsError::Unknown { key, .. }) if key == "limit")
        );
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_nearest() {
        let refusal = TABLE
            .load::<Pot>(environment(&[("POT_LISTN", "x")]))
            .unwrap_err()
            .to_string();
        assert_eq!(
            refusal,
            "environment: there is no setting `POT_LISTN`; did you mean `POT_LISTEN`?"
        );
    }

    #[test]
    fn foreign_and_reserved_variables_are_left_alone() {
        let layers = environment(&[("POT_SERVER", "x"), ("POTTERY", "y"), ("HOME", "/")]);
        assert!(TABLE.load::<Pot>(layers).is_ok());
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let refusal = TABLE
            .load::<Pot>(environment(&[("POT_LIMITS__RATE", "many")]))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("limits.rate"), "{refusal}");
    }

    #[test]
    fn a_missing_file_is_refused() {
        let layers = Layers {
            file: Some("/nowhere/pot.toml".into()),
            ..Layers::default()
        };
        assert!(
            TABLE
                .load::<Pot>(layers)
                .unwrap_err()
                .to_string()
                .contains("/nowhere/pot.toml")
        );
    }

    #[test]
    fn the_document_says_key_default_and_sentence() {
        let expected = "# Where to listen. (POT_LISTEN)\nlisten = \"127.0.0.1:1\"\n\n[limits]\n\
                        # Calls a second. (POT_LIMITS__RATE)\nrate = 5\n\
                        # Whether anyone may. (POT_LIMITS__OPEN)\nopen = false\n";
        assert_eq!(TABLE.document(), expected);
    }
}
