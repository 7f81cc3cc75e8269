//! Metrics in CloudWatch's embedded metric format: JSON lines that CloudWatch Logs turns into metrics by itself, for a
//! long-lived process whose `/metrics` nobody scrapes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::registry::{AtomicStorage, Registry};
use serde_json::{Map, Value, json};

use crate::names;

/// The namespace of all metrics of this service in CloudWatch.
pub const NAMESPACE: &str = "SessionBuilder";
/// Tells one deployment's metrics from another's.
pub const STACK: &str = "Stack";

/// What is told. CloudWatch has a price for each series, so these are the ones that alarms and a dashboard look at
/// (`infra/template.yaml`): gauges, each a single series.
pub const TOLD: &[&str] = &[
    names::LISTENER_CONNECTED,
    names::LISTENER_LAST_SLOT,
    names::LISTENER_CURSOR_SLOT,
    names::LISTENER_QUARANTINE_OLDEST_SECONDS,
    names::WALLET_BALANCE_LAMPORTS,
    names::WALLET_LOW,
];

/// Keeps the metrics of [`TOLD`] as they were set last, and writes them down.
#[derive(Clone)]
pub struct CloudWatch {
    stack: String,
    told: Arc<Registry<Key, AtomicStorage>>,
}

impl CloudWatch {
    /// The metrics of one deployment, whose name they carry as the dimension [`STACK`].
    #[must_use]
    pub fn new(stack: String) -> Self {
        Self {
            stack,
            told: Arc::new(Registry::atomic()),
        }
    }

    /// One line, its break included, with what has been set so far; nothing while nothing has. What nobody has measured yet
    /// is left out: a wallet whose balance is not known has not lost all it had.
    #[must_use]
    pub fn line(&self, now: SystemTime) -> Option<String> {
        let told = self.told.get_gauge_handles();
        let mut values = Map::new();
        let mut definitions = Vec::new();
        for metric in names::ALL.iter().filter(|metric| TOLD.contains(&metric.name)) {
            let Some(value) = told.get(&Key::from_static_name(metric.name)) else {
                continue;
            };
            // JSON has no word for what is no number.
            let Value::Number(value) = Value::from(f64::from_bits(value.load(Ordering::Relaxed))) else {
                continue;
            };
            values.insert(metric.name.to_owned(), value.into());
            definitions.push(json!({"Name": metric.name, "Unit": unit(metric.unit)}));
        }
        if definitions.is_empty() {
            return None;
        }
        let milliseconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[STACK]], "Metrics": definitions});
        let timestamp = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        values.insert(
            String::from("_aws"),
            json!({"Timestamp": timestamp, "CloudWatchMetrics": [directive]}),
        );
        values.insert(STACK.to_owned(), Value::from(self.stack.as_str()));
        Some(format!("{}\n", Value::Object(values)))
    }
}

/// The unit by CloudWatch's word.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "Count",
        Unit::Seconds => "Seconds",
        _ => "None",
    }
}

impl Recorder for CloudWatch {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        if !TOLD.contains(&key.name()) {
            return Gauge::noop();
        }
        self.told
            .get_or_create_gauge(key, |gauge| Gauge::from_arc(Arc::clone(gauge)))
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metrics::{counter, gauge, with_local_recorder};

    use super::*;
    use crate::{names::Kind, recorder::with_cloudwatch};

    const UNITS: [&str; 3] = ["Count", "Seconds", "None"];

    /// The line's metrics with their values, as CloudWatch finds them by the published schema of the format.
    fn extracted(line: &str) -> Vec<(String, f64)> {
        assert!(line.ends_with('\n') && line.trim_end().lines().count() == 1, "{line}");
        let root: Value = serde_json::from_str(line).unwrap();
        assert!(root["_aws"]["Timestamp"].is_u64(), "{line}");
        let [directive] = root["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
            panic!("one directive: {line}");
        };
        assert_eq!(directive["Namespace"], NAMESPACE);
        let dimensions = directive["Dimensions"].as_array().unwrap();
        assert!(!dimensions.is_empty());
        for dimension in dimensions.iter().flat_map(|set| set.as_array().unwrap()) {
            let value = root[dimension.as_str().unwrap()].as_str().unwrap();
            assert!((1..=1024).contains(&value.len()), "{line}");
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        let value = |metric: &Value| {
            assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()), "{line}");
            let name = metric["Name"].as_str().unwrap();
            (name.to_owned(), root[name].as_f64().unwrap())
        };
        metrics.iter().map(value).collect()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_790_000_000_123)
    }

    #[test]
    fn what_was_measured_is_told_and_nothing_else() {
        let cloudwatch = CloudWatch::new(String::from("staging"));
        with_local_recorder(&cloudwatch, || {
            gauge!(names::WALLET_BALANCE_LAMPORTS).set(8_123_456_789.0);
            gauge!(names::LISTENER_CONNECTED).set(1.0);
            gauge!(names::LISTENER_CONNECTED).set(0.0);
            gauge!(names::LISTENER_QUARANTINE, "reason" => "withheld").set(3.0);
            gauge!(names::WALLET_LOW).set(f64::NAN);
            counter!(names::ACCOUNTS_CREATED_TOTAL).increment(1);
        });
        let line = cloudwatch.line(now()).unwrap();
        let told = [
            (names::WALLET_BALANCE_LAMPORTS, 8_123_456_789.0),
            (names::LISTENER_CONNECTED, 0.0),
        ];
        assert_eq!(extracted(&line), told.map(|(name, value)| (name.to_owned(), value)));
        let root: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&root["Stack"], &root["_aws"]["Timestamp"]),
            (&json!("staging"), &json!(1_790_000_000_123_u64))
        );
    }

    #[test]
    fn what_prometheus_shows_from_the_start_is_not_told_before_it_is_known() {
        let cloudwatch = CloudWatch::new(String::from("staging"));
        let (recorders, prometheus) = with_cloudwatch(cloudwatch.clone()).unwrap();
        assert!(prometheus.render().contains("wallet_balance_lamports 0"));
        assert_eq!(cloudwatch.line(now()), None, "an empty wallet would stop all spending");
        with_local_recorder(&recorders, || gauge!(names::WALLET_BALANCE_LAMPORTS).set(5.0));
        assert!(prometheus.render().contains("wallet_balance_lamports 5"));
        let line = cloudwatch.line(now()).unwrap();
        assert_eq!(extracted(&line), [(names::WALLET_BALANCE_LAMPORTS.to_owned(), 5.0)]);
    }

    #[test]
    fn each_that_is_told_is_a_gauge_of_one_series() {
        for name in TOLD {
            let metric = names::ALL.iter().find(|metric| metric.name == *name).unwrap();
            assert_eq!((metric.kind, metric.labels.len()), (Kind::Gauge, 0), "{name}");
            assert_ne!(unit(metric.unit), "None", "{name}");
        }
    }
}
