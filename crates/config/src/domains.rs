//! What each key may hold, section by section.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use solana_pubkey::Pubkey;

use crate::{
    reader::Reader,
    sections::{
        Alerts, BatchEncoding, Commitment, Creation, History, Ledger, Listener, LogFormat, Monitoring, Policy, Price,
        Queue, QueueKind, Retry, Rpc, Service, Signer, SignerKind, StartAt, TransactionVersion, Wait, Webhook,
    },
};

/// One instruction allocates no more (Solana, `MAX_PERMITTED_DATA_INCREASE`).
pub(crate) const ACCOUNT_SIZE_MAX_BYTES: u64 = 10_240;
/// SQS hides a message for 12 h at most.
const VISIBILITY_TIMEOUT_MAX_SECS: u64 = 12 * 60 * 60;
/// Lambda's own limit.
const FUNCTION_TIMEOUT_MAX_SECS: u64 = 900;
const DAY_SECS: u64 = 86_400;
const HTTP: &[&str] = &["http", "https"];
/// A shorter key of an HMAC can be guessed.
const WEBHOOK_SECRET_MIN: usize = 16;

pub(crate) fn rpc(reader: &mut Reader) -> Rpc {
    Rpc {
        url: reader.rpc_url("rpc.url", HTTP),
        ws_url: reader.optional_rpc_url("rpc.ws_url", &["ws", "wss"]),
        fallback_urls: reader.rpc_urls("rpc.fallback_urls", HTTP),
        commitment: reader.parsed("rpc.commitment", Commitment::Confirmed),
        request_timeout: reader.milliseconds("rpc.request_timeout_ms", 1..=60_000),
        credits: reader
            .parsed_list("rpc.credits")
            .into_iter()
            .map(|Price { method, credits }| (method, credits))
            .collect(),
        credits_per_hour: Some(reader.number("rpc.credits_per_hour", 0..=1_000_000_000_000))
            .filter(|budget| *budget > 0),
    }
}

pub(crate) fn service(reader: &mut Reader) -> Service {
    Service {
        max_concurrent_creations: size(reader, "service.max_concurrent_creations", 1, 10_000),
        max_concurrent_invocations: size(reader, "service.max_concurrent_invocations", 1, 1_000),
        keypair_path: reader.text("service.keypair_path").into(),
        state_dir: reader.text("service.state_dir").into(),
        program_id: reader.parsed("service.program_id", Pubkey::default()),
        session_program_id: reader.parsed("service.session_program_id", Pubkey::default()),
        batch_size: size(reader, "service.batch_size", 1, 10_000),
        batch_window: reader.milliseconds("service.batch_window_ms", 0..=300_000),
        function_timeout: reader.seconds("service.function_timeout_secs", 1..=FUNCTION_TIMEOUT_MAX_SECS),
        // What serves a function here speaks no TLS, and AWS's own addresses ask for more than a POST.
        function_url: reader.web_address("service.function_url", &["http"]),
    }
}

pub(crate) fn retry(reader: &mut Reader) -> Retry {
    Retry {
        max_retries: small(reader, "retry.max_retries", 1, 100),
        initial_delay: reader.milliseconds("retry.initial_delay_ms", 1..=60_000),
        max_delay: reader.milliseconds("retry.max_delay_ms", 1..=600_000),
    }
}

pub(crate) fn monitoring(reader: &mut Reader) -> Monitoring {
    Monitoring {
        health_check_interval: reader.seconds("monitoring.health_check_interval_secs", 1..=3_600),
        metrics_port: u16::try_from(reader.number("monitoring.metrics_port", 0..=65_535)).unwrap_or_default(),
        bind_address: reader.parsed("monitoring.bind_address", IpAddr::V4(Ipv4Addr::LOCALHOST)),
        enable_prometheus: reader.flag("monitoring.enable_prometheus"),
        wallet_addresses: reader.parsed_list("monitoring.wallet_addresses"),
        cloudwatch_stack: reader.optional_text("monitoring.cloudwatch_stack"),
        log_level: reader.text("monitoring.log_level"),
        log_format: reader.word(
            "monitoring.log_format",
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
            LogFormat::Text,
        ),
    }
}

