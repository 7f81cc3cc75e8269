//! All sections together, read from the layers: built-in defaults, file, environment, flags.

use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};

use crate::{
    domains,
    fault::{ConfigError, check_syntax},
    reader::{Reader, Shown},
    sections::{
        Alerts, Creation, History, Ledger, Listener, Monitoring, Policy, Queue, QueueKind, Retry, Rpc, Service, Signer,
        SignerKind,
    },
};

#[cfg(test)]
mod tests;

const DEFAULTS: &str = include_str!("../../../config.toml");
const PREFIX: &str = "SESSION_BUILDER";
const SEPARATOR: &str = "__";
/// The section that says how a service is watched, and nothing of what it works on.
const WATCHING: &str = "MONITORING";

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[rpc]`
    pub rpc: Rpc,
    /// `[service]`
    pub service: Service,
    /// `[retry]`
    pub retry: Retry,
    /// `[monitoring]`
    pub monitoring: Monitoring,
    /// `[queue]`
    pub queue: Queue,
    /// `[history]`
    pub history: History,
    /// `[ledger]`
    pub ledger: Ledger,
    /// `[listener]`
    pub listener: Listener,
    /// `[creation]`
    pub creation: Creation,
    /// `[policy]`
    pub policy: Policy,
    /// `[signer]`
    pub signer: Signer,
    /// `[alerts]`
    pub alerts: Alerts,
}

/// The names of the variables in the environment that configure a service: its chain, queue, wallet, or how it works.
/// Those that only say how it is watched (`[monitoring]`) are none of them.
#[must_use]
pub fn configured_in_environment() -> Vec<String> {
    let mut names: Vec<String> = variables().map(|(name, _)| name).filter(|name| chooses(name)).collect();
    names.sort_unstable();
    names
}

/// Whether a variable of ours configures a service, and not only how it is watched.
fn chooses(name: &str) -> bool {
    let watched = format!("{PREFIX}{SEPARATOR}{WATCHING}{SEPARATOR}");
    !starts_with(name, &watched)
}

/// Our variables in the environment.
fn variables() -> impl Iterator<Item = (String, String)> {
    let readable =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    readable.filter(|(name, _)| starts_with(name, &format!("{PREFIX}{SEPARATOR}")))
}

/// The environment's layer reads names in any case.
fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn layer() -> Environment {
    Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
}

/// What flags set; they win over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--metrics-port`
    pub metrics_port: Option<u16>,
    /// `--enable-metrics`
    pub enable_metrics: bool,
    /// `--log-level`
    pub log_level: Option<String>,
    /// The level where nothing else names one.
    pub log_level_default: Option<String>,
    /// `--function-url`
    pub function_url: Option<String>,
}

