//! The provider catalogue: what Freehold knows of each provider, as data.
//!
//! One TOML file describes one provider: the credential fields, the API's address and how its
//! webhooks are verified, split and acknowledged. The files under `catalogue/providers` are built
//! in; a folder can add providers or replace built-in ones. This module reads and checks the
//! files. What the webhook part of a description *does* lives in [`crate::webhook`]; nothing here
//! touches a request, a database or the network.

mod api;
mod definition;
mod oauth;
mod provider;
mod setup;
mod template;
mod validate;
mod validate_api;
mod validate_connect;
mod verification;

use std::collections::BTreeMap;
use std::path::Path;

use include_dir::{Dir, include_dir};

pub use api::{
    Api, Auth, BasicAuth, Bearer, ClientCredentials, GithubApp, HeaderAuth, Limited, PathPrefix,
    RefreshToken, Retry, RetryAfter, WaitForm,
};
pub use definition::{
    Algorithm, Basic, Encoding, FixedResponse, HandshakeRule, HandshakeToken, IdentifierRule,
    KeepRule, KeyFormat, KeyRule, Match, SignatureList, SignatureScheme, Split, StaticHeader,
    TimestampRule, TwilioScheme, Unit, Verifier, Webhook,
};
pub use oauth::{
    AccountSource, ClientProof, ConnectedAccount, Granted, Installation, OAuth, Refresh, Revoke,
    TokenAnswer,
};
pub use provider::{Choice, Credential, Field, Pattern, Provider};
pub use setup::{Category, MadeUp, Placeholder, Setup, Step};
pub use template::{FieldTemplate, Part};
pub use verification::{
    AnswerRule, Check, Expectation, Expiry, ExpiryForm, Method, Reason, Refusal, RequestCheck,
    Scopes, SmtpCheck, Verification,
};

static BUILTIN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../catalogue/providers");

/// Why a catalogue could not be read. Always names the file and, where there is one, the key.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("{file}: {source}")]
    Unreadable {
        file: String,
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key or a value of the wrong form. The message shows
    /// the line and the key.
    #[error("{file}: {message}")]
    Syntax { file: String, message: String },
    /// Well-formed, but it contradicts itself or leaves a hole in the verification.
    #[error("{file}: {key}: {problem}")]
    Invalid {
        file: String,
        key: String,
        problem: String,
    },
}

/// All known providers, by id.
#[derive(Debug, Clone)]
pub struct Catalogue {
    providers: BTreeMap<String, Provider>,
}

impl Catalogue {
    /// The providers that ship with the program.
    ///
    /// # Panics
    ///
    /// If a built-in file is invalid, which a test over every built-in file rules out.
    pub fn builtin() -> Self {
        let mut catalogue = Self {
            providers: BTreeMap::new(),
        };
        for file in BUILTIN.files() {
            let name = file.path().display().to_string();
            catalogue
                .add(&name, file.contents())
                .unwrap_or_else(|error| panic!("built-in catalogue: {error}"));
        }
        catalogue
    }

    /// Adds the providers of every `*.toml` file of a folder. A provider with an id that is
    /// already known replaces it as a whole.
    pub fn with_folder(mut self, folder: impl AsRef<Path>) -> Result<Self, CatalogueError> {
        let folder = folder.as_ref();
        let unreadable = |path: &Path, source| CatalogueError::Unreadable {
            file: path.display().to_string(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                files.push(path);
            }
        }
        // A folder's listing has no order of its own; errors should name the same file every time.
        files.sort();
        for path in files {
            let contents = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
            self.add(&path.display().to_string(), &contents)?;
        }
        Ok(self)
    }

    pub fn get(&self, id: &str) -> Option<&Provider> {
        self.providers.get(id)
    }

    /// Every provider, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values()
    }

    fn add(&mut self, file: &str, contents: &[u8]) -> Result<(), CatalogueError> {
        let syntax = |message: String| CatalogueError::Syntax {
            file: file.to_owned(),
            message,
        };
        let text = std::str::from_utf8(contents).map_err(|error| syntax(error.to_string()))?;
        let provider: Provider =
            toml::from_str(text).map_err(|error| syntax(error.to_string().trim().to_owned()))?;
        validate::provider(file, &provider).map_err(|(key, problem)| CatalogueError::Invalid {
            file: file.to_owned(),
            key,
            problem,
        })?;
        self.providers.insert(provider.id.clone(), provider);
        Ok(())
    }
}
