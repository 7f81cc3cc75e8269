//! Borsh for texts and lists whose length prefix nobody has checked yet.
//!
//! A prefix of four bytes can claim 4 GiB. These readers take memory in small steps, each after the bytes of the last one
//! were really there, so that a false prefix costs an error and next to no memory (invariant 6).

use borsh::{
    BorshDeserialize,
    io::{Error, ErrorKind, Read, Result},
};

/// Bytes that are read, and allocated, at a time: most texts are shorter.
const STEP_BYTES: usize = 256;

/// Elements that are allocated before any of them is read.
const STEP_ELEMENTS: u32 = 8;

pub(crate) fn string<R: Read>(reader: &mut R) -> Result<String> {
    let mut left = usize::try_from(u32::deserialize_reader(reader)?).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(left.min(STEP_BYTES));
    let mut step = [0; STEP_BYTES];
    while left > 0 {
        let read = &mut step[..left.min(STEP_BYTES)];
        reader.read_exact(read)?;
        bytes.extend_from_slice(read);
        left -= read.len();
    }
    String::from_utf8(bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

pub(crate) fn strings<R: Read>(reader: &mut R) -> Result<Vec<String>> {
    list(reader, string)
}

pub(crate) fn optional_string<R: Read>(reader: &mut R) -> Result<Option<String>> {
    match u8::deserialize_reader(reader)? {
        0 => Ok(None),
        1 => string(reader).map(Some),
        tag => Err(Error::new(
            ErrorKind::InvalidData,
            format!("option tag {tag}, expected 0 or 1"),
        )),
    }
}

/// Elements of the lists in the IDL take at least four bytes each, so the input's end bounds the loop.
fn list<R: Read, T>(reader: &mut R, element: impl Fn(&mut R) -> Result<T>) -> Result<Vec<T>> {
    let length = u32::deserialize_reader(reader)?;
    let mut elements = Vec::with_capacity(length.min(STEP_ELEMENTS) as usize);
    for _ in 0..length {
        elements.push(element(reader)?);
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_the_input_does_not_have_is_refused() {
        let mut input: &[u8] = &[0xff, 0xff, 0xff, 0xff, b'a', b'b'];
        let error = string(&mut input).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);

        let mut input: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert!(strings(&mut input).is_err());
    }

    #[test]
    fn what_was_written_is_read() {
        let names = vec!["a".to_owned(), String::new(), "ünï".repeat(1000)];
        let written = borsh::to_vec(&names).unwrap();
        assert_eq!(strings(&mut written.as_slice()).unwrap(), names);

        for option in [None, Some("template".to_owned())] {
            let written = borsh::to_vec(&option).unwrap();
            assert_eq!(optional_string(&mut written.as_slice()).unwrap(), option);
        }
    }

    #[test]
    fn text_that_is_no_utf8_and_a_tag_that_is_no_option_are_refused() {
        assert!(string(&mut [1u8, 0, 0, 0, 0xff].as_slice()).is_err());
        assert!(optional_string(&mut [2u8].as_slice()).is_err());
    }
}
