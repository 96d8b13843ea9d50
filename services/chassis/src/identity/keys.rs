//! The keys, in files: `gateway.key` is what the gateway signs with, and
//! nobody but its owner may read it; `gateway.ID.pub` is what services verify
//! with. Several public keys of an issuer are good at once, so that a key can
//! be replaced without a gap.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{DecodingKey, EncodingKey};

/// What stands before the 32 bytes of an Ed25519 key in a public key's file.
const PUBLIC_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// Why a key cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No folder is named.
    #[error(
        "processes that run apart know one another by keys: \
         make a folder of them with `mainstay keys generate DIR`, and name it with --keys DIR"
    )]
    Unnamed,
    /// A file or folder cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A private key is there for others to read.
    #[error(
        "{path} can be read by others than its owner: chmod 600 {path}, or make a new key if they may have done so"
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// A file holds something else.
    #[error("{path} holds no {what} in PEM: `mainstay keys generate DIR` makes one")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// There is no public key.
    #[error(
        "{path} holds no public key (*.pub) to verify tokens with: `mainstay keys generate {path}` makes a pair"
    )]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// A private key is there already.
    #[error(
        "{path} is there already: --rotate makes a new key, and leaves the public one of the old until you delete it"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An issuer has a name that is none.
    #[error("`{issuer}` is the name of no service: it is to be small letters, digits and hyphens")]
    Issuer {
        /// The name.
        issuer: String,
    },
    /// The system gives no key.
    #[error("no key could be made")]
    Made,
}

/// What an issuer signs with.
pub struct Signing {
    pub(super) issuer: String,
    pub(super) id: String,
    pub(super) key: EncodingKey,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signing({} {})", self.issuer, self.id)
    }
}

impl Signing {
    /// The key of an issuer in a folder; its file must be its owner's only.
    pub fn load(folder: &Path, issuer: &str) -> Result<Self, KeyError> {
        if folder.as_os_str().is_empty() {
            return Err(KeyError::Unnamed);
        }
        let path = private_file(folder, issuer);
        refuse_open(&path)?;
        let foreign = || KeyError::Foreign {
            path: path.clone(),
            what: "Ed25519 private key",
        };
        let der = unwrapped(PRIVATE, &read(&path)?).ok_or_else(foreign)?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| foreign())?;
        Ok(Self {
            issuer: issuer.to_owned(),
            id: id(pair.public_key().as_ref()),
            key: EncodingKey::from_ed_der(&der),
        })
    }
}

/// A public key and whose it is.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) issuer: String,
    pub(super) key: DecodingKey,
}

/// What tokens are verified with, by the ids of the keys.
#[derive(Debug)]
pub struct Verifying(HashMap<String, Known>);

impl Verifying {
    /// All public keys in a folder.
    pub fn load(folder: &Path) -> Result<Self, KeyError> {
        if folder.as_os_str().is_empty() {
            return Err(KeyError::Unnamed);
        }
        let failed = |cause| KeyError::File {
            path: folder.to_owned(),
            cause,
        };
        let mut keys = HashMap::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == "pub") {
                let (id, known) = known(&path)?;
                keys.insert(id, known);
            }
        }
        match keys.is_empty() {
            true => Err(KeyError::None {
                path: folder.to_owned(),
            }),
            false => Ok(Self(keys)),
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Known> {
        self.0.get(id)
    }
}

/// The key in a public key's file, whose name begins with its issuer.
fn known(path: &Path) -> Result<(String, Known), KeyError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let issuer = name.and_then(|name| name.split('.').next());
    let der = unwrapped(PUBLIC, &read(path)?);
    let raw = der
        .as_deref()
        .and_then(|der| der.strip_prefix(&PUBLIC_HEAD));
    let raw = raw.filter(|raw| raw.len() == 32);
    let (Some(issuer), Some(raw)) = (issuer, raw) else {
        return Err(KeyError::Foreign {
            path: path.to_owned(),
            what: "Ed25519 public key",
        });
    };
    let known = Known {
        issuer: issuer.to_owned(),
        key: DecodingKey::from_ed_der(raw),
    };
    Ok((id(raw), known))
}

/// A pair of files that was made.
#[derive(Debug)]
pub struct Pair {
    /// What the issuer signs with.
    pub private: PathBuf,
    /// What services verify with.
    pub public: PathBuf,
}

/// Makes a pair of keys for an issuer in a folder, which is made when there is
/// none. The public key is written first: it does no harm alone.
pub fn generate(folder: &Path, issuer: &str, rotate: bool) -> Result<Pair, KeyError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if issuer.is_empty() || issuer.len() > 63 || !issuer.bytes().all(letter) {
        return Err(KeyError::Issuer {
            issuer: issuer.to_owned(),
        });
    }
    std::fs::create_dir_all(folder).map_err(|cause| KeyError::File {
        path: folder.to_owned(),
        cause,
    })?;
    let private = private_file(folder, issuer);
    if private.exists() && !rotate {
        return Err(KeyError::Exists { path: private });
    }
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Made)?;
    let secret = pair.to_pkcs8v1().map_err(|_| KeyError::Made)?;
    let told: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| KeyError::Made)?;
    let id = id(pair.public_key().as_ref());
    let public = folder.join(format!("{issuer}.{id}.pub"));
    write(&public, &wrapped(PUBLIC, told.as_ref()), false)?;
    write(&private, &wrapped(PRIVATE, secret.as_ref()), true)?;
    Ok(Pair { private, public })
}

fn private_file(folder: &Path, issuer: &str) -> PathBuf {
    folder.join(format!("{issuer}.key"))
}

/// The id of a key: the beginning of its digest.
fn id(raw: &[u8]) -> String {
    let digest = digest(&SHA256, raw);
    let bytes = digest.as_ref().iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<String, KeyError> {
    std::fs::read_to_string(path).map_err(|cause| KeyError::File {
        path: path.to_owned(),
        cause,
    })
}

/// Writes a file whole or not at all. A draft is its owner's only from the
/// beginning; a public key is then opened for everybody.
fn write(path: &Path, text: &str, private: bool) -> Result<(), KeyError> {
    let written = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut draft, text.as_bytes())?;
        if !private {
            share(draft.as_file())?;
        }
        draft.as_file().sync_all()?;
        draft.persist(path).map_err(|error| error.error)
    };
    written().map(drop).map_err(|cause| KeyError::File {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(unix)]
fn share(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// Refuses a private key that others may read.
#[cfg(unix)]
fn refuse_open(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = std::fs::metadata(path).map_err(|cause| KeyError::File {
        path: path.to_owned(),
        cause,
    })?;
    match found.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(KeyError::Open {
            path: path.to_owned(),
        }),
    }
}

#[cfg(not(unix))]
fn refuse_open(_: &Path) -> Result<(), KeyError> {
    Ok(())
}

/// Bytes as PEM.
fn wrapped(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {what}-----\n{text}\n-----END {what}-----\n")
}

/// The bytes in PEM.
fn unwrapped(what: &str, pem: &str) -> Option<Vec<u8>> {
    let rest = pem
        .trim()
        .strip_prefix(&format!("-----BEGIN {what}-----"))?;
    let text = rest.strip_suffix(&format!("-----END {what}-----"))?;
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).ok()
}
