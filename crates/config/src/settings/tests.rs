//! The layers, their order, and what is refused.

use std::{io::Write, time::Duration};

use super::*;
use crate::{Commitment, Fault, RpcUrl, StartAt, domains::ACCOUNT_SIZE_MAX_BYTES};

fn load(text: &str, variables: &[(&str, &str)], overrides: &Overrides) -> Result<Settings, ConfigError> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::read(Some(file.path()), layer().source(Some(variables)), overrides)
}

fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<Fault> {
    match load(text, variables, &Overrides::default()) {
        Err(ConfigError::Invalid(faults)) => faults,
        other => panic!("expected faults, got {other:?}"),
    }
}

#[test]
fn every_key_of_the_documented_file_is_read() {
    let settings = Settings::defaults().unwrap();
    assert_eq!(settings.monitoring.metrics_port, 3001);
    assert_eq!(settings.monitoring.health_check_interval, Duration::from_secs(30));
    assert_eq!(settings.service.max_concurrent_creations, 10);
    assert_eq!(settings.service.keypair_path, Path::new("service-keypair.json"));
    assert_eq!(settings.retry.max_retries, 5);
    assert_eq!(settings.retry.initial_delay, Duration::from_millis(100));
    assert_eq!(settings.retry.max_delay, Duration::from_secs(30));
    assert_eq!(settings.queue.max_receive_count, 5);
    assert_eq!(settings.rpc.commitment, Commitment::Confirmed);
    assert_eq!(settings.policy.size_max_bytes, ACCOUNT_SIZE_MAX_BYTES);
}

#[test]
fn a_key_is_known_by_its_older_name_too() {
    let older = "[listener]\ncursor_url = \"s3://older\"\n";
    let url = |settings: Settings| settings.listener.watermark_url;
    let defaults = Overrides::default();
    assert_eq!(url(load(older, &[], &defaults).unwrap()).as_deref(), Some("s3://older"));
    let variable = [("SESSION_BUILDER__LISTENER__CURSOR_URL", "s3://variable")];
    assert_eq!(
        url(load("", &variable, &defaults).unwrap()).as_deref(),
        Some("s3://variable")
    );
    let both = [("SESSION_BUILDER__LISTENER__WATERMARK_URL", "s3://newer")];
    let refused = faults(older, &both);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].key, "listener.cursor_url");
    assert!(refused[0].reason.contains("listener.watermark_url"), "{}", refused[0]);
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "[rpc]\ncommitment = \"processed\"\nurl = \"ftp://x\"\n[retry]\nmax_retries = 0\n[monitoring]\nmetric_port = 1\n[surprise]\nkey = 1\n";
    let mut faults = faults(text, &[("SESSION_BUILDER__QUEUE__KIND", "kafka")]);
    faults.sort_by(|one, other| one.key.cmp(&other.key));
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "monitoring.metric_port",
            "queue.kind",
            "retry.max_retries",
            "rpc.commitment",
            "rpc.url",
            "surprise.key"
        ]
    );
    assert!(faults[0].reason.contains("monitoring.metrics_port"), "{}", faults[0]);
    assert!(
        faults[1].origin.contains("environment") && faults[1].value.contains("kafka"),
        "{}",
        faults[1]
    );
    assert!(faults[2].origin.contains(".toml"), "{}", faults[2]);
    assert!(!faults[4].value.contains("ftp"), "a URL may hold a key: {}", faults[4]);
}

#[test]
fn keys_are_checked_together() {
    let faults = faults("[queue]\nkind = \"sqs\"\nvisibility_timeout_secs = 179\n", &[]);
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        ["queue.visibility_timeout_secs", "queue.url", "queue.dead_letter_url"]
    );
    let faults = self::faults("[policy]\nwallet_low_lamports = 5\nwallet_reserve_lamports = 5\n", &[]);
    assert_eq!(faults[0].key, "policy.wallet_low_lamports");
    let two = "[policy]\nlamports_per_owner_per_hour = 1\nlamports_per_requester_per_hour = 2\n";
    let faults = self::faults(two, &[]);
    assert_eq!(faults[0].key, "policy.lamports_per_requester_per_hour");
    let faults = self::faults("[signer]\nkind = \"aws_kms\"\nkms_key_id = \"alias/wallet\"\n", &[]);
    assert_eq!(faults[0].key, "signer.kms_public_key");
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let text = "[monitoring]\nmetrics_port = 1\nhealth_check_interval_secs = 2\nlog_level = \"warn\"\n";
    let variables = [
        ("SESSION_BUILDER__MONITORING__METRICS_PORT", "3"),
        ("SESSION_BUILDER__MONITORING__LOG_LEVEL", "debug"),
    ];
    let overrides = Overrides {
        log_level: Some(String::from("trace")),
        enable_metrics: true,
        ..Overrides::default()
    };
    let monitoring = load(text, &variables, &overrides).unwrap().monitoring;
    let port = Overrides {
        metrics_port: Some(4),
        ..Overrides::default()
    };
    assert_eq!(load(text, &variables, &port).unwrap().monitoring.metrics_port, 4);
    assert_eq!(monitoring.health_check_interval, Duration::from_secs(2));
    assert_eq!(monitoring.metrics_port, 3);
    assert_eq!(monitoring.log_level, "trace");
}

