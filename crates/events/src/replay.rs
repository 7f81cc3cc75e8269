//! Replays one transaction's logs as the stack of frames that they tell of; the rules are argued in `decode`.

use std::ops::ControlFlow;

use crate::{
    decoded::{Completeness, DeclaredEvent, Decoded, LoggedEvent},
    known::{KnownEvents, Understood},
    log_line::{FrameNote, Line, is_address},
    payload,
    refusal::{Refusal, RefusalReason},
};

/// The state of a replay after some lines.
pub(crate) struct Replay<'d, 'l> {
    factory: &'d [u8],
    known: &'d KnownEvents,
    /// The frames that are open, outermost first.
    frames: Vec<Frame<'l>>,
    events: Printed<LoggedEvent>,
    declared: Printed<DeclaredEvent>,
    refusals: Vec<Refusal>,
    /// Data lines of the factory so far.
    data_lines: u32,
    /// The last payload, kept for its memory.
    payload: Vec<u8>,
    failed: bool,
}

#[derive(Clone, Copy)]
struct Frame<'l> {
    program: &'l [u8],
    is_factory: bool,
}

/// Events in the order of their lines, none of them believed before the end.
struct Printed<T> {
    events: Vec<T>,
    lines: Vec<usize>,
    /// How many were printed before the top-level instruction that is open now.
    settled: usize,
}

impl<T> Printed<T> {
    const NONE: Self = Self {
        events: Vec::new(),
        lines: Vec::new(),
        settled: 0,
    };

    fn push(&mut self, line: usize, event: T) {
        self.lines.push(line);
        self.events.push(event);
    }

    fn settle(&mut self) {
        self.settled = self.events.len();
    }

    /// Takes back all but the first; says on which lines they were.
    fn withdraw_from(&mut self, first: usize) -> impl Iterator<Item = usize> {
        self.events.truncate(first);
        self.lines.drain(first.min(self.lines.len())..)
    }
}

impl<'d, 'l> Replay<'d, 'l> {
    pub(crate) fn new(factory: &'d str, known: &'d KnownEvents) -> Self {
        Self {
            factory: factory.as_bytes(),
            known,
            frames: Vec::new(),
            events: Printed::NONE,
            declared: Printed::NONE,
            refusals: Vec::new(),
            data_lines: 0,
            payload: Vec::new(),
            failed: false,
        }
    }

    pub(crate) fn of_failed(factory: &'d str, known: &'d KnownEvents) -> Self {
        Self {
            failed: true,
            ..Self::new(factory, known)
        }
    }

    pub(crate) fn run<S: AsRef<str>>(mut self, logs: &'l [S]) -> Decoded {
        for (number, text) in logs.iter().enumerate() {
            if let ControlFlow::Break(completeness) = self.line(number, Line::read(text.as_ref())) {
                return self.conclude(completeness);
            }
        }
        let completeness = if self.frames.is_empty() {
            Completeness::Complete
        } else {
            Completeness::Unbalanced
        };
        self.conclude(completeness)
    }

    #[inline]
    fn line(&mut self, number: usize, line: Line<'l>) -> ControlFlow<Completeness> {
        match line {
            Line::Other => ControlFlow::Continue(()),
            Line::Data(text) => self.data(number, text),
            Line::Invoke { program, depth } => self.open(program, depth),
            Line::Frame { program, note } => self.note(program, note),
            Line::Truncated => {
                self.refuse(number, RefusalReason::Truncated);
                ControlFlow::Break(Completeness::Truncated)
            }
            Line::MalformedInvoke => ControlFlow::Break(Completeness::Unbalanced),
        }
    }

    fn open(&mut self, program: &'l [u8], depth: usize) -> ControlFlow<Completeness> {
        if depth != self.frames.len() + 1 {
            return ControlFlow::Break(Completeness::Unbalanced);
        }
        self.frames.push(Frame {
            program,
            is_factory: program == self.factory,
        });
        ControlFlow::Continue(())
    }

    fn note(&mut self, program: &'l [u8], note: FrameNote) -> ControlFlow<Completeness> {
        if self.frames.last().is_none_or(|top| top.program != program) {
            // A sentence of the runtime's about something else than a frame may have a space at the same place.
            return if is_address(program) {
                ControlFlow::Break(Completeness::Unbalanced)
            } else {
                ControlFlow::Continue(())
            };
        }
        match note {
            FrameNote::Consumed => {}
            FrameNote::Success => self.close(),
            FrameNote::Failed => {
                self.failed = true;
                self.close();
            }
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self) {
        self.frames.pop();
        if self.frames.is_empty() {
            self.events.settle();
            self.declared.settle();
        }
    }

    fn data(&mut self, number: usize, text: &str) -> ControlFlow<Completeness> {
        match self.frames.last() {
            None => return ControlFlow::Break(Completeness::Unbalanced),
            Some(frame) if frame.is_factory => self.factory_data(number, text),
            Some(frame) if self.known.may_hold(text) => {
                let program = frame.program;
                self.foreign_data(number, program, text);
            }
            Some(_) => {}
        }
        ControlFlow::Continue(())
    }

    fn factory_data(&mut self, number: usize, text: &str) {
        let index = self.data_lines;
        self.data_lines = self.data_lines.saturating_add(1);
        if !payload::decode(text, &mut self.payload) {
            return self.refuse(number, RefusalReason::BadBase64);
        }
        match self.known.understand(&self.payload) {
            Ok(Understood::BuiltIn(event)) => self.events.push(number, LoggedEvent { index, event }),
            Ok(Understood::Declared { name, fields }) => {
                self.declared.push(number, DeclaredEvent { index, name, fields });
            }
            Err(reason) => self.refuse(number, reason),
        }
    }

    /// Other programs' data is their own business, unless it poses as the factory's.
    fn foreign_data(&mut self, number: usize, program: &[u8], text: &str) {
        if payload::decode(text, &mut self.payload) && self.known.announces(&self.payload) {
            let program = String::from_utf8_lossy(program).into_owned();
            self.refuse(number, RefusalReason::WrongProgram { program });
        }
    }

    fn refuse(&mut self, line: usize, reason: RefusalReason) {
        self.refusals.push(Refusal { line, reason });
    }

    /// Withdraws what cannot be believed and hands over the rest.
    fn conclude(mut self, completeness: Completeness) -> Decoded {
        if self.failed {
            self.withdraw_from(0, 0, &RefusalReason::FailedTransaction);
        } else if completeness == Completeness::Unbalanced {
            self.withdraw_from(self.events.settled, self.declared.settled, &RefusalReason::Unbalanced);
        }
        Decoded {
            events: self.events.events,
            declared: self.declared.events,
            refusals: self.refusals,
            completeness,
        }
    }

    fn withdraw_from(&mut self, first: usize, first_declared: usize, reason: &RefusalReason) {
        let lines = self
            .events
            .withdraw_from(first)
            .chain(self.declared.withdraw_from(first_declared));
        let withdrawn = lines.map(|line| Refusal {
            line,
            reason: reason.clone(),
        });
        self.refusals.extend(withdrawn);
        self.refusals.sort_by_key(|refusal| refusal.line);
    }
}
