//! What an initialised session account holds, `SessionState`.

use borsh_bytes::{Malformed, Reader, Strings, Writer};

use crate::seeds::SessionSeeds;

/// `sha256("account:SessionState")[..8]`
const SESSION_STATE: [u8; 8] = [81, 115, 163, 194, 253, 90, 118, 39];

/// Everything but the strings: discriminator, owner, `eval_program`, their length prefixes, `is_active`, the metadata of
/// an empty description, no tags and no limit, executions, two times and the bump.
const FIXED: usize = 8 + 32 + 32 + 4 + 1 + (4 + 4 + 8) + 8 + 8 + 8 + 1;

/// `is_active`
const ACTIVE: u8 = 1;

/// A session that begins.
pub(crate) struct NewSession<'a> {
    pub(crate) seeds: SessionSeeds<'a>,
    pub(crate) eval_program: &'a [u8; 32],
    pub(crate) namespaces: Strings<'a>,
}

impl<'a> NewSession<'a> {
    /// Reads owner, `eval_program`, session id and namespaces, whatever they are.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let owner = reader.array()?;
        let eval_program = reader.array()?;
        let session_id = reader.string()?;
        Ok(Self {
            seeds: SessionSeeds { owner, session_id },
            eval_program,
            namespaces: reader.strings()?,
        })
    }

    /// The account's first bytes, at `now` in unix seconds.
    pub(crate) fn state(&self, now: i64, bump: u8) -> Writer {
        let session_id = self.seeds.session_id;
        let mut state = Writer::with_capacity(FIXED + session_id.len() + self.namespaces.borsh.len());
        state
            .put(&SESSION_STATE)
            .put(self.seeds.owner)
            .put(self.eval_program)
            .put_string(session_id)
            .put(self.namespaces.borsh)
            .put(&[ACTIVE])
            .put(&[0; 4 + 4 + 8]) // metadata
            .put(&[0; 8]) // total_executions
            .put(&now.to_le_bytes())
            .put(&now.to_le_bytes())
            .put(&[bump]);
        state
    }
}

/// The seeds of an initialised session, or `None` if `data` is none.
pub(crate) fn seeds_in(data: &[u8]) -> Option<SessionSeeds<'_>> {
    let fields = data.strip_prefix(&SESSION_STATE)?;
    let mut reader = Reader::new(fields);
    let owner = reader.array().ok()?;
    let _eval_program = reader.array::<32>().ok()?;
    let session_id = reader.string().ok()?;
    Some(SessionSeeds { owner, session_id })
}
