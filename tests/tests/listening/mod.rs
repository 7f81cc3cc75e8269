//! What a listener has to do on every chain.

mod events;

use std::{pin::Pin, sync::Arc};

use session_tests::chain::TestChain;

/// A scenario, which panics where the listener does not do what it should.
pub(crate) type Scenario = fn(Arc<TestChain>) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! scenarios {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        /// Every scenario, with its name.
        pub(crate) const ALL: &[(&str, Scenario)] =
            &[$((stringify!($name), |chain| Box::pin($module::$name(chain)))),+];
    };
}

scenarios![
    events::requests_before_and_during_listening_are_queued_once_each,
    events::a_restart_goes_on_from_the_cursor,
];