pub(crate) fn queue(reader: &mut Reader) -> Queue {
    Queue {
        kind: reader.word(
            "queue.kind",
            &[("memory", QueueKind::Memory), ("sqs", QueueKind::Sqs)],
            QueueKind::Memory,
        ),
        url: reader.web_address("queue.url", HTTP),
        dead_letter_url: reader.web_address("queue.dead_letter_url", HTTP),
        endpoint_url: reader.web_address("queue.endpoint_url", HTTP),
        region: reader.optional_text("queue.region"),
        visibility_timeout: reader.seconds("queue.visibility_timeout_secs", 1..=VISIBILITY_TIMEOUT_MAX_SECS),
        max_receive_count: small(reader, "queue.max_receive_count", 1, 1_000),
        retry_waits: reader
            .parsed_list("queue.retry_waits")
            .into_iter()
            .map(|Wait(wait)| wait)
            .collect(),
        // SQS keeps no message for longer than 14 days.
        deferral_max: Duration::from_hours(reader.number("queue.deferral_max_hours", 1..=14 * 24)),
        capacity: size(reader, "queue.capacity", 10, 10_000_000),
    }
}

pub(crate) fn history(reader: &mut Reader) -> History {
    /// Ten years.
    const KEEP_MAX_DAYS: u64 = 3_650;
    let days = reader.number("history.keep_days", 0..=KEEP_MAX_DAYS);
    History {
        keep: Some(Duration::from_secs(days * DAY_SECS)).filter(|keep| !keep.is_zero()),
        entries_max: reader.number("history.entries_max", 1_000..=1_000_000_000),
    }
}

pub(crate) fn ledger(reader: &mut Reader) -> Ledger {
    Ledger {
        table: reader.optional_text("ledger.table"),
        endpoint_url: reader.web_address("ledger.endpoint_url", HTTP),
        region: reader.optional_text("ledger.region"),
    }
}

pub(crate) fn listener(reader: &mut Reader) -> Listener {
    Listener {
        start: reader.parsed("listener.start", StartAt::Now),
        watermark_url: reader.web_address("listener.watermark_url", &["s3", "file"]),
        linger: reader.milliseconds("listener.linger_ms", 0..=50),
        silence_limit: reader.seconds("listener.silence_limit_secs", 1..=600),
        completeness_age_max: reader.seconds("listener.completeness_age_max_secs", 1..=86_400),
        acknowledgement_age_max: reader.seconds("listener.acknowledgement_age_max_secs", 1..=86_400),
        lease: Some(reader.seconds("listener.lease_secs", 0..=3_600)).filter(|lease| *lease > Duration::ZERO),
        listing_interval: reader.seconds("listener.listing_interval_secs", 1..=3_600),
        listing_interval_complete: reader.seconds("listener.listing_interval_complete_secs", 1..=3_600),
        truncated_fetches_per_hour: small(reader, "listener.truncated_fetches_per_hour", 1, 36_000_000),
        reconcile_interval: Some(reader.seconds("listener.reconcile_interval_secs", 0..=7 * DAY_SECS))
            .filter(|interval| *interval > Duration::ZERO),
        reconcile_calls_per_second: small(reader, "listener.reconcile_calls_per_second", 0, 10_000),
        max_unsettled_events: size(reader, "listener.max_unsettled_events", 100, 1_000_000),
        max_handler_backlog: size(reader, "listener.max_handler_backlog", 1, 1_000_000),
        handler_time_limit: reader.milliseconds("listener.handler_time_limit_ms", 1..=3_600_000),
        idl_path: reader.optional_text("listener.idl_path").map(Into::into),
    }
}

pub(crate) fn creation(reader: &mut Reader) -> Creation {
    let versions = [
        ("auto", TransactionVersion::Auto),
        ("v1", TransactionVersion::V1),
        ("v0", TransactionVersion::V0),
    ];
    let encodings = [("packed", BatchEncoding::Packed), ("borsh", BatchEncoding::Borsh)];
    Creation {
        instruction_name: reader.text("creation.instruction_name"),
        batch_instruction_name: reader.optional_text("creation.batch_instruction_name"),
        batch_encoding: reader.word("creation.batch_encoding", &encodings, BatchEncoding::Packed),
        account_order: permutation(reader, "creation.account_order", ["payer", "session", "system_program"]),
        argument_order: permutation(reader, "creation.argument_order", ["owner", "session_id", "size"]),
        transaction_version: reader.word("creation.transaction_version", &versions, TransactionVersion::Auto),
        mark_created: reader.flag("creation.mark_created"),
        rebroadcast_interval: reader.milliseconds("creation.rebroadcast_interval_ms", 100..=60_000),
    }
}

