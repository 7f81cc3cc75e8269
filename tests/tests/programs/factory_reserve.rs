//! `reserve_session` of the program `session_factory`.

use session_events::{
    Event, SessionConfiguration, SessionPermissions, SessionReservedEvent, SessionSettings,
    factory::{ReservationRequest, SESSION_FACTORY_ID, reservation_address, reserve_session},
};
use solana_sdk::{pubkey::Pubkey, signature::Signer};

use crate::{
    sessions::state,
    svm::{NOW, Svm, data_lines},
};

/// `sha256("account:SessionReservation")[..8]`
const RESERVATION: [u8; 8] = [59, 143, 220, 79, 105, 184, 119, 248];

pub(crate) fn reservation(reservation_id: &str) -> ReservationRequest {
    ReservationRequest {
        reservation_id: reservation_id.to_owned(),
        session_id: "session-1".to_owned(),
        session_owner: Pubkey::new_from_array([7; 32]),
        template_id: Some("größe".to_owned()),
        custom_config: None,
        reservation_duration_hours: 24,
    }
}

pub(crate) fn configuration() -> SessionConfiguration {
    SessionConfiguration {
        max_duration: 86_400,
        permissions: SessionPermissions {
            can_execute_functions: true,
            can_compose_functions: true,
            can_read_cross_session: false,
            can_write_cross_session: true,
        },
        settings: SessionSettings {
            auto_expire: true,
            enable_logging: false,
            enable_monitoring: true,
        },
    }
}

fn requests() -> [ReservationRequest; 3] {
    [
        reservation("r"),
        ReservationRequest {
            // The session's id is no seed here.
            session_id: "x".repeat(64),
            reservation_duration_hours: 1,
            ..reservation("0123456789abcdef0123456789abcdef")
        },
        ReservationRequest {
            template_id: None,
            custom_config: Some(configuration()),
            reservation_duration_hours: 168,
            ..reservation("with a configuration")
        },
    ]
}

#[test]
fn a_reservation_is_logged_and_written_as_anchor_would() {
    let mut svm = Svm::with_factory();
    let reserver = svm.payer.pubkey();
    for request in requests() {
        let instruction = reserve_session(&SESSION_FACTORY_ID, &reserver, &request).unwrap();
        let logs = svm.send(&[instruction], &[]).unwrap().logs;
        let expires_at = NOW + i64::try_from(request.reservation_duration_hours).unwrap() * 3_600;
        let event = Event::SessionReserved(SessionReservedEvent {
            reservation_id: request.reservation_id.clone(),
            session_id: request.session_id.clone(),
            reserved_by: reserver,
            session_owner: request.session_owner,
            template_id: request.template_id.clone(),
            expires_at,
            reserved_at: NOW,
        });
        assert_eq!(data_lines(&logs), [event.to_bytes().unwrap()]);

        let (address, bump) = reservation_address(&SESSION_FACTORY_ID, &reserver, &request.reservation_id).unwrap();
        let account = svm.account(&address).unwrap();
        assert_eq!(account.owner, SESSION_FACTORY_ID);
        assert_eq!(account.lamports, svm.rent(account.data.len()));
        let template = request.template_id.as_ref().map_or(0, |id| 4 + id.len());
        // The configuration has its place, of 16 bytes, whether it is there or not.
        let space = 8 + 4 + request.reservation_id.len() + 4 + request.session_id.len() + 64 + 1 + template + 17 + 18;
        assert_eq!(account.data.len(), space);
        let mut expected = RESERVATION.to_vec();
        let ids = (&request.reservation_id, &request.session_id);
        borsh::to_writer(&mut expected, &(ids, reserver, request.session_owner)).unwrap();
        borsh::to_writer(&mut expected, &(&request.template_id, &request.custom_config)).unwrap();
        borsh::to_writer(&mut expected, &(expires_at, NOW, false, bump)).unwrap();
        expected.resize(space, 0);
        assert_eq!(account.data, expected);
    }
    assert_eq!(state(&svm).total_sessions, 0, "a reservation is no session");
}

#[test]
fn each_reserver_has_reservations_of_their_own() {
    let mut svm = Svm::with_factory();
    let other = svm.wallet(1_000_000_000);
    let first = reserve_session(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &reservation("r")).unwrap();
    let second = reserve_session(&SESSION_FACTORY_ID, &other.pubkey(), &reservation("r")).unwrap();
    svm.send(std::slice::from_ref(&first), &[]).unwrap();
    svm.send(&[second], &[&other]).unwrap();
    assert_eq!(svm.refusal(first, &[]), 0, "the system program's");
}

#[test]
fn flags_that_are_neither_0_nor_1_are_malformed() {
    let mut svm = Svm::with_factory();
    let request = requests()[2].clone();
    let good = reserve_session(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request).unwrap();
    let template = 8 + 4 + request.reservation_id.len() + 4 + request.session_id.len() + 32;
    let flags = template + 2 + 8;
    for place in [template, template + 1].into_iter().chain(flags..flags + 7) {
        let mut instruction = good.clone();
        instruction.data[place] = 2;
        assert_eq!(svm.refusal(instruction, &[]), 102, "at {place}");
    }
}
