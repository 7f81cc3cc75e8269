//! A deployed program's newer IDL: what it adds is decoded by it, and what would change the meaning of a creation is refused.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

use base64_simd::STANDARD;
use serde_json::{Value, json};
use session_events::{
    Decoded, Decoder, EventKind, RefusalReason,
    factory::SESSION_FACTORY_ID,
    idl::{Idl, IdlError, LayoutConflict},
};

fn built_in() -> Value {
    serde_json::from_str(include_str!("../idl/session_factory.json")).unwrap()
}

fn type_named<'a>(idl: &'a mut Value, name: &str) -> &'a mut Value {
    let types = idl["types"].as_array_mut().unwrap();
    let found = types.iter_mut().find(|declared| declared["name"] == name).unwrap();
    &mut found["type"]
}

fn fields_of<'a>(idl: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    type_named(idl, name)["fields"].as_array_mut().unwrap()
}

/// The built-in IDL with one more event, of these types.
fn with_event(name: &str, discriminator: [u8; 8], body: &Value, others: Vec<Value>) -> Value {
    let mut idl = built_in();
    idl["events"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": name, "discriminator": discriminator}));
    let types = idl["types"].as_array_mut().unwrap();
    types.push(json!({"name": name, "type": body}));
    types.extend(others);
    idl
}

fn decoder_with(idl: &Value) -> Result<Decoder, LayoutConflict> {
    Decoder::with_idl(&SESSION_FACTORY_ID, &Idl::parse(&idl.to_string()).unwrap())
}

fn logged(decoder: &Decoder, bytes: &[u8]) -> Decoded {
    decoder.decode(&[
        format!("Program {SESSION_FACTORY_ID} invoke [1]"),
        format!("Program data: {}", STANDARD.encode_to_string(bytes)),
        format!("Program {SESSION_FACTORY_ID} success"),
    ])
}

#[test]
fn an_event_that_only_the_idl_knows_is_decoded_by_it() {
    let body = json!({"kind": "struct", "fields": [
        {"name": "small", "type": "i8"}, {"name": "large", "type": "u128"}, {"name": "ratio", "type": "f64"},
        {"name": "raw", "type": "bytes"}, {"name": "pair", "type": {"array": ["u16", 2]}},
        {"name": "maybe", "type": {"option": "string"}}, {"name": "shape", "type": {"defined": {"name": "Shape"}}},
        {"name": "shapes", "type": {"vec": {"defined": {"name": "Shape"}}}}, {"name": "alias", "type": {"defined": {"name": "Slot"}}},
    ]});
    let others = vec![
        json!({"name": "Shape", "type": {"kind": "enum", "variants": [
            {"name": "Point"}, {"name": "Circle", "fields": [{"name": "radius", "type": "u32"}]}, {"name": "Box", "fields": ["u8", "u8"]},
        ]}}),
        json!({"name": "Slot", "type": {"kind": "type", "alias": "u64"}}),
    ];
    let decoder = decoder_with(&with_event("ShapeEvent", [9; 8], &body, others)).unwrap();

    let mut bytes = vec![9; 8];
    bytes.push(0xff);
    bytes.extend(u128::MAX.to_le_bytes());
    bytes.extend(f64::NAN.to_le_bytes());
    bytes.extend([2, 0, 0, 0, b'h', b'i']);
    bytes.extend([1, 0, 2, 0]);
    bytes.extend([1, 1, 0, 0, 0, b'x']);
    bytes.extend([0]);
    bytes.extend([2, 0, 0, 0, 1, 5, 0, 0, 0, 2, 6, 7]);
    bytes.extend(8u64.to_le_bytes());
    let found = logged(&decoder, &bytes);
    assert_eq!(found.refusals, []);
    assert_eq!(found.declared[0].name, "ShapeEvent");
    assert_eq!(
        found.declared[0].fields,
        json!({"small": -1, "large": u128::MAX.to_string(), "ratio": "NaN", "raw": "aGk=", "pair": [1, 2], "maybe": "x",
               "shape": "Point", "shapes": [{"Circle": {"radius": 5}}, {"Box": [6, 7]}], "alias": 8})
    );

    bytes.push(0);
    let trailing = RefusalReason::TrailingBytes {
        name: "ShapeEvent".to_owned(),
        trailing: 1,
    };
    assert_eq!(logged(&decoder, &bytes).refusals[0].reason, trailing);
}

#[test]
fn an_event_whose_type_is_not_declared_is_refused_by_name_and_the_others_are_read() {
    let body = json!({"kind": "struct", "fields": [{"name": "what", "type": {"defined": {"name": "Gone"}}}]});
    let mut idl = with_event("GoneEvent", [9; 8], &body, vec![]);
    let others = with_event("GenericEvent", [8; 8], &body, vec![]);
    idl["events"].as_array_mut().unwrap().push(others["events"][9].clone());
    let generic = json!({"name": "GenericEvent", "generics": [{"kind": "type", "name": "T"}], "type": body});
    idl["types"].as_array_mut().unwrap().push(generic);
    let decoder = decoder_with(&idl).unwrap();
    let unreadable: Vec<_> = decoder.unreadable_events().map(|(name, _)| name).collect();
    assert_eq!(unreadable, ["GoneEvent", "GenericEvent"]);

    for (discriminator, name, what) in [([9; 8], "GoneEvent", "\"Gone\""), ([8; 8], "GenericEvent", "generics")] {
        let reason = logged(&decoder, &discriminator).refusals.remove(0).reason;
        assert_eq!(reason.event_name(), Some(name));
        assert!(matches!(reason, RefusalReason::NoLayout { .. }), "{reason}");
        assert!(reason.to_string().contains(what), "{reason}");
    }
    let mut bytes = EventKind::QueueProcessed.discriminator().to_vec();
    bytes.extend([0; 32 + 4 + 4 + 7 * 8]);
    assert_eq!(logged(&decoder, &bytes).events.len(), 1);
}

#[test]
fn a_known_event_that_needs_an_unknown_type_is_not_read_by_a_guess() {
    let mut idl = built_in();
    let gone = json!({"name": "extra", "type": {"defined": {"name": "Gone"}}});
    fields_of(&mut idl, "QueueProcessedEvent").push(gone);
    let decoder = decoder_with(&idl).unwrap();
    let mut bytes = EventKind::QueueProcessed.discriminator().to_vec();
    bytes.extend([0; 32 + 4 + 4 + 7 * 8]);
    let found = logged(&decoder, &bytes);
    assert_eq!((found.events.len(), found.declared.len()), (0, 0));
    assert_eq!(found.refusals[0].reason.event_name(), Some("QueueProcessedEvent"));
}

#[test]
fn types_that_a_known_event_needs_and_nobody_declares_are_the_built_in_ones() {
    let mut idl = built_in();
    let declared = idl["types"].as_array_mut().unwrap();
    declared.retain(|declared| declared["name"] != "CreationParameters" && declared["name"] != "MetadataEntry");
    let decoder = decoder_with(&idl).unwrap();
    assert_eq!(decoder.unreadable_events().count(), 0);
    let reason = &logged(&decoder, &EventKind::SessionCreated.discriminator()).refusals[0].reason;
    assert_eq!(reason.event_name(), Some("SessionCreatedEvent"));
}

#[test]
fn an_event_that_the_idl_knows_better_is_decoded_by_it_and_the_others_as_before() {
    let mut idl = built_in();
    fields_of(&mut idl, "ManualSessionInitializedEvent").push(json!({"name": "reason", "type": "string"}));
    let decoder = decoder_with(&idl).unwrap();

    let mut bytes = EventKind::ManualSessionInitialized.discriminator().to_vec();
    bytes.extend(
        [
            [1; 32].as_slice(),
            &[0; 4],
            &[2; 32],
            &[3; 32],
            &[1],
            &[0; 8],
            &[2, 0, 0, 0, b'o', b'k'],
        ]
        .concat(),
    );
    let found = logged(&decoder, &bytes);
    assert_eq!((found.events.len(), found.declared.len()), (0, 1));
    assert_eq!(found.declared[0].fields["reason"], "ok");

    let mut bytes = EventKind::QueueProcessed.discriminator().to_vec();
    bytes.extend([0; 32 + 4 + 4 + 7 * 8]);
    assert_eq!(
        logged(&decoder, &bytes).events[0].event.kind(),
        EventKind::QueueProcessed
    );
}

#[test]
fn another_pda_computed_event_is_refused_with_everything_that_differs() {
    let mut idl = built_in();
    let fields = fields_of(&mut idl, "PDAComputedEvent");
    fields[1]["type"] = json!("u32");
    fields.swap(2, 4);
    fields.push(json!({"name": "flags", "type": "u8"}));
    let conflict = decoder_with(&idl).unwrap_err();
    let LayoutConflict::PdaComputedEvent { differences } = &conflict else {
        panic!("{conflict}")
    };
    let fields: Vec<_> = differences.iter().map(|difference| difference.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "PDAComputedEvent.expected_size",
            "PDAComputedEvent field 2",
            "PDAComputedEvent field 4",
            "PDAComputedEvent field 9"
        ]
    );
    assert!(
        conflict
            .to_string()
            .contains("PDAComputedEvent.expected_size is u64 here and u32 there"),
        "{conflict}"
    );
    assert!(
        conflict.to_string().contains("nothing here and flags: u8 there"),
        "{conflict}"
    );

    let mut idl = built_in();
    idl["events"][0]["discriminator"][0] = json!(1);
    assert!(matches!(
        decoder_with(&idl),
        Err(LayoutConflict::PdaComputedEvent { .. })
    ));

    let mut idl = built_in();
    idl["events"].as_array_mut().unwrap().remove(0);
    assert_eq!(decoder_with(&idl).unwrap_err(), LayoutConflict::NoPdaComputedEvent);
}

