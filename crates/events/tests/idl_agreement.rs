//! The crate held to `idl/session_factory.json`: every discriminator, and every field's place, type and name.
//!
//! Sample bytes are generated from the IDL alone, decoded by the crate's types, and what these say is compared with
//! what the IDL's own layout says about the same bytes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

use serde_json::Value;
use session_events::{
    Discriminator, Event, EventKind, SessionEntry, SessionFactoryState, anchor_discriminator, factory, idl::Idl,
    session,
};

const IDL: &str = include_str!("../idl/session_factory.json");

fn idl() -> Value {
    serde_json::from_str(IDL).unwrap()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|element| element["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in the IDL"))
}

fn discriminator(declared: &Value) -> Discriminator {
    serde_json::from_value(declared["discriminator"].clone()).unwrap()
}

/// Writes sample values of the IDL's types; each call writes others, and lists get three elements.
struct Sampler<'a> {
    types: &'a Value,
    next: u8,
}

impl Sampler<'_> {
    fn byte(&mut self) -> u8 {
        self.next = self.next.wrapping_mul(5).wrapping_add(3);
        self.next
    }

    fn bytes(&mut self, count: usize, out: &mut Vec<u8>) {
        out.extend((0..count).map(|_| self.byte()));
    }

    fn defined(&mut self, name: &str, out: &mut Vec<u8>) {
        let definition = &named(self.types, name)["type"];
        match definition["kind"].as_str().unwrap() {
            "struct" => {
                for field in definition["fields"].as_array().unwrap() {
                    self.value(&field["type"], out);
                }
            }
            "enum" => {
                let variants = definition["variants"].as_array().unwrap().len();
                let chosen = usize::from(self.byte()) % variants;
                out.push(u8::try_from(chosen).unwrap());
            }
            kind => panic!("{name} is a {kind}"),
        }
    }

    fn value(&mut self, of: &Value, out: &mut Vec<u8>) {
        match of.as_str() {
            Some("pubkey") => self.bytes(32, out),
            Some("u64" | "i64") => self.bytes(8, out),
            Some("u32") => self.bytes(4, out),
            Some("u8") => self.bytes(1, out),
            Some("bool") => {
                let byte = self.byte() & 1;
                out.push(byte);
            }
            Some("string") => {
                let text = format!("text {}", self.byte());
                out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
                out.extend(text.as_bytes());
            }
            Some(other) => panic!("no sample of {other}"),
            None => self.composite(of, out),
        }
    }

    fn composite(&mut self, of: &Value, out: &mut Vec<u8>) {
        if let Some(inner) = of.get("option") {
            let some = self.byte() & 1;
            out.push(some);
            if some == 1 {
                self.value(inner, out);
            }
        } else if let Some(element) = of.get("vec") {
            out.extend(3u32.to_le_bytes());
            (0..3).for_each(|_| self.value(element, out));
        } else if let Some(array) = of.get("array") {
            (0..array[1].as_u64().unwrap()).for_each(|_| self.value(&array[0], out));
        } else {
            self.defined(of["defined"]["name"].as_str().unwrap(), out);
        }
    }
}

/// Sample bytes of a declared type; many, so that options and enums take all their values.
fn samples(idl: &Value, name: &str) -> Vec<Vec<u8>> {
    let sample = |seed| {
        let mut out = Vec::new();
        Sampler {
            types: &idl["types"],
            next: seed,
        }
        .defined(name, &mut out);
        out
    };
    (0..=255).map(sample).collect()
}

fn decoded(kind: EventKind, fields: &[u8]) -> Event {
    let factory = factory::SESSION_FACTORY_ID;
    let bytes = [kind.discriminator().as_slice(), fields].concat();
    let logs = [
        format!("Program {factory} invoke [1]"),
        format!("Program data: {}", base64_simd::STANDARD.encode_to_string(bytes)),
        format!("Program {factory} success"),
    ];
    let mut decoded = session_events::decode_logs(&factory, &logs);
    assert_eq!(decoded.refusals, [], "{kind}");
    decoded.events.remove(0).event
}

