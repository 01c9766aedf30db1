//! Charts, drawn as SVG by the server. Behind each lies a table with the same figures: for those who
//! don't see the drawing, and as the source of what the pointer reads out.

mod bar;
mod frame;
mod line;
mod scale;
mod spark;

pub use bar::BarChart;
pub use line::LineChart;
pub use spark::Sparkline;

/// What both kinds of chart show.
#[derive(Clone, Debug)]
struct Data {
    title: String,
    about: String,
    unit: String,
    labels: Vec<String>,
    series: Vec<Series>,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    values: Vec<f64>,
}

impl Data {
    fn new(title: String, about: String, labels: Vec<String>) -> Self {
        Self {
            title,
            about,
            unit: String::new(),
            labels,
            series: Vec::new(),
        }
    }

    /// Brought to one value for each label, so that the drawing and the table agree.
    fn add(&mut self, name: String, mut values: Vec<f64>) {
        values.resize(self.labels.len(), 0.0);
        for value in &mut values {
            if !value.is_finite() {
                *value = 0.0;
            }
        }
        self.series.push(Series { name, values });
    }

    /// The middle of a label's share of the width, in percent.
    fn middle(&self, index: usize) -> f64 {
        (index as f64 + 0.5) / self.labels.len().max(1) as f64 * 100.0
    }
}