#[test]
fn an_unchanged_idl_changes_nothing() {
    let decoder = decoder_with(&built_in()).unwrap();
    for kind in EventKind::ALL {
        let reason = &logged(&decoder, &kind.discriminator()).refusals[0].reason;
        assert!(
            matches!(reason, RefusalReason::ShortBorsh { name, .. } if name == kind.name()),
            "{reason}"
        );
    }
}

#[test]
fn bytes_that_claim_more_than_there_is_are_refused_before_anything_is_allocated() {
    for (of, bytes) in [
        (json!("string"), vec![0xff; 4]),
        (json!("bytes"), vec![0xff; 4]),
        (json!({"vec": "u64"}), vec![0xff; 4]),
        (json!({"vec": {"defined": {"name": "Nothing"}}}), vec![0xff; 4]),
        (json!({"array": ["u8", 1_000_000_000]}), vec![0; 4]),
        (json!({"option": "u8"}), vec![2]),
        (json!("bool"), vec![2]),
        (json!("string"), vec![1, 0, 0, 0, 0xff]),
    ] {
        let nothing = json!({"name": "Nothing", "type": {"kind": "struct"}});
        let body = json!({"kind": "struct", "fields": [{"name": "claim", "type": of}]});
        let decoder = decoder_with(&with_event("ClaimEvent", [9; 8], &body, vec![nothing])).unwrap();
        let found = logged(&decoder, &[vec![9; 8], bytes].concat());
        let reason = found.refusals[0].reason.to_string();
        assert!(reason.starts_with("ClaimEvent does not decode: claim: "), "{reason}");
    }
}