#[test]
fn lists_are_arrays_or_separated_by_commas() {
    let ids = "Sess1on111111111111111111111111111111111111, 11111111111111111111111111111111";
    let variables = [("SESSION_BUILDER__POLICY__ALLOWED_OWNER_PROGRAMS", ids)];
    let policy = load("", &variables, &Overrides::default()).unwrap().policy;
    assert_eq!(policy.allowed_owner_programs.len(), 2);
    let policy = load("[policy]\nallowed_owner_programs = []\n", &[], &Overrides::default())
        .unwrap()
        .policy;
    assert!(policy.allowed_owner_programs.is_empty());
}

/// Each line is refused for its key, with a reason that says what to do.
#[test]
fn prices_are_by_method() {
    let settings = load(
        "[rpc]\ncredits = [\"other=2\", \"getTransaction = 30\"]",
        &[],
        &Overrides::default(),
    )
    .unwrap();
    let prices: Vec<_> = settings
        .rpc
        .credits
        .iter()
        .map(|(method, price)| (method.as_str(), *price))
        .collect();
    assert_eq!(prices, [("getTransaction", 30), ("other", 2)]);
    assert_eq!(settings.rpc.credits_per_hour, None);
    let defaults = load("", &[], &Overrides::default()).unwrap().rpc.credits;
    assert_eq!(defaults["getSignaturesForAddress"], 10);
    for bad in ["getSlot", "=1", "getSlot=", "getSlot=-1", "getSlot=1.5"] {
        assert_eq!(faults(&format!("[rpc]\ncredits = [{bad:?}]"), &[]).len(), 1, "{bad}");
    }
}

#[test]
fn every_domain_has_a_bound() {
    let refused = [
        ("rpc.commitment", "\"processed\"", "vanish with its fork"),
        ("rpc.url", "\"ws://127.0.0.1:8900\"", "http or https"),
        ("rpc.ws_url", "\"http://127.0.0.1:8900\"", "ws or wss"),
        ("rpc.request_timeout_ms", "0", "from 1 to"),
        ("service.program_id", "\"short\"", ""),
        ("service.batch_size", "10001", "from 1 to 10000"),
        ("service.function_url", "\"localhost:9000\"", "http"),
        ("service.function_url", "\"https://localhost:9000\"", "must be http"),
        ("service.state_dir", "\"\"", "needs it"),
        ("service.keypair_path", "7", "text in quotes"),
        ("retry.max_retries", "\"5\"", "without quotes"),
        ("retry.max_delay_ms", "99", "retry.initial_delay_ms"),
        ("monitoring.metrics_port", "65536", "to 65535"),
        ("monitoring.enable_prometheus", "1", "true or false"),
        ("monitoring.bind_address", "\"localhost\"", ""),
        ("queue.url", "\"https://user:word@sqs.example/q\"", "user or a password"),
        ("queue.retry_waits", "[\"soon\"]", "item 1"),
        ("queue.retry_waits", "[\"1s\", \"13h\"]", "item 2"),
        ("queue.deferral_max_hours", "0", "from 1 to"),
        ("listener.start", "\"yesterday\"", "a signature"),
        ("listener.watermark_url", "\"https://bucket.example\"", "s3 or file"),
        ("listener.linger_ms", "51", "from 0 to 50"),
        (
            "creation.account_order",
            "[\"payer\", \"payer\", \"session\"]",
            "each once",
        ),
        ("policy.size_max_bytes", "10241", "to 10240"),
        ("policy.allowed_owner_programs", "[\"short\"]", "item 1"),
        ("policy.allowed_owner_programs", "[1]", "list of texts"),
        ("signer.kind", "\"paper\"", "keypair_file"),
        ("signer.environment_variable", "\"[1,2,3]\"", "never the key itself"),
    ];
    for (key, value, reason) in refused {
        let (section, name) = key.split_once('.').unwrap();
        let faults = faults(&format!("[{section}]\n{name} = {value}\n"), &[]);
        let [fault] = faults.as_slice() else {
            panic!("{key} = {value}: {faults:?}")
        };
        assert_eq!(fault.key, key);
        assert!(fault.reason.contains(reason), "{fault}");
    }
}

/// The fallback of a refused key must not make further keys look wrong.
#[test]
fn one_wrong_key_is_one_fault() {
    let faults = faults(
        "[queue]\nkind = \"sqs\"\nurl = \"q\"\ndead_letter_url = \"https://sqs.example/dlq\"\n",
        &[],
    );
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].value, "(withheld)");
}

