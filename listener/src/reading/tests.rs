use session_events::factory::SESSION_FACTORY_ID;

use super::*;

fn calls_itself(lines: &[&str]) -> bool {
    let reader = Reader::new(Decoder::new(&SESSION_FACTORY_ID), &SESSION_FACTORY_ID);
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace("FACTORY", &SESSION_FACTORY_ID.to_string()))
        .collect();
    reader.calls_itself(&lines)
}

#[test]
fn a_call_to_itself_is_seen_and_other_calls_are_not() {
    assert!(calls_itself(&[
        "Program FACTORY invoke [1]",
        "Program FACTORY invoke [2]"
    ]));
    assert!(calls_itself(&[
        "Program X invoke [1]",
        "Program FACTORY invoke [2]",
        "Program Y invoke [3]",
        "Program FACTORY invoke [3]"
    ]));
    assert!(!calls_itself(&["Program X invoke [1]", "Program FACTORY invoke [2]"]));
    assert!(!calls_itself(&[
        "Program FACTORY invoke [1]",
        "Program X invoke [1]",
        "Program FACTORY invoke [2]"
    ]));
    assert!(!calls_itself(&[
        "Program FACTORY invoke [1]",
        "Program log: Program FACTORY invoke [2]"
    ]));
}
