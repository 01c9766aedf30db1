//! What surrounds the drawing of every chart: title, legend, axes, and the table behind it.
//!
//! Positions are percentages and the drawing stretches, so that text keeps its size at every width.

use maud::{Markup, html};

use super::{
    Data,
    scale::{Scale, plain, short},
};

/// More labels than this would run into each other on a telephone.
const MOST_LABELS: usize = 6;

impl Data {
    /// The chart around its drawing. `marks` are drawn in the plot, in percent of its sides.
    pub(super) fn framed(&self, kind: &str, scale: &Scale, marks: Markup) -> Markup {
        html! {
            figure.chart data-chart {
                figcaption {
                    span.chart-title { (self.title) }
                    @if self.series.len() > 1 {
                        ul.legend {
                            @for (index, series) in self.series.iter().enumerate() {
                                li { span class={ "key key-" (kind) " " (series_class(index)) } {} (series.name) }
                            }
                        }
                    }
                }
                (self.plot(scale, marks))
                (self.table())
            }
        }
    }

    fn plot(&self, scale: &Scale, marks: Markup) -> Markup {
        let ticks = scale.ticks();
        let every = self.labels.len().div_ceil(MOST_LABELS).max(1);
        let summary = format!("{}. {}", self.title, self.about);
        html! {
            div.chart-frame {
                svg.chart-y aria-hidden="true" {
                    @for tick in &ticks {
                        text x="100%" y=(percent(scale.depth(*tick))) dy="4" text-anchor="end" {
                            (short(*tick)) (self.unit)
                        }
                    }
                }
                // Arrow keys move the readout, so the drawing takes focus.
                svg.chart-plot role="img" tabindex="0" aria-label=(summary) {
                    title { (self.title) }
                    desc { (self.about) }
                    @for tick in &ticks {
                        @let height = percent(scale.depth(*tick));
                        line.grid.zero[*tick == 0.0] x1="0" x2="100%" y1=(height) y2=(height) {}
                    }
                    (marks)
                    @if self.labels.is_empty() || self.series.is_empty() {
                        text x="50%" y="50%" dy="4" text-anchor="middle" { "No data yet" }
                    }
                    line.chart-rule x1="0" x2="0" y1="0" y2="100%" visibility="hidden" {}
                }
                svg.chart-x aria-hidden="true" {
                    @for (index, label) in self.labels.iter().enumerate().step_by(every) {
                        text x=(percent(self.middle(index))) y="14" text-anchor="middle" { (label) }
                    }
                }
                div.chart-readout hidden {}
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            details.chart-data {
                summary { "Show as a table" }
                div.table-scroll tabindex="0" role="region" aria-label=(self.title) {
                    table {
                        caption.visually-hidden { (self.title) }
                        thead {
                            tr {
                                td {}
                                @for series in &self.series { th.number scope="col" { (series.name) } }
                            }
                        }
                        tbody {
                            @for (index, label) in self.labels.iter().enumerate() {
                                tr {
                                    th scope="row" { (label) }
                                    @for series in &self.series {
                                        td.number { (plain(series.values[index], 2)) (self.unit) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The colour and the dashes of a series; they repeat after the sixth.
pub(super) fn series_class(index: usize) -> String {
    format!("series-{}", index % 6 + 1)
}

pub(super) fn percent(value: f64) -> String {
    format!("{}%", plain(value, 2))
}
