//! Nobody is believed who isn't `session_factory`, and nothing of what it says is lost: random transactions with hostile
//! programs in them, their logs whole, cut by the runtime, cut anywhere, and damaged.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

mod transactions;

use proptest::{collection::vec, prelude::*, sample::Index};
use session_events::{Completeness, Decoded, Event, RefusalReason, decode_logs};
use transactions::{FACTORY, Logs, event, factory, transactions};

fn decode(lines: &[String]) -> Decoded {
    decode_logs(&factory(), lines)
}

fn events(decoded: &Decoded) -> Vec<Event> {
    decoded.events.iter().map(|logged| logged.event.clone()).collect()
}

fn true_events(logs: &Logs) -> Vec<Event> {
    logs.events.iter().map(|(_, _, event)| event.clone()).collect()
}

/// Lines that are one character away from meaning something, and whole ones.
fn lines() -> impl Strategy<Value = String> {
    let note = prop_oneof![
        Just("invoke [1]".to_owned()),
        Just("invoke [2]".to_owned()),
        Just("success".to_owned()),
        Just("failed: x".to_owned()),
        "\\PC{0,12}",
    ];
    let data = session_events::Event::to_bytes(&event(4, true)).unwrap();
    prop_oneof![
        3 => note.prop_map(|note| format!("Program {FACTORY} {note}")),
        1 => "Program [1-9A-Za-z]{30,46} (invoke \\[[0-9]{1,3}\\]|success|\\PC{0,9})",
        1 => "Program data: [A-Za-z0-9+/= ]{0,80}",
        1 => vec(any::<u8>(), 0..80).prop_map(move |tail| {
            use base64_simd::STANDARD;
            format!("Program data: {}", STANDARD.encode_to_string([&data[..tail.len().min(data.len())], &tail].concat()))
        }),
        1 => Just("Log truncated".to_owned()),
        1 => "\\PC{0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_logs_whatever_panic(logs in vec(lines(), 0..40)) {
        let decoded = decode(&logs);
        prop_assert!(decoded.events.len() + decoded.refusals.len() <= logs.len());
        prop_assert!(decoded.refusals.is_sorted_by_key(|refusal| refusal.line));
    }

    #[test]
    fn whole_logs_yield_exactly_the_factory_s_events(calls in transactions()) {
        let logs = Logs::of(&calls, None);
        let decoded = decode(&logs.lines);

        prop_assert_eq!(decoded.completeness, Completeness::Complete);
        let found: Vec<_> = decoded.events.iter().map(|logged| (logged.index, logged.event.clone())).collect();
        let truth: Vec<_> = logs.events.iter().map(|(index, _, event)| (*index, event.clone())).collect();
        prop_assert_eq!(found, truth);
        let wrong_program = decoded.refusals.iter().filter(|refusal| matches!(refusal.reason, RefusalReason::WrongProgram { .. }));
        prop_assert_eq!(wrong_program.map(|refusal| refusal.line).collect::<Vec<_>>(), logs.forged);
    }

    #[test]
    fn logs_cut_by_the_runtime_yield_all_events_before_the_cut(calls in transactions(), limit in 0..4000usize) {
        let logs = Logs::of(&calls, Some(limit));
        let decoded = decode(&logs.lines);

        let expected = if logs.truncated { Completeness::Truncated } else { Completeness::Complete };
        prop_assert_eq!(decoded.completeness, expected);
        prop_assert_eq!(events(&decoded), true_events(&logs));
        let said = decoded.refusals.iter().any(|refusal| refusal.reason == RefusalReason::Truncated);
        prop_assert_eq!(said, logs.truncated);
    }

    #[test]
    fn logs_cut_anywhere_yield_the_instructions_before_the_cut(calls in transactions(), cut in any::<Index>()) {
        let logs = Logs::of(&calls, None);
        let cut = cut.index(logs.lines.len() + 1);
        let decoded = decode(&logs.lines[..cut]);

        let settled = logs.boundaries.iter().copied().filter(|&boundary| boundary <= cut).max().unwrap_or(0);
        let expected = if settled == cut { Completeness::Complete } else { Completeness::Unbalanced };
        prop_assert_eq!(decoded.completeness, expected);
        let whole: Vec<_> = logs.events.iter().filter(|(_, line, _)| *line < settled).map(|(_, _, event)| event.clone()).collect();
        prop_assert_eq!(events(&decoded), whole);
        let withdrawn: Vec<_> = decoded.refusals.iter().filter(|refusal| refusal.reason == RefusalReason::Unbalanced).map(|refusal| refusal.line).collect();
        let open: Vec<_> = logs.events.iter().map(|(_, line, _)| *line).filter(|line| (settled..cut).contains(line)).collect();
        prop_assert_eq!(withdrawn, open);
    }

    #[test]
    fn a_lost_line_never_makes_an_event(calls in transactions(), lost in any::<Index>()) {
        let mut logs = Logs::of(&calls, None);
        let lost = lost.index(logs.lines.len());
        logs.lines.remove(lost);
        let truth = true_events(&logs);
        for event in events(&decode(&logs.lines)) {
            prop_assert!(truth.contains(&event), "line {} lost: {:?}", lost, event);
        }
    }

    #[test]
    fn a_damaged_line_never_makes_an_event_that_no_frame_of_the_factory_printed(
        calls in transactions(), line in any::<Index>(), place in any::<Index>(), byte in 0x20..0x7fu8,
    ) {
        let mut logs = Logs::of(&calls, None);
        let damaged = line.index(logs.lines.len());
        let mut bytes = std::mem::take(&mut logs.lines[damaged]).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        logs.lines[damaged] = String::from_utf8_lossy(&bytes).into_owned();

        let truth = true_events(&logs);
        let strangers = events(&decode(&logs.lines)).into_iter().filter(|event| !truth.contains(event)).count();
        // The factory's own line, damaged, may still be an event: it is the factory's line all the same.
        prop_assert!(strangers <= usize::from(logs.factory_data.contains(&damaged)), "line {} damaged", damaged);
    }

    #[test]
    fn a_failed_transaction_has_no_events(calls in transactions()) {
        let logs = Logs::of(&calls, None);
        let decoded = session_events::Decoder::new(&factory()).decode_failed(&logs.lines);
        prop_assert_eq!(events(&decoded), vec![]);
        let failed: Vec<_> = decoded.refusals.iter().filter(|refusal| refusal.reason == RefusalReason::FailedTransaction).map(|refusal| refusal.line).collect();
        prop_assert_eq!(failed, logs.events.iter().map(|(_, line, _)| *line).collect::<Vec<_>>());
    }
}
