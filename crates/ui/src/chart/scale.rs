//! Scales: round numbers along an axis, and how they are written.

/// An axis from 0, or from below 0 where there are negative values, to a round number above all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    lowest: f64,
    highest: f64,
    step: f64,
}

impl Scale {
    /// An axis that holds all the values.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut lowest, mut highest) = (0.0_f64, 0.0_f64);
        for value in values {
            lowest = lowest.min(value);
            highest = highest.max(value);
        }
        if lowest == highest {
            highest = 1.0;
        }
        let step = round_step((highest - lowest) / 4.0);
        Self {
            lowest: (lowest / step).floor() * step,
            highest: (highest / step).ceil() * step,
            step,
        }
    }

    /// Where the grid's lines lie, from the bottom up.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let count = ((self.highest - self.lowest) / self.step).round() as usize;
        (0..=count)
            .map(|index| self.lowest + index as f64 * self.step)
            .collect()
    }

    /// How far a value lies below the top, in percent.
    pub(super) fn depth(&self, value: f64) -> f64 {
        (self.highest - value) / (self.highest - self.lowest) * 100.0
    }
}

/// The next of 1, 2, 2.5, 5 and 10 times a power of ten.
fn round_step(wanted: f64) -> f64 {
    let power = 10_f64.powf(wanted.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let found = steps
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= wanted * (1.0 - 1e-9));
    found.unwrap_or(10.0 * power)
}

/// A number with few digits: `1.2k`, `3M`, `0.25`.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    let (divided, suffix) = if size >= 1e9 {
        (value / 1e9, "B")
    } else if size >= 1e6 {
        (value / 1e6, "M")
    } else if size >= 1e4 {
        (value / 1e3, "k")
    } else {
        (value, "")
    };
    format!("{}{suffix}", plain(divided, 2))
}

/// A number with at most so many decimals, without zeros that say nothing.
pub(super) fn plain(value: f64, decimals: usize) -> String {
    let written = format!("{value:.decimals$}");
    let trimmed = if written.contains('.') {
        written.trim_end_matches('0').trim_end_matches('.')
    } else {
        &written
    };
    if trimmed == "-0" { "0" } else { trimmed }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_in_round_numbers() {
        for (values, ticks) in [
            (vec![3.0, 87.0], vec![0.0, 25.0, 50.0, 75.0, 100.0]),
            (vec![0.0], vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (vec![], vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (vec![-5.0, 12.0], vec![-5.0, 0.0, 5.0, 10.0, 15.0]),
            (vec![8_000.0], vec![0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0]),
        ] {
            assert_eq!(Scale::of(values.clone()).ticks(), ticks, "{values:?}");
        }
    }

    #[test]
    fn every_value_lies_within_its_axis() {
        for value in [1e-9, 0.013, 1.0, 7.7, 99.0, 1e5 + 1.0, 3.3e12, -4.2] {
            let scale = Scale::of([value]);
            let height = scale.depth(value);
            assert!((0.0..=100.0).contains(&height), "{value} at {height}");
            assert!((3..=6).contains(&scale.ticks().len()), "{value}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.001, "0"),
            (0.25, "0.25"),
            (9_999.0, "9999"),
            (12_500.0, "12.5k"),
            (3e6, "3M"),
            (-2.5e9, "-2.5B"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
