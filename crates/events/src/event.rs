//! One event of `session_factory`, whichever of the nine it is.

use std::fmt;

use borsh::BorshDeserialize;
use serde::Serialize;

use crate::{
    EmergencySessionResetEvent, ManualSessionInitializedEvent, PdaComputedEvent, QueueProcessedEvent,
    SessionActivatedEvent, SessionCreatedEvent, SessionInitializedFromQueueEvent, SessionQueuedEvent,
    SessionReservedEvent, discriminator::Discriminator,
};

/// Writes the nine events down once; every table about them follows from here.
macro_rules! events {
    ($( $(#[$doc:meta])* $variant:ident($payload:ty) = $name:literal, $discriminator:expr; )+) => {
        /// An event of `session_factory`; serialises as `{"event_type":"PDAComputedEvent", …its fields}`.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "event_type")]
        pub enum Event {
            $( $(#[$doc])* #[serde(rename = $name)] $variant($payload), )+
        }

        impl Event {
            /// Which of the nine it is.
            #[must_use]
            pub fn kind(&self) -> EventKind {
                match self { $( Self::$variant(_) => EventKind::$variant, )+ }
            }

            /// Appends the event as the program writes it: discriminator, then Borsh.
            ///
            /// # Errors
            /// Borsh's, if a text or a list is longer than a `u32` can say.
            pub fn to_bytes(&self) -> Result<Vec<u8>, borsh::io::Error> {
                let mut bytes = self.kind().discriminator().to_vec();
                match self { $( Self::$variant(event) => borsh::to_writer(&mut bytes, event)?, )+ }
                Ok(bytes)
            }

            /// Reads the fields of an event of this kind; the bytes must end where the event does.
            #[inline]
            pub(crate) fn from_fields(kind: EventKind, fields: &mut &[u8]) -> Result<Self, borsh::io::Error> {
                Ok(match kind { $( EventKind::$variant => Self::$variant(BorshDeserialize::deserialize(fields)?), )+ })
            }
        }

        $( impl From<$payload> for Event {
            fn from(event: $payload) -> Self { Self::$variant(event) }
        } )+

        /// Which of the nine events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventKind {
            $( $(#[$doc])* $variant, )+
        }

        impl EventKind {
            /// All nine, in the IDL's order.
            pub const ALL: [Self; 9] = [ $( Self::$variant, )+ ];

            /// The event's name in the IDL, e.g. `"PDAComputedEvent"`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// First eight bytes of the event (IDL).
            #[must_use]
            pub const fn discriminator(self) -> Discriminator {
                match self { $( Self::$variant => $discriminator, )+ }
            }
        }
    };
}

events! {
    /// A session account is wanted.
    PdaComputed(PdaComputedEvent) = "PDAComputedEvent", [200, 217, 99, 148, 196, 218, 164, 57];
    /// A session's name was reserved.
    SessionReserved(SessionReservedEvent) = "SessionReservedEvent", [163, 115, 170, 31, 72, 44, 199, 205];
    /// A session was registered.
    SessionCreated(Box<SessionCreatedEvent>) = "SessionCreatedEvent", [35, 41, 98, 73, 187, 32, 19, 12];
    /// A session became active.
    SessionActivated(SessionActivatedEvent) = "SessionActivatedEvent", [58, 171, 147, 8, 109, 155, 244, 242];
    /// A session waits to be initialised.
    SessionQueued(SessionQueuedEvent) = "SessionQueuedEvent", [17, 39, 97, 253, 61, 176, 202, 19];
    /// A queued session was initialised.
    SessionInitializedFromQueue(SessionInitializedFromQueueEvent) =
        "SessionInitializedFromQueueEvent", [86, 70, 53, 27, 175, 30, 246, 187];
    /// A run over the on-chain queue has ended.
    QueueProcessed(QueueProcessedEvent) = "QueueProcessedEvent", [210, 248, 84, 219, 207, 56, 70, 152];
    /// The authority initialised a session by hand.
    ManualSessionInitialized(ManualSessionInitializedEvent) =
        "ManualSessionInitializedEvent", [222, 155, 124, 220, 106, 206, 100, 152];
    /// The authority put a session back.
    EmergencySessionReset(EmergencySessionResetEvent) =
        "EmergencySessionResetEvent", [188, 45, 121, 252, 189, 106, 55, 119];
}

impl EventKind {
    /// The kind that these first eight bytes announce, if it is one of the nine.
    #[must_use]
    pub fn from_discriminator(discriminator: Discriminator) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.discriminator() == discriminator)
    }

    /// The kind of this IDL name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
