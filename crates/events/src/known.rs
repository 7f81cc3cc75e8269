//! Which events are known, by discriminator, and how the bytes of each are read.

use serde_json::Value;

use crate::{
    discriminator::Discriminator,
    event::{Event, EventKind},
    idl::{EventLayout, Idl, LayoutConflict, layout_conflict, newer_layouts},
    payload::{self, Prefix},
    refusal::RefusalReason,
};

/// The events that a decoder looks for.
#[derive(Clone, Debug)]
pub(crate) struct KnownEvents {
    /// Side by side with `layouts`: the two are searched far more often than the layouts are used.
    discriminators: Vec<Discriminator>,
    prefixes: Vec<Prefix>,
    layouts: Vec<Layout>,
}

#[derive(Clone, Debug)]
enum Layout {
    BuiltIn(EventKind),
    Declared(EventLayout),
    /// The IDL declares it by something that cannot be read.
    Unreadable {
        name: String,
        detail: String,
    },
}

/// An event's bytes, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Understood {
    BuiltIn(Event),
    Declared { name: String, fields: Value },
}

impl KnownEvents {
    /// The nine events of this crate.
    pub(crate) fn built_in() -> Self {
        let layouts = EventKind::ALL.map(|kind| (kind.discriminator(), Layout::BuiltIn(kind)));
        layouts.into_iter().collect()
    }

    /// The nine, with what the user's IDL adds to them or changes in them.
    pub(crate) fn with_idl(idl: &Idl) -> Result<Self, LayoutConflict> {
        let [built_in, by_anchor] = [Idl::built_in()?, Idl::by_anchor()?];
        let idl = idl.filled_by(&built_in);
        layout_conflict(&idl, &built_in)?;
        let built_in = [built_in, by_anchor];
        let newer: Vec<&EventLayout> = newer_layouts(&idl, &built_in).collect();
        let replaced = |kind: EventKind| {
            newer
                .iter()
                .any(|layout| layout.name() == kind.name() || layout.discriminator() == kind.discriminator())
        };
        let kept = EventKind::ALL
            .into_iter()
            .filter(|&kind| !replaced(kind))
            .map(|kind| (kind.discriminator(), Layout::BuiltIn(kind)));
        let declared = newer
            .iter()
            .map(|&layout| (layout.discriminator(), Layout::of(layout.clone())));
        Ok(kept.chain(declared).collect())
    }

    /// The events that are known by name and cannot be read, with why.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.layouts.iter().filter_map(|layout| match layout {
            Layout::Unreadable { name, detail } => Some((name.as_str(), detail.as_str())),
            Layout::BuiltIn(_) | Layout::Declared(_) => None,
        })
    }

    /// Whether the text of a data line may be one of these events: false is certain, and cheap.
    #[inline]
    pub(crate) fn may_hold(&self, text: &str) -> bool {
        payload::may_start_with(text, &self.prefixes)
    }

    /// Whether a payload starts as one of these events.
    pub(crate) fn announces(&self, payload: &[u8]) -> bool {
        payload
            .first_chunk()
            .is_some_and(|discriminator| self.discriminators.contains(discriminator))
    }

    /// Reads a payload, to its last byte.
    #[inline]
    pub(crate) fn understand(&self, payload: &[u8]) -> Result<Understood, RefusalReason> {
        let Some((discriminator, mut fields)) = payload.split_first_chunk() else {
            return Err(RefusalReason::NoDiscriminator { length: payload.len() });
        };
        let position = self.discriminators.iter().position(|known| known == discriminator);
        let Some(layout) = position.and_then(|position| self.layouts.get(position)) else {
            return Err(RefusalReason::UnknownDiscriminator(*discriminator));
        };
        let understood = layout.read(&mut fields)?;
        match fields.len() {
            0 => Ok(understood),
            trailing => Err(RefusalReason::TrailingBytes {
                name: layout.name().to_owned(),
                trailing,
            }),
        }
    }
}

impl FromIterator<(Discriminator, Layout)> for KnownEvents {
    fn from_iter<I: IntoIterator<Item = (Discriminator, Layout)>>(events: I) -> Self {
        let (discriminators, layouts): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        let prefixes = discriminators.iter().copied().map(payload::prefix).collect();
        Self {
            discriminators,
            prefixes,
            layouts,
        }
    }
}

impl Layout {
    fn of(declared: EventLayout) -> Self {
        match declared.gap() {
            None => Self::Declared(declared),
            Some(gap) => Self::Unreadable {
                name: declared.name().to_owned(),
                detail: gap.to_string(),
            },
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::BuiltIn(kind) => kind.name(),
            Self::Declared(layout) => layout.name(),
            Self::Unreadable { name, .. } => name,
        }
    }

    #[inline]
    fn read(&self, fields: &mut &[u8]) -> Result<Understood, RefusalReason> {
        let understood = match self {
            Self::BuiltIn(kind) => Event::from_fields(*kind, fields)
                .map(Understood::BuiltIn)
                .map_err(|error| error.to_string()),
            Self::Declared(layout) => layout
                .read(fields)
                .map(|fields| Understood::Declared {
                    name: layout.name().to_owned(),
                    fields,
                })
                .map_err(|error| error.to_string()),
            Self::Unreadable { name, detail } => {
                return Err(RefusalReason::NoLayout {
                    name: name.clone(),
                    detail: detail.clone(),
                });
            }
        };
        understood.map_err(|detail| RefusalReason::ShortBorsh {
            name: self.name().to_owned(),
            detail,
        })
    }
}