impl Settings {
    /// All texts that may be a key, for whoever keeps them out of logs.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let webhook = self.alerts.webhook.iter();
        let of_alerts = webhook.flat_map(|webhook| {
            let mut secrets = webhook.url.secrets();
            secrets.push(webhook.secret.expose().to_owned());
            secrets
        });
        self.rpc.secrets().into_iter().chain(of_alerts).collect()
    }

    /// Reads all layers.
    ///
    /// # Errors
    /// [`ConfigError`], with all faults at once.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::read(file, layer(), overrides)
    }

    /// What the demo runs with: the defaults. Its chain, queue and wallet are its own, so that whatever else the
    /// environment configures is none of its business; how it is watched may be said there.
    ///
    /// # Errors
    /// [`ConfigError`], with all faults at once.
    pub fn demo(overrides: &Overrides) -> Result<Self, ConfigError> {
        let monitoring = variables().filter(|(name, _)| !chooses(name)).collect();
        Self::read(None, layer().source(Some(monitoring)), overrides)
    }

    /// The built-in defaults alone.
    ///
    /// # Errors
    /// None that a release can have: a test reads them.
    pub fn defaults() -> Result<Self, ConfigError> {
        Self::read(
            None,
            Environment::default().source(Some(Map::new())),
            &Overrides::default(),
        )
    }

    /// Every key with the value that is in force and where it comes from. What may hold a secret is withheld.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn describe(file: Option<&Path>, overrides: &Overrides) -> Result<Vec<Shown>, ConfigError> {
        Ok(Self::layers(file, layer(), overrides)?.shown())
    }

    fn read(file: Option<&Path>, environment: Environment, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut reader = Self::layers(file, environment, overrides)?;
        let settings = Self::from_reader(&mut reader);
        settings.check_together(&mut reader);
        let faults = reader.finish();
        if faults.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigError::Invalid(faults))
        }
    }

    /// All layers over each other.
    fn layers(file: Option<&Path>, environment: Environment, overrides: &Overrides) -> Result<Reader, ConfigError> {
        let defaults = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()?;
        let mut layers = Config::builder();
        if let Some(path) = file {
            check_syntax(path)?;
            layers = layers.add_source(File::from(path).format(FileFormat::Toml));
        }
        layers = layers.add_source(environment);
        if let Some(level) = &overrides.log_level_default {
            layers = layers.set_default("monitoring.log_level", level.clone())?;
        }
        for (key, value) in overrides.values() {
            layers = layers.set_override(key, value)?;
        }
        Ok(Reader::new(sections(defaults)?, sections(layers.build()?)?))
    }

    fn from_reader(reader: &mut Reader) -> Self {
        Self {
            rpc: domains::rpc(reader),
            service: domains::service(reader),
            retry: domains::retry(reader),
            monitoring: domains::monitoring(reader),
            queue: domains::queue(reader),
            history: domains::history(reader),
            ledger: domains::ledger(reader),
            listener: domains::listener(reader),
            creation: domains::creation(reader),
            policy: domains::policy(reader),
            signer: domains::signer(reader),
            alerts: domains::alerts(reader),
        }
    }

    /// What only shows when several keys are seen together.
    fn check_together(&self, reader: &mut Reader) {
        self.check_order(reader);
        self.check_needs(reader);
    }

    fn check_order(&self, reader: &mut Reader) {
        let Self {
            service,
            retry,
            queue,
            policy,
            listener,
            ..
        } = self;
        let mut refuse = |unless: bool, key: &str, value: u128, relation: &str, other: &str| {
            if !unless && reader.is_sound(key) && reader.is_sound(other) {
                reader.refuse(key, value, format!("it must {relation} {other}"));
            }
        };
        refuse(
            retry.max_delay >= retry.initial_delay,
            "retry.max_delay_ms",
            retry.max_delay.as_millis(),
            "not be less than",
            "retry.initial_delay_ms",
        );
        refuse(
            queue.visibility_timeout >= 6 * service.function_timeout,
            "queue.visibility_timeout_secs",
            queue.visibility_timeout.as_secs().into(),
            "be at least 6 times",
            "service.function_timeout_secs",
        );
        // Otherwise a complete stream would look like a listing that stands still.
        refuse(
            listener.completeness_age_max > listener.listing_interval_complete,
            "listener.completeness_age_max_secs",
            listener.completeness_age_max.as_secs().into(),
            "be more than",
            "listener.listing_interval_complete_secs",
        );
        // Otherwise the warning would come after the end.
        refuse(
            policy.wallet_low_lamports > policy.wallet_reserve_lamports,
            "policy.wallet_low_lamports",
            policy.wallet_low_lamports.into(),
            "be more than",
            "policy.wallet_reserve_lamports",
        );
    }

    fn check_needs(&self, reader: &mut Reader) {
        let Self {
            service,
            queue,
            signer,
            policy,
            ..
        } = self;
        let (owner, requester) = (
            policy.lamports_per_owner_per_hour,
            policy.lamports_per_requester_per_hour,
        );
        if let (Some(_), Some(lamports)) = (owner, requester) {
            let reason =
                "accounts count against one of the two: policy.lamports_per_owner_per_hour must be 0 beside it";
            reader.refuse("policy.lamports_per_requester_per_hour", lamports, reason.to_owned());
        }
        let mut needed = |when: bool, key: &str, given: bool, by: &str| {
            if when && !given && reader.is_sound(key) {
                reader.refuse(key, "\"\"", format!("{by} needs it"));
            }
        };
        let (sqs, kms) = (queue.kind == QueueKind::Sqs, signer.kind == SignerKind::AwsKms);
        let keypair = signer.kind == SignerKind::KeypairFile;
        needed(sqs, "queue.url", queue.url.is_some(), "queue.kind = \"sqs\"");
        needed(
            sqs,
            "queue.dead_letter_url",
            queue.dead_letter_url.is_some(),
            "queue.kind = \"sqs\"",
        );
        needed(
            kms,
            "signer.kms_key_id",
            signer.kms_key_id.is_some(),
            "signer.kind = \"aws_kms\"",
        );
        needed(
            kms,
            "signer.kms_public_key",
            signer.kms_public_key.is_some(),
            "signer.kind = \"aws_kms\"",
        );
        let path = !service.keypair_path.as_os_str().is_empty();
        needed(keypair, "service.keypair_path", path, "signer.kind = \"keypair_file\"");
        let path = !service.state_dir.as_os_str().is_empty();
        needed(true, "service.state_dir", path, "every way of running");
    }
}

impl Overrides {
    /// The keys that flags set, each marked with its flag.
    fn values(&self) -> Vec<(&'static str, Value)> {
        let mut values = Vec::new();
        let mut add = |flag: &str, key, value: Option<ValueKind>| {
            values.extend(value.map(|value| (key, Value::new(Some(&flag.to_owned()), value))));
        };
        add(
            "--metrics-port",
            "monitoring.metrics_port",
            self.metrics_port.map(|port| i64::from(port).into()),
        );
        add(
            "--enable-metrics",
            "monitoring.enable_prometheus",
            self.enable_metrics.then_some(true.into()),
        );
        add(
            "--log-level",
            "monitoring.log_level",
            self.log_level.clone().map(Into::into),
        );
        add(
            "--function-url",
            "service.function_url",
            self.function_url.clone().map(Into::into),
        );
        values
    }
}

fn sections(layers: Config) -> Result<Map<String, Value>, ConfigError> {
    Ok(layers.cache.into_table()?)
}