#[test]
fn every_event_of_the_idl_is_known_and_no_other() {
    let idl = idl();
    let declared: Vec<_> = idl["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["name"].as_str().unwrap())
        .collect();
    assert_eq!(EventKind::ALL.map(EventKind::name).as_slice(), declared);
    for kind in EventKind::ALL {
        assert_eq!(
            kind.discriminator(),
            discriminator(named(&idl["events"], kind.name())),
            "{kind}"
        );
        assert_eq!(EventKind::from_discriminator(kind.discriminator()), Some(kind));
        assert_eq!(EventKind::from_name(kind.name()), Some(kind));
    }
}

#[test]
fn every_event_decodes_to_what_the_idl_says_and_encodes_to_the_same_bytes() {
    let idl = idl();
    let built_in = Idl::built_in().unwrap();
    for kind in EventKind::ALL {
        let layout = built_in.event(kind.name()).unwrap();
        for fields in samples(&idl, kind.name()) {
            let event = decoded(kind, &fields);
            assert_eq!(event.kind(), kind);
            assert_eq!(
                event.to_bytes().unwrap(),
                [kind.discriminator().as_slice(), &fields].concat()
            );

            let mut by_idl = layout.read(&mut fields.as_slice()).unwrap();
            by_idl["event_type"] = kind.name().into();
            assert_eq!(serde_json::to_value(&event).unwrap(), by_idl);
        }
    }
}

#[test]
fn the_accounts_decode_to_what_the_idl_says() {
    let idl = idl();
    for fields in samples(&idl, "SessionEntry") {
        let data = [SessionEntry::DISCRIMINATOR.as_slice(), &fields, &[0; 64]].concat();
        let entry = SessionEntry::decode(&data).unwrap();
        assert_eq!(borsh::to_vec(&entry).unwrap(), fields);
        assert_field_names(&serde_json::to_value(&entry).unwrap(), &idl, "SessionEntry");
    }
    for fields in samples(&idl, "SessionFactoryState") {
        let data = [SessionFactoryState::DISCRIMINATOR.as_slice(), &fields].concat();
        let state = SessionFactoryState::decode(&data).unwrap();
        assert_eq!(borsh::to_vec(&state).unwrap(), fields);
        assert_field_names(&serde_json::to_value(&state).unwrap(), &idl, "SessionFactoryState");
    }
    assert_eq!(
        SessionEntry::DISCRIMINATOR,
        discriminator(named(&idl["accounts"], "SessionEntry"))
    );
    assert_eq!(
        SessionFactoryState::DISCRIMINATOR,
        discriminator(named(&idl["accounts"], "SessionFactoryState"))
    );
}

fn assert_field_names(value: &Value, idl: &Value, name: &str) {
    let fields = named(&idl["types"], name)["type"]["fields"].as_array().unwrap();
    for field in fields {
        assert!(value.get(field["name"].as_str().unwrap()).is_some(), "{name}.{field}");
    }
    assert_eq!(value.as_object().unwrap().len(), fields.len());
}

#[test]
fn the_instructions_have_the_idl_s_discriminators_accounts_and_arguments() {
    let idl = idl();
    let [requester, owner, eval_program, shard_address] = [1, 2, 3, 4].map(|byte| [byte; 32].into());
    let request = factory::SessionRequest {
        owner,
        eval_program,
        session_id: "one".to_owned(),
        namespaces: vec!["a".to_owned()],
        shard_address,
    };
    let id = factory::SESSION_FACTORY_ID;
    let entry = factory::entry_address(&id, &owner, "one").unwrap().0;
    let built = [
        (
            "request_session_creation",
            factory::request_session_creation(&id, &requester, &request).unwrap(),
        ),
        ("initialize", factory::initialize(&id, &requester).unwrap()),
        (
            "update_session_status",
            factory::update_session_status(&id, &requester, &entry, session_events::SessionStatus::Active).unwrap(),
        ),
    ];
    for (name, instruction) in built {
        let declared = named(&idl["instructions"], name);
        assert_eq!(instruction.data[..8], discriminator(declared), "{name}");
        assert_eq!(discriminator(declared), anchor_discriminator("global", name), "{name}");
        let flags: Vec<_> = instruction
            .accounts
            .iter()
            .map(|meta| (meta.is_writable, meta.is_signer))
            .collect();
        let declared = declared["accounts"].as_array().unwrap();
        let declared: Vec<_> = declared
            .iter()
            .map(|account| (account["writable"] == true, account["signer"] == true))
            .collect();
        assert_eq!(flags, declared, "{name}");
    }

    assert_eq!(idl["address"], id.to_string());
}

#[test]
fn discriminators_that_no_idl_lists_are_anchor_s() {
    let instructions = [
        (session::CREATE_SESSION_ACCOUNT, "create_session_account"),
        (session::CREATE_SESSION_ACCOUNTS, "create_session_accounts"),
        (
            session::CREATE_SESSION_ACCOUNTS_PACKED,
            "create_session_accounts_packed",
        ),
        (session::INITIALIZE_SESSION, "initialize_session"),
        (session::CLOSE_SESSION, "close_session"),
        (factory::CREATE_OPTIMISTIC_SESSION, "create_optimistic_session"),
    ];
    for (discriminator, name) in instructions {
        assert_eq!(discriminator, anchor_discriminator("global", name), "{name}");
    }
    assert_eq!(session::SESSION_STATE, anchor_discriminator("account", "SessionState"));
    // Anchor's own constant is the reverse of sha256("anchor:event")[..8].
    let mut event_instruction = anchor_discriminator("anchor", "event");
    event_instruction.reverse();
    assert_eq!(factory::EVENT_INSTRUCTION, event_instruction);
}
