//! Bars, side by side or on top of each other.

use maud::{Markup, Render, html};

use super::{
    Data,
    frame::{percent, series_class},
    scale::Scale,
};

/// The share of a label's width that its bars take.
const FILLED: f64 = 0.64;

/// Amounts for each label.
#[derive(Clone, Debug)]
pub struct BarChart {
    data: Data,
    is_stacked: bool,
}

impl BarChart {
    /// As for [`crate::LineChart::new`].
    pub fn new<L: Into<String>>(
        title: impl Into<String>,
        about: impl Into<String>,
        labels: impl IntoIterator<Item = L>,
    ) -> Self {
        let labels = labels.into_iter().map(Into::into).collect();
        Self {
            data: Data::new(title.into(), about.into(), labels),
            is_stacked: false,
        }
    }

    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.data.unit = unit.into();
        self
    }

    #[must_use]
    pub fn series(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        self.data.add(name.into(), values.into_iter().collect());
        self
    }

    /// Puts the series of a label on top of each other, for parts of a whole. Parts are amounts:
    /// negative values are left out.
    #[must_use]
    pub fn stacked(mut self) -> Self {
        self.is_stacked = true;
        self
    }

    fn scale(&self) -> Scale {
        let series = &self.data.series;
        if self.is_stacked {
            let whole = |index: usize| series.iter().map(|one| one.values[index].max(0.0)).sum();
            Scale::of((0..self.data.labels.len()).map(whole))
        } else {
            Scale::of(series.iter().flat_map(|one| &one.values).copied())
        }
    }

    fn bars(&self, scale: &Scale) -> Vec<Bar> {
        let band = 100.0 / self.data.labels.len().max(1) as f64 * FILLED;
        let columns = if self.is_stacked {
            1
        } else {
            self.data.series.len()
        };
        let width = band / columns.max(1) as f64;
        let mut bars = Vec::new();
        for label in 0..self.data.labels.len() {
            let left = self.data.middle(label) - band / 2.0;
            let mut base = 0.0;
            for (series, one) in self.data.series.iter().enumerate() {
                let value = one.values[label];
                let (from, to, column) = if self.is_stacked {
                    let from = base;
                    base += value.max(0.0);
                    (from, base, 0)
                } else {
                    (0.0, value, series)
                };
                let (top, bottom) = (scale.depth(from.max(to)), scale.depth(from.min(to)));
                bars.push(Bar {
                    series,
                    x: left + width * column as f64,
                    width,
                    y: top,
                    height: bottom - top,
                });
            }
        }
        bars
    }
}

/// In percent of the plot.
struct Bar {
    series: usize,
    x: f64,
    width: f64,
    y: f64,
    height: f64,
}

impl Render for BarChart {
    fn render(&self) -> Markup {
        let scale = self.scale();
        let marks = html! {
            @for bar in self.bars(&scale) {
                rect class={ "bar " (series_class(bar.series)) } x=(percent(bar.x)) y=(percent(bar.y))
                    width=(percent(bar.width)) height=(percent(bar.height)) {}
            }
        };
        self.data.framed("bar", &scale, marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_on_each_other_up_to_the_whole() {
        let chart = BarChart::new("t", "a", ["x"])
            .series("one", [30.0])
            .series("two", [70.0])
            .stacked();
        let bars = chart.bars(&chart.scale());
        assert_eq!((bars[0].y, bars[0].height), (70.0, 30.0));
        assert_eq!((bars[1].y, bars[1].height), (0.0, 70.0));
        assert_eq!(bars[0].x, bars[1].x);
    }

    #[test]
    fn negative_bars_hang_from_zero() {
        let chart = BarChart::new("t", "a", ["x", "y"]).series("one", [10.0, -10.0]);
        let scale = chart.scale();
        let bars = chart.bars(&scale);
        assert_eq!(bars[0].y + bars[0].height, scale.depth(0.0));
        assert_eq!(bars[1].y, scale.depth(0.0));
    }
}
