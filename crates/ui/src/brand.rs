//! A tenant's or the platform's brand: name, logo and colour.

use maud::{Markup, PreEscaped, html};

use crate::Colour;

/// How the product presents itself. The default is the product's own look.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// Shown in place of the product's name.
    pub company: Option<String>,
    /// The address of an image, shown 24 pixels high. It must satisfy the page's `img-src`.
    pub logo: Option<String>,
    /// The colour of primary buttons, links and focus rings. Shades that can be read on light and on
    /// dark are made from it.
    pub colour: Option<Colour>,
}

/// The lightest and the darkest surface of each theme, from `tokens.css`, on which links stand.
const LIGHT: [Colour; 2] = [Colour::new(0xf1, 0xf2, 0xf5), Colour::WHITE];
const DARK: [Colour; 2] = [Colour::new(0x23, 0x25, 0x2b), Colour::new(0x0c, 0x0d, 0x0f)];

impl Brand {
    /// The element of the head that overrides the tokens of colour. Written without escaping, which
    /// is right because a `Colour` prints as `#rrggbb` and as nothing else.
    pub(crate) fn style(&self, nonce: &str) -> Markup {
        let Some(colour) = self.colour else {
            return Markup::default();
        };
        let [soft_light, soft_dark] = soft(colour);
        let on_light = colour.readable_on(&[LIGHT[0], LIGHT[1], soft_light], 4.5);
        let on_dark = colour.readable_on(&[DARK[0], DARK[1], soft_dark], 4.5);
        let style = format!(
            ":root{{--accent:light-dark({on_light},{on_dark});--fill:{colour};--fill-hover:{};\
             --on-fill:{};--soft:light-dark({},{})}}",
            colour.mixed(hover_of(colour), 0.12),
            colour.ink(),
            soft_light,
            soft_dark,
        );
        html! { style nonce=(nonce) { (PreEscaped(style)) } }
    }

    /// The name with its logo, or with the first letter where there is none.
    pub(crate) fn mark(&self, product: &str) -> Markup {
        let name = self.company.as_deref().unwrap_or(product);
        html! {
            span.mark {
                @match &self.logo {
                    Some(logo) => img src=(logo) alt="" height="24";,
                    None => span.mark-letter aria-hidden="true" { (name.chars().next().unwrap_or(' ')) },
                }
                span.mark-name { (name) }
            }
        }
    }
}

/// A hint of the colour over white and over the dark surface, on which it is also written.
fn soft(colour: Colour) -> [Colour; 2] {
    [
        colour.mixed(Colour::WHITE, 0.92),
        colour.mixed(Colour::new(0x17, 0x18, 0x1c), 0.82),
    ]
}

/// Away from the ink, so that hovering never lowers the contrast of the words.
fn hover_of(colour: Colour) -> Colour {
    if colour.ink() == Colour::WHITE {
        Colour::BLACK
    } else {
        Colour::WHITE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_stays_readable() {
        for text in [
            "#ffff00", "#000000", "#ffffff", "#808080", "#2f5bd8", "#ff0066",
        ] {
            let colour: Colour = text.parse().unwrap();
            let hover = colour.mixed(hover_of(colour), 0.12);
            assert!(hover.contrast(colour.ink()) >= 4.5, "{text}");
            let [soft_light, soft_dark] = soft(colour);
            for surfaces in [
                [LIGHT[0], LIGHT[1], soft_light],
                [DARK[0], DARK[1], soft_dark],
            ] {
                let shade = colour.readable_on(&surfaces, 4.5);
                for surface in surfaces {
                    assert!(
                        shade.contrast(surface) >= 4.5,
                        "{text}: {shade} on {surface}"
                    );
                }
            }
        }
    }
}
