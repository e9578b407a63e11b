//! Credentials: from files of a mounted Secret, or from the environment. They cannot be printed.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

/// Keys are tens of bytes, session tokens a few kilobytes.
const LONGEST_VALUE: u64 = 16 * 1024;

/// A key to sign with. Cloning shares the values; they are wiped when the last clone goes.
#[derive(Clone)]
pub struct Credentials {
    values: Arc<Values>,
}

struct Values {
    secret_id: SecretString,
    secret_key: SecretString,
    token: Option<SecretString>,
}

/// What is missing or wrong, as a sentence with the file or variable, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MissingCredentials(pub String);

impl Credentials {
    /// # Errors
    /// A value that is empty, has blanks around it, or cannot go into an HTTP header.
    pub fn new(secret_id: String, secret_key: String, token: Option<String>) -> Result<Self, MissingCredentials> {
        let checked = |name: &str, value| check(name, SecretString::from(value));
        Ok(Self {
            values: Arc::new(Values {
                secret_id: checked("the secretId", secret_id)?,
                secret_key: checked("the secretKey", secret_key)?,
                token: token.map(|token| checked("the token", token)).transpose()?,
            }),
        })
    }

    pub(super) fn secret_id(&self) -> &str {
        self.values.secret_id.expose_secret()
    }

    pub(super) fn secret_key(&self) -> &str {
        self.values.secret_key.expose_secret()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.values.token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// Takes the values out of a text that came from outside: an endpoint that echoes a request must not carry them
    /// into a status or a log.
    pub(super) fn scrub(&self, text: &str) -> String {
        [Some(self.secret_key()), self.token(), Some(self.secret_id())]
            .into_iter()
            .flatten()
            // A key shorter than this is a test's; taking its letters out of every text would only make riddles.
            .filter(|secret| secret.len() >= 6)
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.secret_id() == other.secret_id()
            && self.secret_key() == other.secret_key()
            && self.token() == other.token()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(**redacted**)")
    }
}

/// The check of the official Python SDK (non-empty, no blanks around), plus what a header can carry.
fn check(name: &str, value: SecretString) -> Result<SecretString, MissingCredentials> {
    let text = value.expose_secret();
    let wrong = if text.is_empty() {
        "is empty"
    } else if text.trim() != text {
        "has blanks or a line end around its value (printf '%s' writes none)"
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        "holds characters that no key has"
    } else {
        return Ok(value);
    };
    Err(MissingCredentials(format!("{name} {wrong}")))
}

/// Reads a variable of the environment.
pub type Lookup = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// Where credentials come from.
#[derive(Clone)]
pub enum CredentialsSource {
    /// A directory with the files `secretId`, `secretKey` and, for temporary credentials, `token`.
    Directory(PathBuf),
    /// `TENCENTCLOUD_SECRET_ID`, `TENCENTCLOUD_SECRET_KEY`, `TENCENTCLOUD_TOKEN` or `TENCENTCLOUD_SECURITY_TOKEN`.
    Environment(Lookup),
}

const ID: &str = "TENCENTCLOUD_SECRET_ID";
const KEY: &str = "TENCENTCLOUD_SECRET_KEY";
/// The session token has two names in the ecosystem: tccli's and Terraform's.
const TOKENS: [&str; 2] = ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];

impl CredentialsSource {
    /// The environment of this process.
    pub fn environment() -> Self {
        Self::Environment(Arc::new(|name| std::env::var_os(name)))
    }

    /// Whether what is there can change while the process runs.
    pub(super) fn can_change(&self) -> bool {
        matches!(self, Self::Directory(_))
    }

    /// Reads the credentials as they are now. Blocking: small files.
    ///
    /// # Errors
    /// A sentence that names the file or variable that is missing or wrong.
    pub fn load(&self) -> Result<Credentials, MissingCredentials> {
        match self {
            Self::Directory(directory) => from_directory(directory),
            Self::Environment(lookup) => from_environment(lookup),
        }
    }
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => f.debug_tuple("Directory").field(directory).finish(),
            Self::Environment(_) => f.write_str("Environment"),
        }
    }
}

fn from_environment(lookup: &Lookup) -> Result<Credentials, MissingCredentials> {
    let value = |name: &str| -> Result<Option<SecretString>, MissingCredentials> {
        let Some(value) = lookup(name) else { return Ok(None) };
        let text = value
            .into_string()
            .map_err(|_| MissingCredentials(format!("the environment variable {name} is not UTF-8")))?;
        check(&format!("the environment variable {name}"), text.into()).map(Some)
    };
    let needed = |name: &str| {
        value(name)?.ok_or_else(|| {
            MissingCredentials(format!("the environment variable {name} is not set, and no --credentials-dir is given"))
        })
    };
    let (secret_id, secret_key) = (needed(ID)?, needed(KEY)?);
    let mut token = None;
    for name in TOKENS {
        // An empty token is how a shell or a chart says "none".
        if token.is_none() && lookup(name).is_some_and(|value| !value.is_empty()) {
            token = value(name)?;
        }
    }
    Ok(Credentials { values: Arc::new(Values { secret_id, secret_key, token }) })
}

fn from_directory(directory: &Path) -> Result<Credentials, MissingCredentials> {
    // A mounted Secret is a symbolic link `..data` that is swapped as a whole. All files are read below the one
    // target, so that no key of before is paired with a secret of after.
    let swapped = directory.join("..data");
    let target = std::fs::canonicalize(&swapped).ok();
    let root = target.as_deref().unwrap_or(directory);
    let value = |name: &str| -> Result<Option<SecretString>, MissingCredentials> {
        let shown = directory.join(name);
        let Some(text) = read(&root.join(name)).map_err(|why| wrong(&shown, &why))? else { return Ok(None) };
        check(&format!("the credentials file {}", shown.display()), text).map(Some)
    };
    let needed = |name: &str| value(name)?.ok_or_else(|| wrong(&directory.join(name), "does not exist"));
    let credentials = Credentials {
        values: Arc::new(Values {
            secret_id: needed("secretId")?,
            secret_key: needed("secretKey")?,
            token: value("token")?,
        }),
    };
    if std::fs::canonicalize(&swapped).ok() != target {
        return Err(wrong(directory, "was exchanged while it was being read; it is read again"));
    }
    Ok(credentials)
}

fn wrong(path: &Path, why: &str) -> MissingCredentials {
    MissingCredentials(format!("the credentials file {} {why}", path.display()))
}

/// The text of a small file; none if it does not exist.
fn read(path: &Path) -> Result<Option<SecretString>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let mut bytes = secrecy::zeroize::Zeroizing::new(Vec::new());
    file.take(LONGEST_VALUE + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LONGEST_VALUE {
        return Err("is larger than any key".to_owned());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8".to_owned())?;
    Ok(Some(SecretString::from(text)))
}

#[cfg(test)]
mod tests;