#[test]
fn types_that_never_end_are_refused() {
    let body = json!({"kind": "type", "alias": {"defined": {"name": "EndlessEvent"}}});
    let endless = decoder_with(&with_event("EndlessEvent", [9; 8], &body, vec![])).unwrap();
    assert!(matches!(
        logged(&endless, &[9; 8]).refusals[0].reason,
        RefusalReason::ShortBorsh { .. }
    ));

    let element = json!({"name": "Twice", "type": {"kind": "struct", "fields": [
        {"name": "a", "type": {"array": [{"defined": {"name": "Nothing"}}, 200]}},
    ]}});
    let nothing = json!({"name": "Nothing", "type": {"kind": "struct"}});
    let body = json!({"kind": "struct", "fields": [{"name": "many", "type": {"array": [{"defined": {"name": "Twice"}}, 200]}}]});
    let many = decoder_with(&with_event("ManyEvent", [9; 8], &body, vec![element, nothing])).unwrap();
    let reason = logged(&many, &[9; 300]).refusals[0].reason.to_string();
    assert!(reason.contains("more than 16384 values"), "{reason}");
}

#[test]
fn what_is_wrong_with_an_idl_is_named_by_place_and_value() {
    let error = |idl: &Value| Idl::parse(&idl.to_string()).unwrap_err().to_string();
    assert!(matches!(Idl::parse("{"), Err(IdlError::NotJson { .. })));

    let mut idl = built_in();
    idl["metadata"]["spec"] = json!("0.0.1");
    assert!(
        error(&idl).starts_with("idl.metadata.spec of the IDL is \"0.0.1\", expected spec \"0.1.0\""),
        "{}",
        error(&idl)
    );

    let conflict = |idl: &Value| decoder_with(idl).unwrap_err().to_string();
    let mut idl = built_in();
    fields_of(&mut idl, "PDAComputedEvent")[1]["type"] = json!("u256");
    assert!(
        conflict(&idl).contains("idl.types[0].type.fields[1].type of the IDL is \"u256\""),
        "{}",
        conflict(&idl)
    );

    let mut idl = built_in();
    fields_of(&mut idl, "PDAComputedEvent")[1]["type"] = json!({"defined": {"name": "Gone"}});
    assert!(conflict(&idl).contains("\"Gone\""), "{}", conflict(&idl));

    let mut idl = built_in();
    idl["events"][1]["discriminator"] = idl["events"][0]["discriminator"].clone();
    assert_eq!(
        error(&idl),
        "events PDAComputedEvent and SessionReservedEvent of the IDL have the same discriminator"
    );

    let mut idl = built_in();
    idl["events"][3]["discriminator"] = json!([1, 2, 3]);
    assert!(
        error(&idl).starts_with("idl.events[3].discriminator of the IDL is [1,2,3]"),
        "{}",
        error(&idl)
    );
}
