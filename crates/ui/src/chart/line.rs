//! Lines over time.

use maud::{Markup, Render, html};

use super::{
    Data,
    frame::series_class,
    scale::{Scale, plain},
};

/// One or more courses over the same labels. Series differ by dashes as well as by colour.
#[derive(Clone, Debug)]
pub struct LineChart(Data);

impl LineChart {
    /// `about` says in a sentence what the drawing shows, for those who don't see it. The labels are
    /// those of the points, from left to right.
    pub fn new<L: Into<String>>(
        title: impl Into<String>,
        about: impl Into<String>,
        labels: impl IntoIterator<Item = L>,
    ) -> Self {
        let labels = labels.into_iter().map(Into::into).collect();
        Self(Data::new(title.into(), about.into(), labels))
    }

    /// Written after every number, with its own space where it needs one: `" ms"`.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.0.unit = unit.into();
        self
    }

    /// One value for each label; what is missing or not a number counts as 0.
    #[must_use]
    pub fn series(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        self.0.add(name.into(), values.into_iter().collect());
        self
    }
}

impl Render for LineChart {
    fn render(&self) -> Markup {
        let data = &self.0;
        let values = data
            .series
            .iter()
            .flat_map(|series| &series.values)
            .copied();
        let scale = Scale::of(values);
        let path = |values: &[f64]| {
            let points = values.iter().enumerate().map(|(index, value)| {
                let letter = if index == 0 { 'M' } else { 'L' };
                let (x, y) = (data.middle(index), scale.depth(*value));
                format!("{letter}{} {}", plain(x, 2), plain(y, 2))
            });
            points.collect::<String>()
        };
        let floor = plain(scale.depth(0.0), 2);
        let marks = html! {
            svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%" overflow="visible" {
                @for (index, series) in data.series.iter().enumerate() {
                    @let line = path(&series.values);
                    @if data.series.len() == 1 && !line.is_empty() {
                        @let (first, last) = (data.middle(0), data.middle(series.values.len() - 1));
                        path class={ "area " (series_class(index)) }
                            d={ (line) "L" (plain(last, 2)) " " (floor) "L" (plain(first, 2)) " " (floor) "Z" } {}
                    }
                    path class={ "line " (series_class(index)) } d=(line) vector-effect="non-scaling-stroke" {}
                }
            }
        };
        data.framed("line", &scale, marks)
    }
}
