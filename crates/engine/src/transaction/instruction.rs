//! The owner program's creating instruction, by configuration (`docs/integration.md`, "Why the program has to help").

use session_events::anchor_discriminator;
use session_events::session::PackedList;
use solana_pubkey::Pubkey;
use solana_sdk::instruction::{AccountMeta, Instruction};

use crate::request::claim::CreationRequest;

/// Names, account order and argument order of the instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstructionShape {
    /// The instruction's name; its discriminator is `sha256("global:<name>")[..8]`.
    pub name: String,
    /// Its accounts, in order.
    pub accounts: Vec<AccountRole>,
    /// Its arguments, in order, Borsh-encoded.
    pub arguments: Vec<Argument>,
    /// The instruction that does the same for many, where the owner programs have one.
    pub batch: Option<BatchShape>,
}

/// The instruction that creates many accounts. Its accounts are the payer, the system program, and the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// The instruction's name.
    pub name: String,
    /// How its only argument is written.
    pub encoding: BatchEncoding,
}

/// How a list of accounts is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEncoding {
    /// A Borsh list whose members have the arguments of the instruction for one.
    Borsh,
    /// Shorter: [`PackedList`].
    Packed,
}

/// What an account of the instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountRole {
    /// Pays the rent: signer, writable.
    Payer,
    /// The account to create: writable.
    Session,
    /// The system program.
    SystemProgram,
}

/// What an argument of the instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The session's owner, 32 bytes.
    Owner,
    /// The session's id, a string.
    SessionId,
    /// Bytes of data, u64.
    Size,
}

impl Default for InstructionShape {
    /// `create_session_account(owner, session_id, size)` of the design.
    fn default() -> Self {
        Self {
            name: "create_session_account".to_owned(),
            accounts: vec![AccountRole::Payer, AccountRole::Session, AccountRole::SystemProgram],
            arguments: vec![Argument::Owner, Argument::SessionId, Argument::Size],
            batch: Some(BatchShape {
                name: "create_session_accounts_packed".to_owned(),
                encoding: BatchEncoding::Packed,
            }),
        }
    }
}

impl InstructionShape {
    /// The instruction that creates `request`, paid by `payer`.
    pub(crate) fn instruction(&self, payer: &Pubkey, request: &CreationRequest) -> Instruction {
        let account = |role: &AccountRole| match role {
            AccountRole::Payer => AccountMeta::new(*payer, true),
            AccountRole::Session => AccountMeta::new(request.pda, false),
            AccountRole::SystemProgram => AccountMeta::new_readonly(solana_system_interface::program::ID, false),
        };
        Instruction {
            program_id: request.owner_program,
            accounts: self.accounts.iter().map(account).collect(),
            data: self.data(request),
        }
    }

    /// The instruction of this shape that creates all of `requests`, which belong to one program, paid by `payer`.
    pub(crate) fn batch_instruction(
        &self,
        batch: &BatchShape,
        payer: &Pubkey,
        owner_program: &Pubkey,
        requests: &[&CreationRequest],
    ) -> Instruction {
        let payer = AccountMeta::new(*payer, true);
        let system_program = AccountMeta::new_readonly(solana_system_interface::program::ID, false);
        let sessions = requests.iter().map(|request| AccountMeta::new(request.pda, false));
        let mut data = anchor_discriminator("global", &batch.name).to_vec();
        match batch.encoding {
            BatchEncoding::Borsh => self.put_list(&mut data, requests),
            BatchEncoding::Packed => data.extend(packed(requests)),
        }
        Instruction {
            program_id: *owner_program,
            accounts: [payer, system_program].into_iter().chain(sessions).collect(),
            data,
        }
    }

    fn put_list(&self, data: &mut Vec<u8>, requests: &[&CreationRequest]) {
        // A transaction has no room for more than a few dozen.
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        data.extend_from_slice(&count.to_le_bytes());
        for request in requests {
            self.put_arguments(data, request);
        }
    }

    fn data(&self, request: &CreationRequest) -> Vec<u8> {
        let mut data = anchor_discriminator("global", &self.name).to_vec();
        self.put_arguments(&mut data, request);
        data
    }

    fn put_arguments(&self, data: &mut Vec<u8>, request: &CreationRequest) {
        for argument in &self.arguments {
            match argument {
                Argument::Owner => data.extend_from_slice(request.session_owner.as_ref()),
                Argument::SessionId => {
                    // A validated id has 32 bytes at most, so its length always fits.
                    let length = u32::try_from(request.session_id.len()).unwrap_or(u32::MAX);
                    data.extend_from_slice(&length.to_le_bytes());
                    data.extend_from_slice(request.session_id.as_bytes());
                }
                Argument::Size => data.extend_from_slice(&request.size.to_le_bytes()),
            }
        }
    }
}

fn packed(requests: &[&CreationRequest]) -> Vec<u8> {
    let mut list = PackedList::default();
    for request in requests {
        list.push(&request.session_owner, &request.session_id, request.size);
    }
    list.into_bytes()
}

#[cfg(test)]
mod tests {
    use session_events::session::{
        AccountRequest, SESSION_PROGRAM_ID, create_session_account, create_session_accounts,
        create_session_accounts_packed,
    };
    use session_events::session_address;

    use super::*;

    fn request() -> CreationRequest {
        let session_owner = Pubkey::new_from_array([3; 32]);
        let (pda, _) = session_address(&SESSION_PROGRAM_ID, &session_owner, "id").unwrap();
        CreationRequest {
            pda,
            owner_program: SESSION_PROGRAM_ID,
            session_owner,
            session_id: "id".to_owned(),
            size: 300,
            requester: None,
            asked_at_slot: None,
        }
    }

    #[test]
    fn the_default_is_the_designs_instruction() {
        let payer = Pubkey::new_from_array([5; 32]);
        let CreationRequest {
            session_owner,
            session_id,
            size,
            ..
        } = request();
        let asked = AccountRequest {
            owner: session_owner,
            session_id,
            size,
        };
        let expected = create_session_account(&SESSION_PROGRAM_ID, &payer, &asked).unwrap();
        let shape = InstructionShape::default();
        assert_eq!(shape.instruction(&payer, &request()), expected);

        let both = [asked.clone(), asked];
        let expected = create_session_accounts(&SESSION_PROGRAM_ID, &payer, &both).unwrap();
        let expected_packed = create_session_accounts_packed(&SESSION_PROGRAM_ID, &payer, &both).unwrap();
        let many = [&request(), &request()];
        let plain = BatchShape {
            name: "create_session_accounts".to_owned(),
            encoding: BatchEncoding::Borsh,
        };
        let built = shape.batch_instruction(&plain, &payer, &SESSION_PROGRAM_ID, &many);
        assert_eq!(built, expected);
        let packed = shape.batch.as_ref().unwrap();
        let built = shape.batch_instruction(packed, &payer, &SESSION_PROGRAM_ID, &many);
        assert_eq!(built, expected_packed);
    }

    #[test]
    fn another_order_moves_accounts_and_arguments() {
        let shape = InstructionShape {
            name: "open".to_owned(),
            accounts: vec![AccountRole::Session, AccountRole::Payer],
            arguments: vec![Argument::Size, Argument::Owner],
            batch: None,
        };
        let built = shape.instruction(&Pubkey::new_from_array([5; 32]), &request());
        assert_eq!(built.accounts[0].pubkey, request().pda);
        assert_eq!(built.data[..8], anchor_discriminator("global", "open"));
        assert_eq!(built.data[8..16], 300u64.to_le_bytes());
        assert_eq!(built.data.len(), 8 + 8 + 32);
    }
}
