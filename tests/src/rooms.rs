//! A test binary of several rooms, each a process of its own, and which of them run side by side.
//!
//! What the end-to-end tests take is mostly waiting: for slots, for finality, for intervals to pass. One binary is compiled and
//! linked once, and its rooms wait at the same time. They are processes of the same file, because metrics, credentials and the
//! clock belong to a process, and a room's tests look at their own alone.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    process::{Command, ExitCode},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use tokio::{runtime::Runtime, time::Instant};

use crate::sqs_server::with_credentials;

/// Tests that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// What its tests' names begin with, before `::`.
    pub name: &'static str,
    /// Runs them, in a process that has credentials for AWS's stand-ins.
    pub run: fn(Arguments) -> ExitCode,
}

/// A test, which panics where something is not as it should be.
pub type Test = fn();

/// Names tests by the functions that they are: what follows `async` runs in a runtime of its own.
#[macro_export]
macro_rules! tests {
    (async: $($name:ident $(:: $inner:ident)*),+ ; $(by itself: $($own:ident :: $sync:ident),+ ;)?) => {
        &[
            $((concat!(stringify!($name) $(, "::", stringify!($inner))*), || {
                $crate::rooms::block_on($name $(:: $inner)*())
            }),)+
            $($((concat!(stringify!($own), "::", stringify!($sync)), || $own::$sync()),)+)?
        ]
    };
}

/// The room that a process is, where it is one.
const ROOM: &str = "SESSION_BUILDER_TEST_ROOM";

/// What each test took that ended well, in this process.
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// Runs the rooms as a test runner does: the columns side by side, the rooms of each one after the other. Arguments go to every
/// room, so that a name chooses wherever it stands; with `--list`, `--nocapture` or one thread there is one room at a time.
#[must_use]
pub fn run(columns: &[&[Room]]) -> ExitCode {
    let arguments = Arguments::from_args();
    if let Some(name) = std::env::var_os(ROOM) {
        let room = columns.iter().copied().flatten().find(|room| name == room.name);
        return (room.expect("there is such a room").run)(arguments);
    }
    let one_at_a_time = arguments.list || arguments.nocapture || arguments.test_threads == Some(1);
    let passed = if one_at_a_time {
        let rooms = columns.iter().copied().flatten();
        rooms.map(|room| process(room).status()).fold(true, |passed, status| {
            passed & status.expect("the room starts").success()
        })
    } else {
        std::thread::scope(|threads| {
            let visits: Vec<_> = columns.iter().map(|rooms| threads.spawn(|| visit(rooms))).collect();
            visits
                .into_iter()
                .fold(true, |passed, visit| passed & visit.join().unwrap_or(false))
        })
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// One room after the other. What each has printed is shown at its end.
fn visit(rooms: &[Room]) -> bool {
    rooms.iter().fold(true, |passed, room| {
        let mut printed = tempfile::tempfile().expect("a file for what the room prints");
        let share = |file: &File| file.try_clone().expect("the file is open");
        let status = process(room).stdout(share(&printed)).stderr(share(&printed)).status();
        let succeeded = status.expect("the room starts").success();
        let mut bytes = Vec::new();
        printed
            .rewind()
            .and_then(|()| printed.read_to_end(&mut bytes))
            .expect("what the room printed");
        let text = String::from_utf8_lossy(&bytes);
        if !succeeded || !text.contains("\nrunning 0 tests\n") {
            let shown = write!(std::io::stdout().lock(), "\n     Room {}\n{text}", room.name);
            shown.expect("somebody reads");
        }
        passed & succeeded
    })
}

fn process(room: &Room) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(std::env::args_os().skip(1)).env(ROOM, room.name);
    with_credentials(&mut command);
    command
}

/// The tests of a room, so many at a time; says how long each took.
pub fn conclude(mut arguments: Arguments, at_a_time: usize, trials: Vec<Trial>) -> Conclusion {
    arguments.test_threads.get_or_insert(at_a_time);
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        tell_times();
    }
    conclusion
}

/// These tests as trials of a room.
#[must_use]
pub fn trials(room: &str, tests: &[(&str, Test)]) -> Vec<Trial> {
    let trial = |(name, test): &(&str, Test)| {
        let test = *test;
        timed(format!("{room}::{name}"), move || {
            test();
            Ok(())
        })
    };
    tests.iter().map(trial).collect()
}

/// A trial whose time is told at the end.
pub fn timed(name: String, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(name.clone(), move || {
        let began = Instant::now();
        test()?;
        took().push((began.elapsed(), name));
        Ok(())
    })
}

/// Runs a test to its end in a runtime of its own.
pub fn block_on(test: impl Future<Output = ()>) {
    Runtime::new().expect("a runtime").block_on(test);
}

/// The slowest first; what takes no time is nobody's concern.
#[expect(clippy::print_stdout, reason = "it is part of a test runner's output")]
fn tell_times() {
    let mut took = std::mem::take(&mut *took());
    took.sort_unstable_by(|one, other| other.cmp(one));
    for (took, name) in took.into_iter().filter(|(took, _)| *took > Duration::from_secs(1)) {
        println!("{:7.1} s  {name}", took.as_secs_f64());
    }
}

fn took() -> MutexGuard<'static, Vec<(Duration, String)>> {
    TOOK.lock().unwrap_or_else(PoisonError::into_inner)
}
