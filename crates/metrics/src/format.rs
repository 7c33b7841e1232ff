//! [`Page`]: the numbers as text, in the two forms that Prometheus reads.

use std::fmt::Write as _;

use crate::number::BOUNDS;
use crate::{Counter, Each, Histogram, Label};

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
    Text,
    /// OpenMetrics 1.0.0 (prometheus.io/docs/specs/om/open_metrics_spec).
    OpenMetrics,
}

impl Format {
    /// The one that an `Accept` header asks for. Prometheus names OpenMetrics with a version and weighs it; whoever names
    /// it at all gets it, all others get the text that every reader knows.
    pub fn of(accept: &str) -> Self {
        let asked = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            is_it
                && parts.all(|parameter| {
                    match parameter.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                        Some(("version", version)) => version.starts_with("1."),
                        Some(("q", weight)) => weight.parse::<f32>().is_ok_and(|weight| weight > 0.0),
                        _ => true,
                    }
                })
        });
        if asked { Self::OpenMetrics } else { Self::Text }
    }

    /// The media type of a page.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text of all numbers at one moment, family by family.
#[derive(Debug)]
pub struct Page {
    format: Format,
    text: String,
}

impl Page {
    /// An empty page.
    pub fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// Begins a family of counters; `name` is without `_total`.
    pub fn counters(&mut self, name: &'static str, help: &str) -> Family<'_> {
        // The older form knows no suffixes: each series there has the name of its family.
        let family = match self.format {
            Format::Text => format!("{name}_total"),
            Format::OpenMetrics => name.to_owned(),
        };
        self.head(&family, "counter", help);
        Family { text: &mut self.text, name, suffix: "_total", labels: Vec::new() }
    }

    /// Begins a family of gauges.
    pub fn gauges(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.head(name, "gauge", help);
        Family { text: &mut self.text, name, suffix: "", labels: Vec::new() }
    }

    /// Begins a family of histograms, of seconds.
    pub fn histograms(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.head(name, "histogram", help);
        Family { text: &mut self.text, name, suffix: "", labels: Vec::new() }
    }

    fn head(&mut self, family: &str, kind: &str, help: &str) {
        // To a string it cannot fail.
        let _ = writeln!(
            self.text,
            "# HELP {family} {}\n# TYPE {family} {kind}",
            help.replace('\\', "\\\\").replace('\n', "\\n")
        );
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// The series of one name.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    suffix: &'static str,
    labels: Vec<(&'static str, String)>,
}

impl Family<'_> {
    /// The same family with one label more on what follows: its name, and a text that the operator wrote.
    pub fn with(&mut self, label: &'static str, value: &str) -> Family<'_> {
        let mut labels = self.labels.clone();
        labels.push((label, value.to_owned()));
        Family { text: self.text, name: self.name, suffix: self.suffix, labels }
    }

    /// One series.
    pub fn value(&mut self, value: impl Value) {
        self.line(self.suffix, None, &value.text());
    }

    /// A series for each value of a label.
    pub fn each<L: Label>(&mut self, counters: &Each<L, Counter>) {
        for (label, counter) in counters.iter() {
            self.with(L::NAME, label.as_str()).value(counter.get());
        }
    }

    /// A series for each value of a label that occurred: for a label of which most never do.
    pub fn each_counted<L: Label>(&mut self, counters: &Each<L, Counter>) {
        for (label, counter) in counters.iter().filter(|(_, counter)| counter.get() > 0) {
            self.with(L::NAME, label.as_str()).value(counter.get());
        }
    }

    /// The series of a histogram; none while nothing was observed.
    pub fn histogram(&mut self, histogram: &Histogram) {
        let counts = histogram.cumulative();
        let (bounded, all) = (&counts[..BOUNDS.len()], counts[BOUNDS.len()]);
        if all == 0 {
            return;
        }
        for ((_, bound), count) in BOUNDS.iter().zip(bounded) {
            self.line("_bucket", Some(bound), &count.text());
        }
        self.line("_bucket", Some("+Inf"), &all.text());
        self.line("_sum", None, &histogram.seconds().text());
        self.line("_count", None, &all.text());
    }

    fn line(&mut self, suffix: &str, bound: Option<&str>, value: &str) {
        let text = &mut *self.text;
        text.push_str(self.name);
        text.push_str(suffix);
        let labels = self.labels.iter().map(|(name, value)| (*name, value.as_str()));
        let mut before = '{';
        for (name, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(text, "{before}{name}=\"{value}\"");
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// A number as a series has it.
pub trait Value {
    /// Its digits.
    fn text(&self) -> String;
}

impl Value for u64 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Value for i64 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Value for f64 {
    fn text(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for bool {
    fn text(&self) -> String {
        u64::from(*self).to_string()
    }
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
    fn the_older_form_has_the_suffix_in_the_family_and_the_newer_an_end() {
        let write = |format| {
            let mut page = Page::new(format);
            let counted = Each::<Word, Counter>::default();
            counted[Word::Other].add(3);
            page.counters("x_things", "Things, all of them.").with("mount", "/a \"b\\\n").each_counted(&counted);
            page.gauges("x_now", "Now.").value(-2_i64);
            page.finish()
        };
        let older = "# HELP x_things_total Things, all of them.\n# TYPE x_things_total counter\n\
                     x_things_total{mount=\"/a \\\"b\\\\\\n\",word=\"other\"} 3\n# HELP x_now Now.\n# TYPE x_now gauge\nx_now -2\n";
        assert_eq!(write(Format::Text), older);
        let newer =
            older.replace("HELP x_things_total", "HELP x_things").replace("TYPE x_things_total", "TYPE x_things");
        assert_eq!(write(Format::OpenMetrics), newer + "# EOF\n");
    }

    #[test]
    fn a_histogram_is_cumulative_and_is_not_there_before_it_is_needed() {
        let (mut page, histogram) = (Page::new(Format::Text), Histogram::default());
        page.histograms("x_seconds", "How long.").with("op", "a").histogram(&histogram);
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_secs(1000));
        page.histograms("y_seconds", "How long.").with("op", "a").histogram(&histogram);
        let text = page.finish();
        assert!(!text.contains("x_seconds_"), "{text}");
        for line in [
            "y_seconds_bucket{op=\"a\",le=\"0.001\"} 0",
            "y_seconds_bucket{op=\"a\",le=\"0.0025\"} 1",
            "y_seconds_bucket{op=\"a\",le=\"300.0\"} 1",
            "y_seconds_bucket{op=\"a\",le=\"+Inf\"} 2",
            "y_seconds_sum{op=\"a\"} 1000.002",
            "y_seconds_count{op=\"a\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn who_names_openmetrics_gets_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::of(prometheus), Format::OpenMetrics);
        for other in
            ["", "*/*", "text/plain", "application/openmetrics-text; version=0.0.1", "application/openmetrics-text;q=0"]
        {
            assert_eq!(Format::of(other), Format::Text, "{other}");
        }
    }
}
