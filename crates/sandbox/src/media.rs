//! Files that a simulated provider hands out: what an end user attached to a message.

use std::sync::Mutex;

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::{ids, lock, provider::Provider};

/// One stored file.
#[derive(Clone, Debug)]
pub struct Media {
    pub provider: Provider,
    /// The account that may fetch it.
    pub account: String,
    /// In the provider's own form: WhatsApp media id, Telegram file id, Twilio media SID.
    pub id: String,
    pub media_type: String,
    pub bytes: Bytes,
}

impl Media {
    /// SHA-256 of the content, as lower-case hex.
    pub fn sha256(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, &self.bytes))
    }
}

/// The files of all accounts.
#[derive(Debug, Default)]
pub struct MediaStore {
    files: Mutex<Vec<Media>>,
}

impl MediaStore {
    /// Stores a file for an account and returns it with its new id. OpenAI hands out no files; one
    /// stored for it is never served.
    pub fn add(
        &self,
        provider: Provider,
        account: impl Into<String>,
        media_type: impl Into<String>,
        bytes: impl Into<Bytes>,
    ) -> Media {
        let id = match provider {
            Provider::WhatsApp => ids::digits(16),
            Provider::Twilio => ids::sid("ME"),
            Provider::Telegram => format!("AgACAgI{}", ids::alphanumeric(60)),
            Provider::OpenAi => format!("file-{}", ids::alphanumeric(24)),
            _ => ids::hex(32),
        };
        let media = Media {
            provider,
            account: account.into(),
            id,
            media_type: media_type.into(),
            bytes: bytes.into(),
        };
        lock(&self.files).push(media.clone());
        media
    }

    /// The file of this id, if one of these accounts may fetch it.
    pub(crate) fn find(&self, provider: Provider, accounts: &[&str], id: &str) -> Option<Media> {
        let files = lock(&self.files);
        let mut own = files
            .iter()
            .filter(|file| file.provider == provider && accounts.contains(&file.account.as_str()));
        own.find(|file| file.id == id).cloned()
    }
}
