//! The message after a form, carried over the redirect by a cookie that lives for a minute. It is
//! text that is shown and nothing else.

use axum::http::{HeaderMap, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ui::{Flash, Tone};

const TONES: [(&str, Tone); 4] = [
    ("success", Tone::Success),
    ("info", Tone::Info),
    ("warning", Tone::Warning),
    ("danger", Tone::Danger),
];

fn name(secure: bool) -> &'static str {
    if secure {
        "__Host-freehold_flash"
    } else {
        "freehold_flash"
    }
}

fn attributes(secure: bool, life: u32) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("; Path=/{secure}; HttpOnly; SameSite=Lax; Max-Age={life}")
}

pub fn cookie(flash: &Flash, secure: bool) -> Option<HeaderValue> {
    let (tone, _) = TONES.into_iter().find(|(_, tone)| *tone == flash.tone)?;
    let text = utf8_percent_encode(&flash.text, NON_ALPHANUMERIC);
    HeaderValue::from_str(&format!(
        "{}={tone}.{text}{}",
        name(secure),
        attributes(secure, 60)
    ))
    .ok()
}

/// The `Set-Cookie` that takes a shown message away.
pub fn none(secure: bool) -> HeaderValue {
    HeaderValue::from_str(&format!("{}={}", name(secure), attributes(secure, 0)))
        .expect("names and attributes of cookies are ASCII")
}

pub fn read(headers: &HeaderMap, secure: bool) -> Option<Flash> {
    let value = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name(secure)).then_some(value)
        })?;
    let (tone, text) = value.split_once('.')?;
    let (_, tone) = TONES.into_iter().find(|(name, _)| *name == tone)?;
    let text = percent_decode_str(text).decode_utf8().ok()?;
    Some(Flash::new(tone, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_over_as_it_was() {
        for secure in [false, true] {
            let flash = Flash::new(Tone::Warning, "Größer; <b>=\"x\"</b>, 100 %\r\n");
            let cookie = cookie(&flash, secure).unwrap();
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(
                header::COOKIE,
                HeaderValue::from_str(&format!("a=b; {pair}")).unwrap(),
            );
            assert_eq!(read(&headers, secure), Some(flash));
            assert_eq!(read(&headers, !secure), None);
        }
    }
}
