//! [`Page`]: all metrics at one moment, which the library writes.

use std::fmt;
use std::marker::PhantomData;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric, histogram};
use prometheus_client::registry::{Metric, Registry};

use crate::{Counter, Each, Gauge, Histogram, Label};

/// The media type of a [`Page`]: OpenMetrics 1.0.0 (prometheus.io/docs/specs/om/open_metrics_spec).
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one moment, family by family.
#[derive(Debug, Default)]
pub struct Page(Vec<Described>);

/// A family: what stands once, and its series.
#[derive(Debug)]
struct Described {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    series: Vec<(Labels, Box<dyn Metric>)>,
}

/// Names and values, escaped.
type Labels = Vec<(&'static str, String)>;

impl Page {
    /// Begins a family of counters; `name` is without `_total`.
    pub fn counters(&mut self, name: &'static str, help: &'static str) -> Family<'_, Counter> {
        self.family(name, help)
    }

    /// Begins a family of gauges.
    pub fn gauges(&mut self, name: &'static str, help: &'static str) -> Family<'_, Gauge> {
        self.family(name, help)
    }

    /// Begins a family of histograms, of seconds.
    pub fn histograms(&mut self, name: &'static str, help: &'static str) -> Family<'_, histogram::Histogram> {
        self.family(name, help)
    }

    fn family<M: TypedMetric>(&mut self, name: &'static str, help: &'static str) -> Family<'_, M> {
        let described = Described { name, help, kind: M::TYPE, series: Vec::new() };
        let series = &mut self.0.push_mut(described).series;
        Family { series, labels: Vec::new(), kind: PhantomData }
    }

    /// The whole text.
    ///
    /// # Errors
    /// A gauge above `i64::MAX`, which the format has no number for.
    pub fn finish(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Described { name, help, kind, series } in &self.0 {
            let mut family = encoder.encode_descriptor(name, help, None, *kind)?;
            match series.as_slice() {
                // The library writes braces around no label, too.
                [(labels, metric)] if labels.is_empty() => metric.encode(family)?,
                series => {
                    for (labels, metric) in series {
                        metric.encode(family.encode_family(&labels.as_slice())?)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The series of one name; `M` is what they are.
#[derive(Debug)]
pub struct Family<'a, M> {
    series: &'a mut Vec<(Labels, Box<dyn Metric>)>,
    labels: Labels,
    kind: PhantomData<fn(M)>,
}

impl<M> Family<'_, M> {
    /// The same family with one label more on what follows: its name, and a text that the operator wrote.
    pub fn with(&mut self, label: &'static str, value: &str) -> Family<'_, M> {
        let mut labels = self.labels.clone();
        labels.push((label, escaped(value)));
        Family { series: self.series, labels, kind: PhantomData }
    }

    fn push(&mut self, metric: impl Metric) {
        self.series.push((self.labels.clone(), Box::new(metric)));
    }
}

impl Family<'_, Counter> {
    /// One series.
    pub fn value(&mut self, value: impl EncodeCounterValue + fmt::Debug + Send + Sync + 'static) {
        self.push(ConstCounter::new(value));
    }

    /// A series for each value of a label.
    pub fn each<L: Label>(&mut self, counters: &Each<L, Counter>) {
        for (label, counter) in counters.iter() {
            self.with(L::NAME, label.as_str()).push(counter.clone());
        }
    }

    /// A series for each value of a label that occurred: for a label of which most never do.
    pub fn each_counted<L: Label>(&mut self, counters: &Each<L, Counter>) {
        for (label, counter) in counters.iter().filter(|(_, counter)| counter.get() > 0) {
            self.with(L::NAME, label.as_str()).push(counter.clone());
        }
    }
}

impl Family<'_, Gauge> {
    /// One series.
    pub fn value(&mut self, value: impl EncodeGaugeValue + fmt::Debug + Send + Sync + 'static) {
        self.push(ConstGauge::new(value));
    }
}

impl Family<'_, histogram::Histogram> {
    /// The series of a histogram; none while nothing was observed.
    pub fn histogram(&mut self, histogram: &Histogram) {
        if let Some(observed) = histogram.observed() {
            self.push(observed);
        }
    }
}

/// As the format wants the value of a label ("escaped-char" of the specification). The library writes it as it is.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    crate::label! {
        /// For the tests.
        enum Word: "word" {
            /// One.
            One = "one",
            /// Other.
            Other = "other",
        }
    }

    #[test]
    fn a_page_is_openmetrics_with_escaped_labels() {
        let mut page = Page::default();
        let counted = Each::<Word, Counter>::default();
        counted[Word::Other].inc_by(3);
        let mut things = page.counters("x_things", "Things, all of them.");
        things.with("mount", "/a \"b\\\n").each_counted(&counted);
        things.with("mount", "/c").each(&counted);
        page.gauges("x_now", "Now.").value(-2_i64);
        page.counters("x_seconds", "CPU time.").value(0.25);
        let wanted = "# HELP x_things Things, all of them.\n# TYPE x_things counter\n\
                      x_things_total{mount=\"/a \\\"b\\\\\\n\",word=\"other\"} 3\n\
                      x_things_total{mount=\"/c\",word=\"one\"} 0\nx_things_total{mount=\"/c\",word=\"other\"} 3\n\
                      # HELP x_now Now.\n# TYPE x_now gauge\nx_now -2\n\
                      # HELP x_seconds CPU time.\n# TYPE x_seconds counter\nx_seconds_total 0.25\n# EOF\n";
        assert_eq!(page.finish().unwrap(), wanted);
    }

    #[test]
    fn a_histogram_is_cumulative_and_is_not_there_before_it_is_needed() {
        let (mut page, histogram) = (Page::default(), Histogram::default());
        page.histograms("x_seconds", "How long.").with("op", "a").histogram(&histogram);
        for micros in [0, 500, 501, 2000, 1_000_000, 1_000_001, 300_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        page.histograms("y_seconds", "How long.").with("op", "a").histogram(&histogram);
        let text = page.finish().unwrap();
        assert!(!text.contains("x_seconds_"), "{text}");
        for line in [
            // A bound belongs to what is below it.
            "y_seconds_bucket{le=\"0.0005\",op=\"a\"} 2",
            "y_seconds_bucket{le=\"0.001\",op=\"a\"} 3",
            "y_seconds_bucket{le=\"0.0025\",op=\"a\"} 4",
            "y_seconds_bucket{le=\"1.0\",op=\"a\"} 5",
            "y_seconds_bucket{le=\"300.0\",op=\"a\"} 6",
            "y_seconds_bucket{le=\"+Inf\",op=\"a\"} 7",
            "y_seconds_count{op=\"a\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let sum = text.lines().find_map(|line| line.strip_prefix("y_seconds_sum{op=\"a\"} ")).unwrap();
        assert!((sum.parse::<f64>().unwrap() - 302.003_003).abs() < 1e-6, "{sum}");
    }
}