#[test]
fn a_start_is_a_word_a_slot_or_a_signature() {
    let start = |value: &str| {
        load(&format!("[listener]\nstart = {value}\n"), &[], &Overrides::default())
            .unwrap()
            .listener
            .start
    };
    assert_eq!(start("\"genesis\""), StartAt::Genesis);
    assert_eq!(start("250000000"), StartAt::Slot(250_000_000));
    assert_eq!(start("\"250000000\""), StartAt::Slot(250_000_000));
    let signature = "5".repeat(88);
    assert_eq!(start(&format!("{signature:?}")), StartAt::Signature(signature));
}

#[test]
fn a_fault_of_a_flag_names_the_flag() {
    let overrides = Overrides {
        function_url: Some(String::from("nowhere")),
        ..Overrides::default()
    };
    let Err(ConfigError::Invalid(faults)) = load("", &[], &overrides) else {
        panic!("accepted")
    };
    assert_eq!(
        (faults[0].key.as_str(), faults[0].origin.as_str()),
        ("service.function_url", "--function-url")
    );
}

#[test]
fn a_section_that_is_no_section_is_one_fault() {
    let faults = faults("rpc = 5\n", &[]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].reason.contains("[rpc]"), "{}", faults[0]);
}

#[test]
fn secrets_are_shown_neither_by_settings_nor_by_faults() {
    let good = "[rpc]\nurl = \"https://a.example/SECRET\"\nws_url = \"wss://a.example/?key=SECRET\"\n\
        fallback_urls = [\"https://u:SECRET@b.example\"]\n";
    let settings = load(good, &[], &Overrides::default()).unwrap();
    assert_eq!(settings.rpc.url.expose(), "https://a.example/SECRET");
    assert!(!format!("{settings:?}").contains("SECRET"), "{settings:?}");

    let refused = [
        "[rpc]\nurl = \"htps://a.example/SECRET\"\n",
        "[rpc]\nurl = [\"https://a.example/SECRET\"]\n",
        "[rpc]\nuri = \"https://a.example/SECRET\"\n",
        "[rpc]\nfallback_urls = [\"https://good.example\", \"a.example/SECRET\"]\n",
        "[rpc]\nurl = \"https://a.example/SECRET\n",
        "[signer]\nenvironment_variable = \"[SECRET]\"\n",
    ];
    for text in refused {
        let error = load(text, &[], &Overrides::default()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error} {error:?}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    let error = load("[rpc]\nurl = \n", &[], &Overrides::default()).unwrap_err();
    assert!(matches!(&error, ConfigError::Syntax { line: 2, .. }), "{error}");
    let missing = Settings::load(Some(Path::new("/nonexistent/config.toml")), &Overrides::default());
    assert!(matches!(missing, Err(ConfigError::File { .. })));
}

#[test]
fn a_variable_of_monitoring_configures_no_service() {
    for name in [
        "SESSION_BUILDER__RPC__URL",
        "session_builder__queue__kind",
        "SESSION_BUILDER__MONITORINGS__X",
    ] {
        assert!(chooses(name), "{name}");
    }
    assert!(!chooses("SESSION_BUILDER__MONITORING__LOG_LEVEL"));
}

#[test]
fn a_list_in_a_file_keeps_its_commas_and_text_is_separated_by_them() {
    let urls = "[rpc]\nfallback_urls = [\"https://one.example/a,b\", \"https://two.example\"]\n";
    let paths = "[signer]\nfee_payer_keypair_paths = [\"keys/a,b.json\"]\n";
    let settings = load(&format!("{urls}{paths}"), &[], &Overrides::default()).unwrap();
    let given: Vec<&str> = settings.rpc.fallback_urls.iter().map(RpcUrl::expose).collect();
    assert_eq!(given, ["https://one.example/a,b", "https://two.example/"]);
    assert_eq!(settings.signer.fee_payer_keypair_paths, [Path::new("keys/a,b.json")]);
    let variable = ("SESSION_BUILDER__SIGNER__FEE_PAYER_KEYPAIR_PATHS", "a.json, b.json");
    let settings = load("", &[variable], &Overrides::default()).unwrap();
    assert_eq!(
        settings.signer.fee_payer_keypair_paths,
        [Path::new("a.json"), Path::new("b.json")]
    );
}

#[test]
fn a_webhook_needs_its_secret_and_neither_is_shown() {
    let found = faults("[alerts]\nwebhook_url = \"https://hooks.example/T0/KEYKEYKEY\"\n", &[]);
    assert_eq!(found[0].key, "alerts.webhook_secret", "{found:?}");
    let text =
        "[alerts]\nwebhook_url = \"https://hooks.example/T0/KEYKEYKEY\"\nwebhook_secret = \"SECRETSECRETSECRET\"\n";
    let settings = load(text, &[], &Overrides::default()).unwrap();
    let shown = format!("{:?}", settings.alerts);
    assert!(
        !shown.contains("KEYKEYKEY") && !shown.contains("SECRETSECRET"),
        "{shown}"
    );
    let short = text.replace("SECRETSECRETSECRET", "short");
    let found = match load(&short, &[], &Overrides::default()) {
        Err(ConfigError::Invalid(faults)) => faults,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (found[0].key.as_str(), found[0].value.as_str()),
        ("alerts.webhook_secret", "(withheld)")
    );
}
