//! Images that people upload: recognised by their own first bytes, never by what the browser says
//! of them. SVG is not taken, because it can hold scripts.

use aws_lc_rs::digest;
use kernel::{Error, Result};

/// The largest logo, in bytes.
pub const LARGEST: usize = 256 * 1024;

/// A picture of a kind that every browser shows and that holds nothing but a picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    content_type: &'static str,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Image({}, {} bytes)",
            self.content_type,
            self.bytes.len()
        )
    }
}

impl Image {
    /// # Errors
    /// `invalid_request` on `logo` for what is too large or no PNG, JPEG or WebP.
    pub fn recognise(bytes: Vec<u8>) -> Result<Self> {
        if bytes.len() > LARGEST {
            let message = format!("must have at most {} kB", LARGEST / 1024);
            return Err(Error::field("logo", message));
        }
        let content_type = kind(&bytes)
            .ok_or_else(|| Error::field("logo", "must be a PNG, JPEG or WebP picture"))?;
        Ok(Self {
            content_type,
            bytes,
        })
    }

    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its SHA-256 in hexadecimal.
    pub fn digest(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.bytes);
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// By the signatures of the PNG specification (§5.2), JPEG (a start-of-image marker and another)
/// and RFC 9649 (WebP in a RIFF container).
fn kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_recognised_by_their_bytes() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0rest", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVEfmt ", None),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
            (b"<script>alert(1)</script>", None),
            (b"GIF89a", None),
            (b"", None),
        ] {
            let found = Image::recognise(bytes.to_vec()).ok();
            assert_eq!(
                found.map(|image| image.content_type()),
                expected,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn large_ones_are_refused() {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.resize(LARGEST, 0);
        assert!(Image::recognise(bytes.clone()).is_ok());
        bytes.push(0);
        assert!(Image::recognise(bytes).is_err());
    }

    #[test]
    fn digests_are_those_of_sha_256() {
        let image = Image {
            content_type: "image/png",
            bytes: b"abc".to_vec(),
        };
        // The first example of FIPS 180-2, appendix B.1.
        assert_eq!(
            image.digest(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
