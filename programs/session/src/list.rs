//! The lists of accounts that are to be there, in both ways of writing them.

use borsh_bytes::{Malformed, Reader};

use crate::{seeds::SessionSeeds, wanted::Wanted};

/// Owners that one packed list can name: a transaction has no room for more accounts than that.
const MAX_OWNERS: usize = 128;

/// A list that was not read yet.
pub(crate) struct List<'a> {
    members: &'a [u8],
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// So many members, each with its owner, a string and a `u64`.
    Borsh { count: u32 },
    /// As many members as there are bytes for. An owner is a byte: the place, counted from 0, of an owner that was named
    /// before, or the next place, and then the 32 bytes of another follow. The session's id has a byte of length, and the
    /// size two bytes.
    Packed,
}

/// The members of a list, one after the other.
pub(crate) struct Members<'a> {
    reader: Reader<'a>,
    form: Form,
    owners: [&'a [u8; 32]; MAX_OWNERS],
    named: usize,
}

const NOBODY: &[u8; 32] = &[0; 32];

impl<'a> List<'a> {
    /// A list in Borsh.
    pub(crate) fn borsh(arguments: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(arguments);
        let form = Form::Borsh { count: reader.u32()? };
        Ok(Self {
            members: &arguments[4..],
            form,
        })
    }

    /// A packed list.
    pub(crate) fn packed(arguments: &'a [u8]) -> Self {
        Self {
            members: arguments,
            form: Form::Packed,
        }
    }

    /// The members, from the first on.
    pub(crate) fn members(&self) -> Members<'a> {
        Members {
            reader: Reader::new(self.members),
            form: self.form,
            owners: [NOBODY; MAX_OWNERS],
            named: 0,
        }
    }

    /// How many members there are, which can all be read. One that can't has no place that could be named.
    pub(crate) fn count(&self) -> Result<usize, Malformed> {
        let mut members = self.members();
        let mut count = 0;
        while members.has_more(count) {
            members.next()?;
            count += 1;
        }
        members.reader.finish()?;
        Ok(count)
    }
}

impl<'a> Members<'a> {
    fn has_more(&self, read: usize) -> bool {
        match self.form {
            Form::Borsh { count } => read < count as usize,
            Form::Packed => !self.reader.is_empty(),
        }
    }

    /// The next member.
    pub(crate) fn next(&mut self) -> Result<Wanted<'a>, Malformed> {
        match self.form {
            Form::Borsh { .. } => Wanted::read(&mut self.reader),
            Form::Packed => {
                let owner = self.owner()?;
                let session_id = self.reader.short_string()?;
                let size = u64::from(self.reader.u16()?);
                Ok(Wanted {
                    seeds: SessionSeeds { owner, session_id },
                    size,
                })
            }
        }
    }

    fn owner(&mut self) -> Result<&'a [u8; 32], Malformed> {
        let place = usize::from(self.reader.u8()?);
        if place > self.named || place >= MAX_OWNERS {
            return Err(Malformed);
        }
        if place == self.named {
            self.owners[place] = self.reader.array()?;
            self.named += 1;
        }
        Ok(self.owners[place])
    }
}
