//! Colours and their contrast, as WCAG 2.2 defines them
//! (<https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>).

use std::{error::Error, fmt, str::FromStr};

/// An opaque sRGB colour. Only `#rrggbb` is read, so what is written into a style sheet is always a
/// colour and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// The text was not `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAColour;

impl fmt::Display for NotAColour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a colour is written #rrggbb, such as #2f5bd8")
    }
}

impl Error for NotAColour {}

impl FromStr for Colour {
    type Err = NotAColour;

    fn from_str(text: &str) -> Result<Self, NotAColour> {
        let digits = text.strip_prefix('#').ok_or(NotAColour)?;
        let mut channels = [0; 3];
        hex::decode_to_slice(digits, &mut channels).map_err(|_| NotAColour)?;
        let [red, green, blue] = channels;
        Ok(Self { red, green, blue })
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl Colour {
    pub const WHITE: Self = Self::new(255, 255, 255);
    pub const BLACK: Self = Self::new(0, 0, 0);

    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// From 1 (the same) to 21 (black on white).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// This colour with a share of another, 0 to 1, mixed into it.
    #[must_use]
    pub fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |from: u8, to: u8| {
            let value = f64::from(from) + (f64::from(to) - f64::from(from)) * share;
            value.round().clamp(0.0, 255.0) as u8
        };
        Self::new(
            mix(self.red, other.red),
            mix(self.green, other.green),
            mix(self.blue, other.blue),
        )
    }

    /// The nearest mixture with black or white that reaches a contrast against all the backgrounds.
    /// Which of the two is decided by the first background: towards the one that stands out from it.
    pub(crate) fn readable_on(self, backgrounds: &[Self], ratio: f64) -> Self {
        let towards = backgrounds.first().map_or(Self::BLACK, |first| first.ink());
        (0..=50)
            .map(|step| self.mixed(towards, f64::from(step) / 50.0))
            .find(|candidate| {
                backgrounds
                    .iter()
                    .all(|background| candidate.contrast(*background) >= ratio)
            })
            .unwrap_or(towards)
    }

    /// White or black, whichever stands out more: one of them always reaches 4.5.
    pub(crate) fn ink(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) {
            Self::WHITE
        } else {
            Self::BLACK
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_six_digits_is_a_colour() {
        assert_eq!("#2F5bd8".parse::<Colour>().unwrap().to_string(), "#2f5bd8");
        for wrong in [
            "",
            "2f5bd8",
            "#2f5bd",
            "#2f5bd8ff",
            "#2f5bg8",
            "red",
            "#fff}</style>",
            "#é5bd8",
        ] {
            assert_eq!(wrong.parse::<Colour>(), Err(NotAColour), "{wrong}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 1e-9);
        // The well-known lightest grey that passes AA on white.
        let grey = Colour::new(0x76, 0x76, 0x76);
        assert!((grey.contrast(Colour::WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_colour_gets_a_readable_ink_and_variants() {
        let dark = Colour::new(0x17, 0x18, 0x1c);
        for red in (0..=255).step_by(17) {
            for green in (0..=255).step_by(17) {
                for blue in (0..=255).step_by(51) {
                    let colour = Colour::new(red, green, blue);
                    assert!(colour.contrast(colour.ink()) >= 4.5, "{colour}");
                    for background in [Colour::WHITE, dark] {
                        let text = colour.readable_on(&[background], 4.5);
                        assert!(text.contrast(background) >= 4.5, "{colour} on {background}");
                    }
                }
            }
        }
    }
}
