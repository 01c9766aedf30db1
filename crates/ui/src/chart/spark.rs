//! Sparklines: the course of one figure without axes.

use maud::{Markup, Render, html};

use super::scale::{plain, short};

#[derive(Clone, Debug)]
pub struct Sparkline {
    label: String,
    values: Vec<f64>,
}

impl Sparkline {
    /// The label is for those who don't see the line: "Messages per day, last 14 days".
    pub fn new(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().filter(|value| value.is_finite());
        Self {
            label: label.into(),
            values: values.collect(),
        }
    }
}

impl Render for Sparkline {
    fn render(&self) -> Markup {
        let lowest = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self
            .values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let last = self.values.len().saturating_sub(1).max(1) as f64;
        let line: String = self
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                // A course that never changes runs along the middle.
                let share = if highest > lowest {
                    (value - lowest) / (highest - lowest)
                } else {
                    0.5
                };
                let letter = if index == 0 { 'M' } else { 'L' };
                let x = plain(index as f64 / last * 100.0, 2);
                format!("{letter}{x} {}", plain(22.0 - share * 20.0, 2))
            })
            .collect();
        let summary = self.values.last().map_or_else(
            || format!("{}: no data", self.label),
            |latest| {
                format!(
                    "{}: lowest {}, highest {}, latest {}",
                    self.label,
                    short(lowest),
                    short(highest),
                    short(*latest)
                )
            },
        );
        html! {
            svg.sparkline viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label=(summary) {
                @if !line.is_empty() {
                    path.area d={ (line) "L100 24L0 24Z" } {}
                    path.line d=(line) vector-effect="non-scaling-stroke" {}
                }
            }
        }
    }
}
