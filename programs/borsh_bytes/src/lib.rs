//! Reads instruction arguments in Borsh without copying, and writes Borsh into a buffer of known size.
//!
//! Strings stay slices of the instruction's data: nothing is allocated by a length that somebody else wrote.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;

/// The bytes are not what was expected: too few, too many, or no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What is left to read.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if there are fewer.
    pub fn slice(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    /// A byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|bytes| bytes[0])
    }

    /// A flag, which is 0 or 1. An optional value begins with one.
    ///
    /// # Errors
    /// [`Malformed`] at the end, and for any other byte.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// A little-endian number.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().copied().map(u16::from_le_bytes)
    }

    /// A little-endian number.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().copied().map(u32::from_le_bytes)
    }

    /// A little-endian number.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().copied().map(u64::from_le_bytes)
    }

    /// A little-endian number.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().copied().map(i64::from_le_bytes)
    }

    /// A string's bytes, which are UTF-8.
    ///
    /// # Errors
    /// [`Malformed`] if it is longer than the rest, or no UTF-8.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        let bytes = self.slice(length)?;
        core::str::from_utf8(bytes).map_err(|_| Malformed)?;
        Ok(bytes)
    }

    /// A string's bytes, which are UTF-8 and whose length is a single byte: no Borsh, but shorter.
    ///
    /// # Errors
    /// [`Malformed`] as [`Reader::string`].
    pub fn short_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::from(self.u8()?);
        let bytes = self.slice(length)?;
        core::str::from_utf8(bytes).map_err(|_| Malformed)?;
        Ok(bytes)
    }

    /// A list of strings.
    ///
    /// # Errors
    /// [`Malformed`] as [`Reader::string`].
    pub fn strings(&mut self) -> Result<Strings<'a>, Malformed> {
        let start = self.rest;
        let count = self.u32()?;
        for _ in 0..count {
            self.string()?;
        }
        let borsh = &start[..start.len() - self.rest.len()];
        Ok(Strings { borsh, count })
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Malformed`] if something is left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// A list of strings as it was read, to be written again as it is.
#[derive(Clone, Copy)]
pub struct Strings<'a> {
    /// The list in Borsh, its count included.
    pub borsh: &'a [u8],
    /// How many strings there are.
    pub count: u32,
}

impl Strings<'static> {
    /// No strings.
    pub const NONE: Self = Self {
        borsh: &[0; 4],
        count: 0,
    };
}

/// A number's decimal digits.
pub struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// The digits of `number`.
    #[must_use]
    pub fn of(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, start };
            }
        }
    }

    /// The digits as text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Borsh that is being written.
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty buffer for `capacity` bytes: heap that is outgrown is never freed on chain.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Bytes as they are: discriminators, public keys, little-endian numbers, and Borsh that was read before.
    pub fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A string.
    #[expect(clippy::cast_possible_truncation, reason = "nothing on chain has 4 GiB")]
    pub fn put_string(&mut self, bytes: &[u8]) -> &mut Self {
        self.put(&(bytes.len() as u32).to_le_bytes()).put(bytes)
    }

    /// What was written.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}
