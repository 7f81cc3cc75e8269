//! What is refused, each with its reason: one small transaction per rule of attribution.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

use base64_simd::STANDARD;
use session_events::{
    Completeness, Decoded, Event, PdaComputedEvent, RefusalReason, decode_logs, factory::SESSION_FACTORY_ID,
};
use solana_pubkey::Pubkey;

const HOSTILE: &str = "Hosti1e111111111111111111111111111111111111";

fn bytes() -> Vec<u8> {
    let key = |byte| Pubkey::new_from_array([byte; 32]);
    let event = PdaComputedEvent {
        expected_pda: key(1),
        expected_size: 100,
        expected_owner: key(2),
        session_id: "id".to_owned(),
        owner: key(3),
        eval_program: key(4),
        shard_address: key(2),
        namespaces: Vec::new(),
        compute_slot: 5,
    };
    Event::from(event).to_bytes().unwrap()
}

fn data(bytes: &[u8]) -> String {
    format!("Program data: {}", STANDARD.encode_to_string(bytes))
}

/// Writes `F` for the factory's id, `H` for another program's, and `EVENT` for an event's data line.
fn decode(lines: &[&str]) -> Decoded {
    let factory = SESSION_FACTORY_ID.to_string();
    let lines: Vec<String> = lines
        .iter()
        .map(|line| {
            line.replace(" F ", &format!(" {factory} "))
                .replace(" H ", &format!(" {HOSTILE} "))
        })
        .map(|line| line.replace("EVENT", &data(&bytes())))
        .collect();
    decode_logs(&SESSION_FACTORY_ID, &lines)
}

fn reasons(decoded: &Decoded) -> Vec<(usize, &'static str)> {
    decoded
        .refusals
        .iter()
        .map(|refusal| (refusal.line, refusal.reason.code()))
        .collect()
}

fn assert_found(lines: &[&str], events: usize, completeness: Completeness, refused: &[(usize, &'static str)]) {
    let decoded = decode(lines);
    assert_eq!(decoded.events.len(), events, "{lines:?}");
    assert_eq!(decoded.completeness, completeness, "{lines:?}");
    assert_eq!(reasons(&decoded), refused, "{lines:?}");
}

#[test]
fn an_impostor_before_inside_and_after_the_factory_is_refused() {
    let lines = [
        "Program H invoke [1]",
        "EVENT",
        "Program F invoke [2]",
        "Program H invoke [3]",
        "EVENT",
        "Program H success",
        "EVENT",
        "Program F consumed 9 of 10 compute units",
        "Program F success",
        "EVENT",
        "Program H success",
    ];
    let refused = [(1, "wrong_program"), (4, "wrong_program"), (9, "wrong_program")];
    assert_found(&lines, 1, Completeness::Complete, &refused);
    let program = HOSTILE.to_owned();
    assert_eq!(
        decode(&lines).refusals[0].reason,
        RefusalReason::WrongProgram { program }
    );
}

#[test]
fn other_programs_data_is_their_own_business() {
    assert_found(
        &[
            "Program H invoke [1]",
            "Program data: AAAAAAAAAAAAAAAA",
            "Program data: no base64",
            "Program data: ",
            "Program H success",
        ],
        0,
        Completeness::Complete,
        &[],
    );
}

#[test]
fn nothing_after_the_cut_is_believed_and_everything_before_is() {
    // The factory's closing line was too long for what was left; a shorter line of its caller's was not.
    assert_found(
        &[
            "Program H invoke [1]",
            "Program F invoke [2]",
            "EVENT",
            "Log truncated",
            "EVENT",
            "Program H success",
        ],
        1,
        Completeness::Truncated,
        &[(3, "truncated")],
    );
    assert_found(
        &[
            "Program F invoke [1]",
            "Program log: Log truncated",
            "EVENT",
            "Program F success",
        ],
        1,
        Completeness::Complete,
        &[],
    );
}

#[test]
fn lines_that_contradict_the_stack_withdraw_their_instruction_and_no_other() {
    let before = ["Program F invoke [1]", "EVENT", "Program F success"];
    let contradictions: [&[&str]; 10] = [
        &["Program F invoke [2]", "EVENT", "Program F success"],
        &["Program F invoke [0]", "EVENT", "Program F success"],
        &["Program F success"],
        &["EVENT"],
        &[
            "Program F invoke [1]",
            "EVENT",
            "Program F invoke [1]",
            "EVENT",
            "Program F success",
            "Program F success",
        ],
        &[
            "Program F invoke [1]",
            "EVENT",
            "Program H invoke [3]",
            "Program H success",
            "Program F success",
        ],
        &["Program F invoke [1]", "EVENT", "Program H success"],
        &[
            "Program F invoke [1]",
            "EVENT",
            "Program H consumed 1 of 2 compute units",
            "Program F success",
        ],
        &[
            "Program F invoke [1]",
            "EVENT",
            "Program H invoke [22 ]",
            "Program F success",
        ],
        &["Program F invoke [1]", "EVENT"],
    ];
    for contradiction in contradictions {
        let decoded = decode(&[before.as_slice(), contradiction].concat());
        assert_eq!(decoded.completeness, Completeness::Unbalanced, "{contradiction:?}");
        assert_eq!(decoded.events.len(), 1, "{contradiction:?}");
        assert!(
            decoded
                .refusals
                .iter()
                .all(|refusal| refusal.line == 4 && refusal.reason == RefusalReason::Unbalanced)
        );
    }
}

#[test]
fn a_frame_that_fails_takes_the_whole_transaction_with_it() {
    assert_found(
        &[
            "Program F invoke [1]",
            "EVENT",
            "Program F success",
            "Program H invoke [1]",
            "Program H failed: custom program error: 0x1",
        ],
        0,
        Completeness::Complete,
        &[(1, "failed_transaction")],
    );
}

#[test]
fn sentences_of_the_runtime_are_no_frames() {
    assert_found(
        &[
            "Program F invoke [1]",
            "Program is not deployed",
            "Program failed to complete: Access violation in program section",
            "Program an account that nobody has heard of success",
            "EVENT",
            "Program F success",
        ],
        1,
        Completeness::Complete,
        &[],
    );
}

#[test]
fn what_the_factory_prints_and_is_no_event_is_refused_with_its_reason_and_counted_in_the_index() {
    let event = bytes();
    let with_length = |length: u32| {
        let mut bytes = event.clone();
        bytes[8 + 72..][..4].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    let mut no_text = event.clone();
    no_text[8 + 76] = 0xff;
    let cases = [
        ("Program data: *".to_owned(), "bad_base64"),
        ("Program data: ".to_owned(), "no_discriminator"),
        (data(&event[..7]), "no_discriminator"),
        (data(&[1; 40]), "unknown_discriminator"),
        (data(&event[..event.len() - 1]), "short_borsh"),
        (data(&with_length(u32::MAX)), "short_borsh"),
        (data(&no_text), "short_borsh"),
        (data(&[event.as_slice(), &[0]].concat()), "trailing_bytes"),
    ];
    let mut lines = vec!["Program F invoke [1]"];
    lines.extend(cases.iter().map(|(line, _)| line.as_str()));
    lines.extend(["EVENT", "Program F success"]);
    let decoded = decode(&lines);
    let expected: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(index, (_, code))| (index + 1, *code))
        .collect();
    assert_eq!(reasons(&decoded), expected);
    assert_eq!(decoded.events[0].index, 8);
}
