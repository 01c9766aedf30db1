//! WCAG AA, computed for every pair of text and background that the style sheet's tokens make, in both
//! themes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;

use ui::Colour;

const TOKENS: &str = include_str!("../assets/tokens.css");
/// <https://www.w3.org/TR/WCAG22/#contrast-minimum>
const TEXT: f64 = 4.5;
/// <https://www.w3.org/TR/WCAG22/#non-text-contrast>
const GRAPHICS: f64 = 3.0;

/// Each token's colour for light and for dark.
fn tokens() -> BTreeMap<&'static str, [Colour; 2]> {
    let colour = r"(#[0-9a-f]{6})";
    let pattern = format!(r"--([a-z0-9-]+):\s*(?:light-dark\({colour},\s*{colour}\)|{colour});");
    let pattern = regex_lite::Regex::new(&pattern).unwrap();
    pattern
        .captures_iter(TOKENS)
        .map(|found| {
            let parse = |group: usize| found.get(group).map(|text| text.as_str().parse().unwrap());
            let both = parse(4);
            let name = found.get(1).unwrap().as_str();
            (
                name,
                [parse(2).or(both).unwrap(), parse(3).or(both).unwrap()],
            )
        })
        .collect()
}

#[test]
fn every_pair_is_readable_in_both_themes() {
    let tokens = tokens();
    let surfaces = ["canvas", "sunken", "surface", "raised", "hover"];
    let mut pairs = Vec::new();
    for ink in ["text", "muted", "accent", "danger", "success", "warning"] {
        pairs.extend(surfaces.map(|surface| (ink, surface, TEXT)));
    }
    for tone in ["success", "warning", "danger", "info"] {
        let soft: &str = match tone {
            "success" => "success-soft",
            "warning" => "warning-soft",
            "danger" => "danger-soft",
            _ => "info-soft",
        };
        pairs.push((tone, soft, TEXT));
        pairs.push(("text", soft, TEXT));
    }
    pairs.extend([
        ("accent", "soft", TEXT),
        ("text", "soft", TEXT),
        ("on-fill", "fill", TEXT),
        ("on-fill", "fill-hover", TEXT),
        ("on-danger-fill", "danger-fill", TEXT),
        ("on-danger-fill", "danger-fill-hover", TEXT),
    ]);
    // The edges of fields, and the focus ring, against what surrounds them.
    for surface in ["canvas", "sunken", "surface", "raised"] {
        pairs.push(("line-strong", surface, GRAPHICS));
        pairs.push(("accent", surface, GRAPHICS));
    }
    for series in [
        "series-1", "series-2", "series-3", "series-4", "series-5", "series-6",
    ] {
        pairs.push((series, "surface", GRAPHICS));
    }
    let mut unreadable = Vec::new();
    for (ink, background, ratio) in pairs {
        for (index, theme) in ["light", "dark"].into_iter().enumerate() {
            let contrast = tokens[ink][index].contrast(tokens[background][index]);
            if contrast < ratio {
                unreadable.push(format!("{ink} on {background}, {theme}: {contrast:.2}"));
            }
        }
    }
    assert_eq!(unreadable, Vec::<String>::new());
}

/// A colour outside the tokens would escape the test above.
#[test]
fn only_tokens_name_colours() {
    let colours = regex_lite::Regex::new(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(").unwrap();
    for (name, sheet) in [
        ("base", include_str!("../assets/base.css")),
        ("shell", include_str!("../assets/shell.css")),
        ("controls", include_str!("../assets/controls.css")),
        ("content", include_str!("../assets/content.css")),
        ("charts", include_str!("../assets/charts.css")),
    ] {
        let found = colours.find(sheet).map(|found| found.as_str());
        assert_eq!(found, None, "{name}.css");
    }
}

#[test]
fn every_token_that_is_used_exists() {
    let sheets = [
        TOKENS,
        include_str!("../assets/base.css"),
        include_str!("../assets/shell.css"),
        include_str!("../assets/controls.css"),
        include_str!("../assets/content.css"),
        include_str!("../assets/charts.css"),
    ]
    .concat();
    let used = regex_lite::Regex::new(r"var\((--[a-z0-9-]+)").unwrap();
    for found in used.captures_iter(&sheets) {
        let declared = format!("{}:", &found[1]);
        assert!(sheets.contains(&declared), "{declared}");
    }
}
