//! QR codes, drawn on the server as one path.

use maud::{Markup, Render, html};
use qrcodegen::{QrCode as Code, QrCodeEcc};
use std::fmt::Write;

/// Modules of nothing around the code, which readers need (ISO/IEC 18004, 9.1).
const QUIET: i32 = 4;

/// A text for a camera. Not `Debug`: the text may be a secret.
#[allow(missing_debug_implementations, reason = "it may hold a secret")]
pub struct QrCode {
    label: String,
    code: Code,
}

impl QrCode {
    /// `label` says what it is to those who can't see it. `None` for texts that are too long for a
    /// code (about 2,300 bytes).
    pub fn new(label: impl Into<String>, text: &str) -> Option<Self> {
        Some(Self {
            label: label.into(),
            code: Code::encode_text(text, QrCodeEcc::Medium).ok()?,
        })
    }

    /// Runs of dark modules as rectangles one module high.
    fn path(&self) -> String {
        let size = self.code.size();
        let mut path = String::new();
        for y in 0..size {
            let mut x = 0;
            while x < size {
                let start = x;
                while x < size && self.code.get_module(x, y) {
                    x += 1;
                }
                if x > start {
                    let run = x - start;
                    let (left, top) = (start + QUIET, y + QUIET);
                    // Writing into a String cannot fail.
                    let _ = write!(path, "M{left} {top}h{run}v1h-{run}z");
                }
                x += 1;
            }
        }
        path
    }
}

impl Render for QrCode {
    fn render(&self) -> Markup {
        let size = self.code.size() + 2 * QUIET;
        // Dark on light in either theme: many readers take no other.
        html! {
            svg.qr viewBox={ "0 0 " (size) " " (size) } width="208" height="208" role="img"
                aria-label=(self.label) shape-rendering="crispEdges" {
                rect width=(size) height=(size) fill="#fff" {}
                path d=(self.path()) fill="#000" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path is drawn onto a grid again, which has to be the code's.
    #[test]
    fn the_path_covers_the_dark_modules_and_no_others() {
        let qr = QrCode::new("code", "otpauth://totp/x?secret=ABC").expect("fits");
        let size = qr.code.size();
        let mut dark = Vec::new();
        for run in qr.path().split_terminator('z') {
            let numbers: Vec<i32> = run
                .split(|letter: char| !letter.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect();
            let [left, top, width, 1, back] = numbers[..] else {
                panic!("{run}");
            };
            assert_eq!(width, back);
            dark.extend((left..left + width).map(|x| (x - QUIET, top - QUIET)));
        }
        dark.sort_unstable();
        let mut expected: Vec<(i32, i32)> = (0..size)
            .flat_map(|x| (0..size).map(move |y| (x, y)))
            .filter(|(x, y)| qr.code.get_module(*x, *y))
            .collect();
        expected.sort_unstable();
        assert_eq!(dark, expected);
    }

    #[test]
    fn what_is_too_long_is_no_code() {
        assert!(QrCode::new("code", &"x".repeat(3_000)).is_none());
    }
}