pub(crate) fn policy(reader: &mut Reader) -> Policy {
    let limit = |lamports: u64| Some(lamports).filter(|lamports| *lamports > 0);
    Policy {
        allowed_owner_programs: reader.parsed_list("policy.allowed_owner_programs"),
        size_max_bytes: reader.number("policy.size_max_bytes", 1..=ACCOUNT_SIZE_MAX_BYTES),
        lamports_per_hour: limit(reader.number("policy.lamports_per_hour", 0..=u64::MAX)),
        lamports_per_owner_per_hour: limit(reader.number("policy.lamports_per_owner_per_hour", 0..=u64::MAX)),
        lamports_per_requester_per_hour: limit(reader.number("policy.lamports_per_requester_per_hour", 0..=u64::MAX)),
        wallet_reserve_lamports: reader.number("policy.wallet_reserve_lamports", 0..=u64::MAX),
        wallet_low_lamports: reader.number("policy.wallet_low_lamports", 0..=u64::MAX),
        priority_fee_cap_lamports: reader.number("policy.priority_fee_cap_lamports", 0..=u64::MAX),
    }
}

pub(crate) fn signer(reader: &mut Reader) -> Signer {
    let kinds = [
        ("keypair_file", SignerKind::KeypairFile),
        ("environment", SignerKind::Environment),
        ("aws_kms", SignerKind::AwsKms),
        ("none", SignerKind::None),
    ];
    Signer {
        kind: reader.word("signer.kind", &kinds, SignerKind::KeypairFile),
        environment_variable: reader.variable_name("signer.environment_variable"),
        kms_key_id: reader.optional_text("signer.kms_key_id"),
        kms_public_key: reader
            .optional::<Pubkey>("signer.kms_public_key")
            .map(|address| address.to_string()),
        kms_region: reader.optional_text("signer.kms_region"),
        fee_payer_keypair_paths: reader
            .list("signer.fee_payer_keypair_paths")
            .into_iter()
            .map(Into::into)
            .collect(),
    }
}

pub(crate) fn alerts(reader: &mut Reader) -> Alerts {
    let url = reader.optional_rpc_url("alerts.webhook_url", HTTP);
    let secret = reader.secret("alerts.webhook_secret", WEBHOOK_SECRET_MIN);
    if url.is_some() && secret.is_none() && reader.is_sound("alerts.webhook_secret") {
        let reason = String::from("alerts.webhook_url needs it: whoever is told checks the signature by it");
        reader.refuse("alerts.webhook_secret", "\"\"", reason);
    }
    let mut wait = |key: &str| {
        let Wait(wait) = reader.parsed(key, Wait(Duration::ZERO));
        wait
    };
    Alerts {
        unhealthy_after: wait("alerts.unhealthy_after"),
        watermark_after: wait("alerts.watermark_after"),
        repeat_after: wait("alerts.repeat_after"),
        webhook: url.zip(secret).map(|(url, secret)| Webhook { url, secret }),
    }
}

/// The same words in any order.
fn permutation(reader: &mut Reader, key: &str, words: [&str; 3]) -> Vec<String> {
    let given = reader.list(key);
    let (mut sorted, mut expected) = (given.clone(), words.map(String::from).to_vec());
    sorted.sort();
    expected.sort();
    if sorted != expected {
        reader.refuse(
            key,
            format!("{given:?}"),
            format!("it must have {words:?}, each once, in any order"),
        );
    }
    given
}

fn size(reader: &mut Reader, key: &str, min: u64, max: u64) -> usize {
    usize::try_from(reader.number(key, min..=max)).unwrap_or(usize::MAX)
}

fn small(reader: &mut Reader, key: &str, min: u64, max: u64) -> u32 {
    u32::try_from(reader.number(key, min..=max)).unwrap_or(u32::MAX)
}
